// Touches all of its RAM, then writes functions, one after the other, and runs each until it is hot. No two of them are
// the same: function n adds n up. Powers off; where a function gave what it should not, asks for a reset.
//
// Machine: that of packages/vmm/src/machine/layout.ts, with at most 3 GiB. The words at `parameters` are the test's.

	.equ	RAM, 0x40000000
	.equ	IMAGE_SIZE, 0x4000	// with two pages behind the code: translation tables, and data
	.equ	SYSTEM_OFF, 0x84000008
	.equ	SYSTEM_RESET, 0x84000009

// x19 function   x20 functions   x21 where it is   x22 end of RAM   x23 first free byte   x24 bytes to the next function
// x25 accesses in its loop   x26 turns of its loop   x27 a page of data

	.text
start:	b	boot
	.word	0
	.quad	0			// text_offset
	.quad	IMAGE_SIZE
	.quad	0xa			// little-endian, 4K, anywhere
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.word	0

parameters:
	.word	0			// bytes of RAM
	.word	0			// functions
	.word	0			// bytes from one to the next
	.word	0			// accesses in the loop of each
	.word	0			// turns of the loop
	.word	0

boot:	adr	x1, start		// on a 2 MiB boundary, so it serves as the vector base
	msr	vbar_el1, x1
	adr	x1, parameters
	ldp	w22, w20, [x1]
	ldp	w24, w25, [x1, #8]
	ldr	w26, [x1, #16]
	mov	x2, #RAM
	add	x22, x22, x2
	adr	x3, start
	add	x23, x3, #IMAGE_SIZE
	sub	x27, x23, #0x1000
	sub	x3, x23, #0x2000

// Everything where it is: a block of 1 GiB of devices, and three of memory.
	mov	x2, #0x405		// attribute 1, accessed
	str	x2, [x3]
	mov	x2, #0x701		// attribute 0, inner shareable, accessed
	mov	x4, #RAM
	add	x5, x2, x4
	add	x6, x5, x4
	stp	x5, x6, [x3, #8]
	add	x6, x6, x4
	str	x6, [x3, #24]
	msr	ttbr0_el1, x3
	mov	x1, #0x00ff		// 0: memory, write-back; 1: device
	msr	mair_el1, x1
	mov	x1, #0x3519		// T0SZ 25, granule 4 KiB, write-back, inner shareable
	movk	x1, #0x0080, lsl #16	// nothing by TTBR1_EL1
	movk	x1, #2, lsl #32		// 40 bits
	msr	tcr_el1, x1
	isb
	mrs	x1, sctlr_el1
	mov	x2, #0x1005		// M, C, I
	orr	x1, x1, x2
	msr	sctlr_el1, x1
	isb

	mov	x1, x23
1:	str	x1, [x1]
	add	x1, x1, #0x1000
	cmp	x1, x22
	b.lo	1b

	mov	x19, #0
	mov	x21, x23
next:	add	x1, x21, x24		// there must be room for it
	cmp	x1, x22
	csel	x21, x21, x23, ls
	bl	write
	mov	x0, x26
	mov	x1, #0
	mov	x3, x27
	blr	x21
	mul	x1, x19, x26
	cmp	x0, x1
	b.ne	bad
	add	x21, x21, x24
	add	x19, x19, #1
	cmp	x19, x20
	b.ne	next
	movz	w0, #SYSTEM_OFF >> 16, lsl #16
	movk	w0, #SYSTEM_OFF & 0xffff
	hvc	#0

// Writes function x19 at x21. Changes x0 to x6.
write:	mov	x0, x21
	ubfiz	w1, w19, #5, #16	// the immediate of MOVZ
	adr	x2, words
	ldp	w3, w4, [x2]
	orr	w3, w3, w1
	lsr	w1, w19, #16
	orr	w4, w4, w1, lsl #5
	stp	w3, w4, [x0], #8
	mov	x6, x0			// its loop
	ldr	w3, [x2, #8]
	str	w3, [x0], #4
	mov	x5, x25
	ldp	w3, w4, [x2, #12]
	ldr	w1, [x2, #20]
1:	cbz	x5, 2f
	stp	w3, w4, [x0], #8
	str	w1, [x0], #4
	sub	x5, x5, #1
	b	1b
2:	ldp	w3, w4, [x2, #24]	// SUBS, and B.NE to what lies behind it
	add	x1, x0, #4
	sub	x1, x6, x1
	ubfx	x1, x1, #2, #19
	orr	w4, w4, w1, lsl #5
	stp	w3, w4, [x0], #8
	ldp	w3, w4, [x2, #32]
	stp	w3, w4, [x0], #8
	bic	x1, x21, #63
3:	dc	cvau, x1
	dsb	ish
	ic	ivau, x1
	add	x1, x1, #64
	cmp	x1, x0
	b.lo	3b
	dsb	ish
	isb
	ret

// The function's instructions.
words:	movz	x2, #0
	movk	x2, #0, lsl #16
	add	x1, x1, x2
	ldr	x4, [x3]
	add	x4, x4, x2
	str	x4, [x3]
	subs	x0, x0, #1
	b.ne	.
	mov	x0, x1
	ret

	.balign	0x200
// Synchronous exception from the current EL: none is expected.
bad:	movz	w0, #SYSTEM_RESET >> 16, lsl #16
	movk	w0, #SYSTEM_RESET & 0xffff
	hvc	#0
