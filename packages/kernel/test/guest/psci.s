// Calls PSCI as a guest can, and prints what it sees on the PL011: for each call the function id and x0 to x3 after it.
// Two vCPUs; the second one is turned on twice. The words at `ids`, `second_64`, `second_32`, `last` and `call` are a
// test's to change: the numbers of PSCI 0.1, the call that ends the guest, and the conduit. Header: Linux Documentation/arch/arm64/booting.rst.

	.equ	UART, 0x09000000
	.equ	UARTCR, 0x30
	.equ	GICD, 0x08000000
	.equ	GICR, 0x080a0000
	.equ	GICR_WAKER, 0x14
	.equ	GICR_SGI, 0x10000
	.equ	GICR_IGROUPR0, 0x80
	.equ	GICR_ISENABLER0, 0x100
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

ids:	.word	0x84000001			// CPU_SUSPEND
	.word	0x84000002			// CPU_OFF
	.balign	8
last:	.quad	0x84000008, 0, 0		// SYSTEM_OFF, x1, x2

call:	hvc	#0
	ret

boot:	adr	x1, stack
	mov	sp, x1
	ldr	w1, =UART
	mov	w2, #0x301
	str	w2, [x1, #UARTCR]

	adr	x26, calls			// every call of the table
1:	ldr	x0, [x26]
	cbz	x0, 2f
	ldp	x0, x1, [x26]
	ldp	x2, x3, [x26, #16]
	bl	show
	add	x26, x26, #32
	b	1b

2:	mov	x26, #0				// PSCI_FEATURES of every number, in both widths
3:	ldr	w0, =0x8400000a
	ldr	w1, =0x84000000
	add	w1, w1, w26
	mov	x2, #2
	mov	x3, #3
	bl	show
	ldr	w0, =0x8400000a
	ldr	w1, =0xc4000000
	add	w1, w1, w26
	mov	x2, #2
	mov	x3, #3
	bl	show
	add	x26, x26, #1
	cmp	x26, #0x20
	b.ne	3b

	adr	x9, second_64			// the second CPU, by each width of CPU_ON
	bl	second_on
	adr	x9, second_32
	bl	second_on
	bl	sleep
5:	ldr	w0, =0xc4000004			// not 0: the second CPU is off, or there is no AFFINITY_INFO
	mov	x1, #1
	mov	x2, #0
	bl	call
	cbz	x0, 5b
	bl	arm_timer			// wakes from a SYSTEM_SUSPEND

	adr	x9, last
	ldr	x0, [x9]
	ldp	x1, x2, [x9, #8]
	mov	x3, #0
	bl	show				// comes back if there is no such call, or it is refused
	ldr	w1, =POWER
	mov	w0, #POWER_OFF
	str	w0, [x1]
4:	wfi
	b	4b

// Entry point of a SYSTEM_SUSPEND: prints what it finds.
resumed:
	adr	x26, found
	stp	x0, x1, [x26]
	stp	x2, x3, [x26, #16]
	adr	x1, stack
	mov	sp, x1
	mrs	x0, currentel
	mrs	x1, daif
	stp	x0, x1, [x26, #32]
	mov	x27, #6
1:	ldr	x0, [x26], #8
	bl	hex
	subs	x27, x27, #1
	b.ne	1b
	bl	newline
	ldr	w0, =0x84000008
	bl	call
2:	wfi
	b	2b

// Turns the second CPU on, prints what it found, and waits until it can be turned on again. x9: id, then x1 to x3.
second_on:
	str	x30, [sp, #-16]!
	mov	x26, x9
	adr	x1, entered
	str	xzr, [x1]
1:	ldp	x0, x1, [x26]			// the one before may still be on its way off
	ldp	x2, x3, [x26, #16]
	adr	x2, second
	bl	call
	cbnz	w0, 1b
	mov	x0, #0
	bl	hex
	bl	newline
	adr	x1, entered
2:	ldr	x0, [x1]
	cbz	x0, 2b
	adr	x26, found
	mov	x27, #8
3:	ldr	x0, [x26], #8
	bl	hex
	subs	x27, x27, #1
	b.ne	3b
	bl	newline
	ldr	x30, [sp], #16
	ret

// The second CPU: keeps what it finds, and turns itself off.
second:	adr	x10, found
	stp	x0, x1, [x10]
	stp	x2, x3, [x10, #16]
	mrs	x0, mpidr_el1
	mrs	x1, sctlr_el1
	stp	x0, x1, [x10, #32]
	mrs	x0, currentel
	mrs	x1, daif
	stp	x0, x1, [x10, #48]
	dsb	sy
	mov	x0, #1
	str	x0, [x10, #-8]
	dsb	sy
	adr	x10, ids
	ldr	w0, [x10, #4]
	bl	call
1:	wfi
	b	1b

// CPU_SUSPEND until the virtual timer wakes: interrupts stay masked, so it is pending and never taken.
sleep:	str	x30, [sp, #-16]!
	ldr	w1, =GICD
	mov	w0, #0x12			// ARE_NS, EnableGrp1
	str	w0, [x1]
	ldr	w1, =GICR
	str	wzr, [x1, #GICR_WAKER]
1:	ldr	w0, [x1, #GICR_WAKER]
	tbnz	w0, #2, 1b
	add	x1, x1, #GICR_SGI
	mov	w0, #-1
	str	w0, [x1, #GICR_IGROUPR0]
	mov	w0, #1 << 27		// the virtual timer
	str	w0, [x1, #GICR_ISENABLER0]
	mov	x0, #0xff
	msr	icc_pmr_el1, x0
	mov	x0, #1
	msr	icc_igrpen1_el1, x0
	isb
	bl	arm_timer
	adr	x9, ids
	ldr	w0, [x9]
	mov	x1, #0x10000			// power down, if one asked for it
	adr	x2, second
	mov	x3, #3
	bl	show
	msr	cntv_ctl_el0, xzr
	isb
	ldr	x30, [sp], #16
	ret

arm_timer:				// for 8 ms from now
	mrs	x0, cntfrq_el0
	lsr	x0, x0, #7
	msr	cntv_tval_el0, x0
	mov	x0, #1
	msr	cntv_ctl_el0, x0
	isb
	ret

// Makes the call in x0 to x3 and prints its id and x0 to x3. Changes x9 to x13, x21 to x25.
show:	str	x30, [sp, #-16]!
	mov	x21, x0
	bl	call
	mov	x22, x0
	mov	x23, x1
	mov	x24, x2
	mov	x25, x3
	mov	x0, x21
	bl	hex
	mov	x0, x22
	bl	hex
	mov	x0, x23
	bl	hex
	mov	x0, x24
	bl	hex
	mov	x0, x25
	bl	hex
	bl	newline
	ldr	x30, [sp], #16
	ret

// Prints x0 in hexadecimal without leading zeros, and a space. Changes x9 to x13.
hex:	mov	x9, x0
	mov	x10, #64
	ldr	w11, =UART
1:	sub	x10, x10, #4			// the first digit that is not zero, or the last one
	cbz	x10, 2f
	lsr	x12, x9, x10
	cbz	x12, 1b
2:	lsr	x12, x9, x10
	and	x12, x12, #0xf
	add	x13, x12, #'0'
	cmp	x12, #10
	add	x12, x12, #'a' - 10
	csel	x12, x13, x12, lo
	str	w12, [x11]
	subs	x10, x10, #4
	b.ge	2b
	mov	w12, #' '
	str	w12, [x11]
	ret

newline:
	ldr	w11, =UART
	mov	w12, #'\n'
	str	w12, [x11]
	ret

// Id, x1, x2, x3. Zero ends the table.
	.balign	16
calls:	.quad	0x84000000, 1, 2, 3
	.quad	0x5a5a5a5a84000000, 1, 2, 3
	.quad	0xc4000000, 1, 2, 3		// there is no PSCI_VERSION of this width
	.quad	0xc4000003, 0, 0, 0		// CPU_ON: this CPU, one that is not there, reserved bits
	.quad	0xc4000003, 5, 0, 0
	.quad	0xc4000003, 0x80000001, 0, 0
	.quad	0xc4000003, 0x10000000001, 0, 0
	.quad	0xc4000003, 0x0100000001, 0, 0
	.quad	0x84000003, 0x100000000, 0, 0
	.quad	0xc4000004, 0, 0, 0		// AFFINITY_INFO: by level
	.quad	0xc4000004, 1, 0, 0
	.quad	0xc4000004, 1, 1, 0
	.quad	0xc4000004, 0xff, 1, 0
	.quad	0xc4000004, 0x100, 1, 0
	.quad	0xc4000004, 0x100, 2, 0
	.quad	0xc4000004, 0xffffff, 3, 0
	.quad	0xc4000004, 0x0100000000, 3, 0
	.quad	0xc4000004, 0, 4, 0
	.quad	0xc4000004, 0, 0x100000000, 0
	.quad	0x84000004, 0x100000001, 0x100000000, 0
	.quad	0xc4000004, 0x01000000, 0, 0
	.quad	0x84000005, 1, 2, 3		// MIGRATE and what tells of it
	.quad	0xc4000005, 1, 2, 3
	.quad	0x84000006, 1, 2, 3
	.quad	0x84000007, 1, 2, 3
	.quad	0xc4000007, 1, 2, 3
	.quad	0x8400000a, 0x80000000, 2, 3	// PSCI_FEATURES
	.quad	0x8400000a, 0x80000001, 2, 3
	.quad	0x8400000a, 0x95c1ba60, 2, 3
	.quad	0x8400000a, 0x5a5a5a5a84000003, 2, 3
	.quad	0x8400000b, 1, 2, 3		// nobody has these
	.quad	0x8400000c, 1, 2, 3
	.quad	0x8400000d, 1, 2, 3
	.quad	0x8400000f, 1, 2, 3
	.quad	0x84000010, 1, 2, 3
	.quad	0x84000011, 1, 2, 3
	.quad	0x84000012, 1, 2, 3		// SYSTEM_RESET2 with a type that is reserved
	.quad	0xc4000012, 0x7fffffff, 2, 3
	.quad	0x84000013, 1, 2, 3
	.quad	0x84000014, 1, 2, 3
	.quad	0x84000015, 2, 0, 0		// SYSTEM_OFF2 with a type or cookie that there is not
	.quad	0xc4000015, 1, 1, 0
	.quad	0xc4000015, 0x100000001, 0, 0
	.quad	0xc4000016, 1, 2, 3
	.quad	0x84000017, 1, 2, 3
	.quad	0x8400001f, 1, 2, 3
	.quad	0xc400001f, 1, 2, 3
	.quad	0x84000020, 1, 2, 3
	.quad	0x95c1ba5e, 1, 2, 3		// those of 0.1 that come back
	.quad	0x95c1ba60, 0, 2, 3
	.quad	0x95c1ba60, 5, 2, 3
	.quad	0x95c1ba61, 1, 2, 3
	.quad	0x80000000, 1, 2, 3		// not PSCI: SMCCC_VERSION
	.quad	0

second_64:
	.quad	0xc4000003, 1, 0, 0xfedcba9876543210
second_32:
	.quad	0x84000003, 0x5a5a5a5a00000001, 0, 0xfedcba9876543210

entered:
	.quad	0
found:	.quad	0, 0, 0, 0, 0, 0, 0, 0
	.quad	0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
	.balign	16
stack:	.quad	0
