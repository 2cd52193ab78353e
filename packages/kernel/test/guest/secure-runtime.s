// A secure runtime: a random number and a monotonic counter, in the SiP range of SMCCC.
// x0 = function id (low 16 bits: 0 random, 1 counter; others of the tests below); `SMC #0` returns x0 to x3.
	.text
	.global entry
entry:
	and	w9, w0, #0xffff
	cbz	w9, random
	cmp	w9, #1
	b.eq	counter
	cmp	w9, #2
	b.eq	hang
	cmp	w9, #3
	b.eq	crash
	cmp	w9, #4
	b.eq	peek
	cmp	w9, #5
	b.eq	poke
	cmp	w9, #6
	b.eq	registers
	cmp	w9, #7
	b.eq	keep
	cmp	w9, #8
	b.eq	sweep
	mov	x0, #-1
	smc	#0

// SplitMix64 (Steele, Lea, Flood 2014) over a seed that user space has put here.
random:
	adr	x10, seed
	ldr	x1, [x10]
	ldr	x2, gamma
	add	x1, x1, x2
	str	x1, [x10]
	ldr	x2, mix1
	eor	x1, x1, x1, lsr #30
	mul	x1, x1, x2
	ldr	x2, mix2
	eor	x1, x1, x1, lsr #27
	mul	x1, x1, x2
	eor	x1, x1, x1, lsr #31
	mov	x0, #0
	mov	x2, #0
	mov	x3, #0
	smc	#0

counter:
	adr	x10, count
	ldr	x1, [x10]
	add	x1, x1, #1
	str	x1, [x10]
	mov	x0, #0
	smc	#0

hang:
	b	hang

crash:
	udf	#0

// x1 = address: reads it into x1.
peek:
	ldr	x1, [x1]
	mov	x0, #0
	smc	#0

// x1 = address, x2 = value: writes it.
poke:
	str	x2, [x1]
	mov	x0, #0
	smc	#0

// What else of the caller can be seen: x1 = x8 or x9 or the stack pointer's low bits, x2 = sp.
registers:
	mov	x1, x8
	mov	x2, sp
	stp	x8, x8, [sp, #-16]!
	mov	x0, #0
	mov	x3, x7
	smc	#0

// x1, x2: kept in a system register and a vector register; x1 and x2 are what was there before.
keep:
	mrs	x10, tpidr_el1
	umov	x11, v31.d[1]
	msr	tpidr_el1, x1
	ins	v31.d[1], x2
	mov	x1, x10
	mov	x2, x11
	mov	x0, #0
	smc	#0

// x1 = address, x2 = number of pages: writes one byte into each.
sweep:
	strb	w2, [x1], #1
	add	x1, x1, #4095
	subs	x2, x2, #1
	b.ne	sweep
	mov	x0, #0
	smc	#0

	.balign	8
gamma:	.quad	0x9e3779b97f4a7c15
mix1:	.quad	0xbf58476d1ce4e5b9
mix2:	.quad	0x94d049bb133111eb
seed:	.quad	0
count:	.quad	0
