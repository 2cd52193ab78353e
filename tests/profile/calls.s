// Spends its time in a function that is called by another one, with frame records, and powers off.
	.text
start:	b	boot
	.word	0
	.quad	0			// text_offset
	.quad	0x10000			// image_size
	.quad	0xa			// little-endian, 4K, anywhere
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.word	0

boot:	adr	x1, start
	add	sp, x1, #0x8000
	mov	x29, #0
	bl	outer
	movz	w0, #0x8400, lsl #16	// SYSTEM_OFF
	movk	w0, #8
	hvc	#0

outer:	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	bl	busy
	ldp	x29, x30, [sp], #16
	ret

busy:	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	movz	x0, #40, lsl #16
1:	subs	x0, x0, #1
	b.ne	1b
	ldp	x29, x30, [sp], #16
	ret
