// Makes the calls of the table at `calls`, which a test appends: function id, x1, x2, x3; 0 ends it. Writes x0 to x3 of
// each, 32 bytes, to the PL011. A call that is undefined gives 0xdef in x0. Header: Linux
// Documentation/arch/arm64/booting.rst. The word at `call` is the conduit, a test's to change.

	.equ	UART, 0x09000000
	.equ	POWER, 0x090f0000		// where PSCI cannot turn off
	.equ	POWER_OFF, 0x5555

start:	b	boot
	.word	0
	.quad	0
	.quad	0x20000
	.quad	0xa
	.quad	0, 0, 0
	.word	0x644d5241
	.word	0

boot:	adr	x0, start
	msr	vbar_el1, x0
	isb
	adr	x26, calls
	ldr	w28, =UART
next:	ldp	x0, x1, [x26]
	ldp	x2, x3, [x26, #16]
	cbz	x0, done
call:	hvc	#0
	nop				// left out after an undefined HVC of old kernels
	stp	x0, x1, [x26], #16
	stp	x2, x3, [x26], #16
	sub	x27, x26, #32
byte:	ldrb	w0, [x27], #1
	str	w0, [x28]
	cmp	x27, x26
	b.ne	byte
	b	next

done:	ldr	w1, =POWER
	mov	w0, #POWER_OFF
	str	w0, [x1]
wait:	wfi
	b	wait
	.ltorg

	.org	0x200				// vector: synchronous, from EL1 with its own stack pointer
	mrs	x4, elr_el1
	add	x4, x4, #4
	msr	elr_el1, x4
	mov	x0, #0xdef
	eret

	.balign	16
calls:	.quad	0
