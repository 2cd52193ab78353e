/* What both guests have: a console, a clock, a fault handler, and memory to compute in. */
typedef unsigned long u64; typedef unsigned int u32; typedef unsigned char u8;
#define UART (*(volatile u32 *)0x09000000UL)
static void putc_(char c) { UART = (u32)c; }
static void puts_(const char *s) { while (*s) putc_(*s++); }
static void putu(u64 v) { char b[24]; int i = 24; b[--i] = 0; do { b[--i] = '0' + v % 10; v /= 10; } while (v); puts_(b + i); }
static void putx(u64 v) { for (int i = 60; i >= 0; i -= 4) putc_("0123456789abcdef"[(v >> i) & 15]); }
static u64 now(void) { u64 v; __asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(v)); return v; }
static u64 freq(void) { u64 v; __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(v)); return v; }
void fault_c(u64 esr, u64 elr, u64 far) { puts_("FAULT esr="); putx(esr); puts_(" elr="); putx(elr); puts_(" far="); putx(far); puts_("\n"); }
void *memcpy(void *d, const void *s, u64 n) { u8 *a = d; const u8 *b = s; while (n >= 8) { *(u64 *)a = *(const u64 *)b; a += 8; b += 8; n -= 8; } while (n--) *a++ = *b++; return d; }
void *memset(void *d, int c, u64 n) { u8 *a = d; while (n--) *a++ = (u8)c; return d; }
static u8 arena[16 << 20] __attribute__((aligned(4096)));

struct kernel { const char *name; u64 (*fn)(u64); u64 n; };
/* The command line says how often each kernel runs, in their order: "repeat=2,1,4". It is in the device tree, which lies at the start of RAM if x0 does not say where. */
static const u8 *repeats(const u8 *tree) {
	static const char key[] = "repeat=";
	if (!tree) tree = (const u8 *)0x40000000UL;
	if (tree[0] != 0xd0 || tree[1] != 0x0d || tree[2] != 0xfe || tree[3] != 0xed) return 0;
	const u32 size = tree[5] << 16 | tree[6] << 8 | tree[7];
	for (u32 at = 0, met = 0; at < size; at++) { met = tree[at] == key[met] ? met + 1 : tree[at] == key[0]; if (!key[met]) return tree + at + 1; }
	return 0; }
static u64 next(const u8 **list) { u64 v = 0; if (!*list) return 1; while (**list >= '0' && **list <= '9') v = v * 10 + *(*list)++ - '0'; if (**list == ',') ++*list; return v ? v : 1; }
static void run(const struct kernel *ks, u32 count, const u8 *tree) {
	const u8 *list = repeats(tree); const u64 f = freq(), t00 = now();
	puts_("bench start\n");
	for (u32 i = 0; i < count; i++) {
		const u64 times = next(&list), t0 = now(), r = ks[i].fn(ks[i].n);
		for (u64 k = 1; k < times; k++) ks[i].fn(ks[i].n);
		const u64 t1 = now();
		puts_(ks[i].name); puts_(" "); putx(r); puts_(" us="); putu((t1 - t0) * 1000000 / f); puts_("\n"); }
	puts_("total us="); putu((now() - t00) * 1000000 / f); puts_("\n"); }
