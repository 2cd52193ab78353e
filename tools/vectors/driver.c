/*
 * Executes A64 instruction words on the reference and reports what they did to the registers and to memory.
 *
 * Reads cases from standard input, writes results to standard output; layouts below, little-endian, also in
 * reference.ts. A case runs by returning from a signal into its state; it ends in the next signal: the BRK behind its
 * words, or what the words raised. So all registers, flags and the stack pointer can have any value.
 *
 * Build: aarch64-linux-gnu-gcc -O2 -static-pie -o driver driver.c
 * Run:   qemu-aarch64 -cpu max,sve=off,sme=off,pauth=off driver < cases > results
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/mman.h>
#include <ucontext.h>

#define WINDOW 0x40000000ul
#define WINDOW_SIZE 0x20000ul
#define CODE_PAGE 0x40100000ul
#define CODE_SIZE 0x1000ul
#define CODE (CODE_PAGE + CODE_SIZE / 2)
#define MAX_WORDS 8
#define MAX_CHANGES 256
#define BRK 0xd4200000u

struct state {
	uint64_t x[31];
	uint64_t sp;
	uint64_t nzcv; /* bits 31:28, as in PSTATE */
	uint32_t fpcr;
	uint32_t fpsr;
	uint64_t v[64];
};

struct test {
	uint32_t count;
	uint32_t words[MAX_WORDS];
	uint32_t pad;
	struct state state;
};

struct result {
	uint32_t signal; /* SIGTRAP: the words ended */
	uint32_t changes; /* how many (offset, byte) pairs follow; more than MAX_CHANGES are cut off */
	uint64_t pc;
	uint64_t fault; /* address, for SIGSEGV and SIGBUS */
	struct state state;
};

static struct test test;
static unsigned char pattern[WINDOW_SIZE];
static int started;

static struct fpsimd_context *fpsimd(ucontext_t *context)
{
	struct _aarch64_ctx *record = (struct _aarch64_ctx *)context->uc_mcontext.__reserved;
	while (record->magic && record->magic != FPSIMD_MAGIC)
		record = (struct _aarch64_ctx *)((char *)record + record->size);
	if (!record->magic)
		abort();
	return (struct fpsimd_context *)record;
}

static void report(int number, siginfo_t *info, ucontext_t *context)
{
	struct fpsimd_context *fp = fpsimd(context);
	struct result result = { .signal = number, .pc = context->uc_mcontext.pc };
	static struct { uint32_t offset, byte; } changes[MAX_CHANGES];
	unsigned char *window = (unsigned char *)WINDOW;

	if (number == SIGSEGV || number == SIGBUS)
		result.fault = (uint64_t)info->si_addr;
	memcpy(result.state.x, context->uc_mcontext.regs, sizeof(result.state.x));
	result.state.sp = context->uc_mcontext.sp;
	result.state.nzcv = context->uc_mcontext.pstate & 0xf0000000u;
	result.state.fpcr = fp->fpcr;
	result.state.fpsr = fp->fpsr;
	memcpy(result.state.v, fp->vregs, sizeof(result.state.v));
	if (memcmp(window, pattern, WINDOW_SIZE)) {
		for (uint32_t i = 0; i < WINDOW_SIZE; i++) {
			if (window[i] == pattern[i])
				continue;
			if (result.changes < MAX_CHANGES) {
				changes[result.changes].offset = i;
				changes[result.changes++].byte = window[i];
			}
			window[i] = pattern[i];
		}
	}
	fwrite(&result, sizeof(result), 1, stdout);
	fwrite(changes, sizeof(changes[0]), result.changes, stdout);
}

static void handle(int number, siginfo_t *info, void *argument)
{
	ucontext_t *context = argument;
	struct fpsimd_context *fp = fpsimd(context);
	uint32_t *code = (uint32_t *)CODE;

	if (started)
		report(number, info, context);
	started = 1;
	if (fread(&test, sizeof(test), 1, stdin) != 1) {
		fflush(stdout);
		_exit(0);
	}
	for (uint32_t i = 0; i < MAX_WORDS + 1; i++)
		code[i] = i < test.count ? test.words[i] : BRK;
	__builtin___clear_cache((char *)code, (char *)(code + MAX_WORDS + 1));
	memcpy(context->uc_mcontext.regs, test.state.x, sizeof(test.state.x));
	context->uc_mcontext.sp = test.state.sp;
	context->uc_mcontext.pstate = (context->uc_mcontext.pstate & ~0xf0000000ul) | test.state.nzcv;
	context->uc_mcontext.pc = CODE;
	fp->fpcr = test.state.fpcr;
	fp->fpsr = test.state.fpsr;
	memcpy(fp->vregs, test.state.v, sizeof(test.state.v));
	__asm__ volatile("clrex" ::: "memory");
}

static void *map(unsigned long address, unsigned long size, int prot)
{
	void *place = mmap((void *)address, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (place != (void *)address) {
		perror("mmap");
		exit(1);
	}
	return place;
}

int main(void)
{
	static char stack[0x20000];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	const int signals[] = { SIGTRAP, SIGILL, SIGSEGV, SIGBUS, SIGFPE };

	map(WINDOW, WINDOW_SIZE, PROT_READ | PROT_WRITE);
	uint32_t *page = map(CODE_PAGE, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC);
	for (unsigned long i = 0; i < CODE_SIZE / 4; i++)
		page[i] = BRK;
	/* The window's contents before every case: windowPattern() of the tests. */
	for (uint32_t i = 0; i < WINDOW_SIZE; i++)
		pattern[i] = (i * 0x9e3779b1u) >> 24;
	memcpy((void *)WINDOW, pattern, WINDOW_SIZE);
	sigaltstack(&alternate, 0);
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, 0);
	__asm__ volatile("brk #0");
	return 1;
}
