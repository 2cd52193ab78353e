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
