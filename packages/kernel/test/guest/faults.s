// Takes many faults, at EL1 and EL0. Of each it prints on the PL011: a number, ESR_EL1, FAR_EL1 (of aborts), ELR_EL1 from
// the start of the scenario if it is near, and x25. QEMU's answer is in faults.txt, as tools/faults.ts recorded it.
// To be loaded at a page boundary, with zeroed RAM behind; ends in PSCI SYSTEM_OFF.

	.equ	l1, 0x10000		// tables and data, from the start
	.equ	l2, 0x11000
	.equ	l3, 0x12000
	.equ	data, 0x13000
	.equ	vectors, 0x14000
	.equ	stack, 0x18000

	.equ	table, 3
	.equ	block, 0x701		// AF, inner shareable, attribute 0
	.equ	page, 0x703
	.equ	user, 1 << 6
	.equ	read_only, 1 << 7
	.equ	af, 1 << 10

start:
	b	begin
code:				// where branches and EL0 go, at +0, +8, +16
	svc	#7
	svc	#7
	adr	x25, .
	brk	#0
	ldr	x1, [x0]
	svc	#8

	.macro	page_at index, flags
	orr	x1, x2, #\flags
	str	x1, [x6, #8 * \index]
	.endm

begin:
	adr	x10, start
	add	x1, x10, #(stack >> 12), lsl #12
	mov	sp, x1
	mov	x1, #(3 << 20)
	msr	cpacr_el1, x1
	adr	x29, fault
	add	x3, x10, #(vectors >> 12), lsl #12
	mov	w1, #0x03a0		// its two entries: br x29
	movk	w1, #0xd61f, lsl #16
	str	w1, [x3, #0x200]
	str	w1, [x3, #0x400]
	msr	vbar_el1, x3
	dsb	sy
	ic	iallu

	add	x5, x10, #(l1 >> 12), lsl #12
	mov	x1, #0x405		// 0: devices, 1 GiB: RAM, 2 GiB: the test tables
	movk	x1, #0x60, lsl #48
	str	x1, [x5]
	mov	x1, #block
	movk	x1, #0x4000, lsl #16
	str	x1, [x5, #8]
	add	x6, x10, #(l2 >> 12), lsl #12
	orr	x1, x6, #table
	str	x1, [x5, #16]
	add	x2, x10, #(l3 >> 12), lsl #12
	orr	x1, x2, #table		// a table, nothing, a table whose address is too large, one outside of memory
	str	x1, [x6]
	mov	x1, #table
	movk	x1, #0x0200, lsl #32
	str	x1, [x6, #16]
	mov	x1, #table
	movk	x1, #0x6000, lsl #16
	str	x1, [x6, #24]

	mov	x6, x2
	add	x2, x10, #(data >> 12), lsl #12
	mov	x1, #page
	orr	x2, x2, x1
	str	x2, [x6]		// 0: EL1 reads and writes
	page_at	1, read_only
	bic	x1, x2, #af
	str	x1, [x6, #8 * 3]	// 2: nothing, 3: no access flag
	mov	x3, #(1 << 41)
	orr	x1, x1, x3
	str	x1, [x6, #8 * 4]	// too large, too
	str	x2, [x6, #8 * 7]
	page_at	8, read_only
	page_at	10, user
	mov	x1, #page
	movk	x1, #0x6000, lsl #16
	str	x1, [x6, #8 * 9]	// outside of memory
	mov	x1, #page
	orr	x2, x10, x1
	page_at	11, read_only		// code for both levels
	mov	x3, #(1 << 53)
	orr	x2, x2, x3
	page_at	5, read_only		// PXN
	page_at	6, read_only		// the same: EL0 may execute it and not read it

	mov	x1, #0x00ff
	msr	mair_el1, x1
	mov	x1, #(25 << 16)		// T1SZ, T0SZ, EPD1, 4 KiB, 40 bits, TBI0
	orr	x1, x1, #(1 << 23)
	orr	x1, x1, #(2 << 30)
	orr	x1, x1, #(2 << 32)
	orr	x1, x1, #(1 << 37)
	add	x1, x1, #25
	msr	tcr_el1, x1
	msr	ttbr0_el1, x5
	dsb	sy
	tlbi	vmalle1
	dsb	sy
	isb
	mrs	x1, sctlr_el1
	mov	x2, #0x5005		// I, C, M; DZE
	orr	x1, x1, x2
	msr	sctlr_el1, x1
	isb
	mov	x19, #0x80000000
	mov	x27, #0

	.macro	va reg, off		// an address of the test tables
	mov	w18, #((\off) & 0xffff)
	movk	w18, #((\off) >> 16), lsl #16
	add	\reg, x19, x18
	.endm
	.macro	test			// x28: where to go on, x26: where the scenario began
	adr	x28, 99f
	adr	x26, .
	mov	x25, #0
	.endm
	.macro	endtest
99:	bl	report
	.endm
	.macro	el0 off
	va	x0, \off
	msr	elr_el1, x0
	msr	spsr_el1, xzr
	.endm

	va	x0, 0x40000000
	test
	ldr	x1, [x0]
	endtest			// translation fault, level 1
	va	x0, 0x200008
	test
	str	x1, [x0]
	endtest			// level 2
	va	x0, 0x2000
	test
	ldr	x1, [x0, #8]
	endtest			// level 3
	va	x0, 0x1000
	test
	str	x1, [x0]
	endtest			// permission
	va	x0, 0x3000
	test
	ldrb	w1, [x0, #1]
	endtest			// access flag
	va	x0, 0x4000
	test
	ldr	x1, [x0]
	endtest			// address size, which comes before the access flag
	va	x0, 0x400000
	test
	ldr	x1, [x0]
	endtest			// a table at too large an address
	va	x0, 0x600000
	test
	ldr	x1, [x0]
	endtest			// a table outside of memory
	va	x0, 0x1ffc
	test
	ldr	x1, [x0]
	endtest			// crosses into a page that is not mapped
	va	x0, 0x7ffc
	test
	stp	x1, x2, [x0]
	endtest			// crosses into a read-only page
	va	x0, 0x1ff8
	test
	ldr	q1, [x0]
	endtest
	va	x0, 0x1
	test
	ldxr	x1, [x0]
	endtest
	va	x0, 0x4
	test
	ldar	x1, [x0]
	endtest
	va	x0, 0x4
	test
	ldadd	x1, x2, [x0]
	endtest
	va	x0, 0x204d
	test
	dc	zva, x0
	endtest
	va	x0, 0x2000
	test
	ldadd	x1, x2, [x0]
	endtest
	va	x0, 0x1000
	test
	ldadd	x1, x2, [x0]
	endtest			// permission: as a write
	va	x0, 0xb000 + (code - start) + 2
	test
	br	x0
	endtest			// pc alignment
	va	x0, 0x2000
	test
	br	x0
	endtest			// fetch of what is not mapped
	va	x0, 0x5000 + (code - start)
	test
	br	x0
	endtest			// fetch of a PXN page
	va	x0, 0x9000
	test
	br	x0
	endtest			// fetch of no memory
	va	x0, 0xb000 + (code - start) + 8
	mov	x1, #0xa5
	orr	x0, x0, x1, lsl #56
	test
	br	x0
	endtest			// a branch drops the tag
	va	x0, 0x2000
	mov	x1, #0xa5
	orr	x0, x0, x1, lsl #56
	test
	br	x0
	endtest			// a fetch abort has no tag
	va	x0, 0x2000
	mov	x1, #0xa5
	orr	x0, x0, x1, lsl #56
	test
	ldr	x1, [x0]
	endtest			// a data abort has
	mov	x0, #1
	lsl	x0, x0, #55
	test
	ldr	x1, [x0]
	endtest			// not canonical
	mov	x0, #1
	lsl	x0, x0, #39
	test
	ldr	x1, [x0]
	endtest
	mov	x0, #-4096
	test
	ldr	x1, [x0]
	endtest			// EPD1
	va	x0, 0x0
	test
	ldtr	x1, [x0]
	endtest
	va	x0, 0x0
	test
	sttr	x1, [x0]
	endtest
	el0	0x6000 + (code - start)
	va	x0, 0xa000
	test
	eret
	endtest			// EL0 executes a page that it may not read
	el0	0xb000 + (code - start) + 16
	va	x0, 0x6000
	test
	eret
	endtest			// EL0 reads that page
	el0	0xb000 + (code - start) + 16
	va	x0, 0xa001
	test
	eret
	endtest			// EL0 reads its page
	el0	0xa000
	test
	eret
	endtest			// EL0 executes its own page of zeros
	va	x0, 0xa000
	test
	br	x0
	endtest			// EL1 executes what EL0 may write
	// with SCTLR_EL1.A
	mrs	x1, sctlr_el1
	orr	x1, x1, #2
	msr	sctlr_el1, x1
	isb
	va	x0, 0x8
	test
	ldr	q1, [x0]
	brk	#2
	endtest
	va	x0, 0x4
	test
	ldp	x1, x2, [x0]
	endtest
	va	x0, 0x1
	test
	ld1	{v1.16b}, [x0]
	brk	#3
	endtest
	va	x0, 0x4
	test
	ldp	w1, w2, [x0]
	brk	#4
	endtest
	va	x0, 0x8
	test
	stp	q1, q2, [x0]
	endtest
	va	x0, 0x2
	test
	str	w1, [x0]
	endtest
	va	x0, 0x2001
	test
	ldr	x1, [x0]
	endtest			// alignment comes before translation
	mov	x0, #0x0008
	movk	x0, #0x8400, lsl #16	// PSCI SYSTEM_OFF
	hvc	#0

report:	mov	x17, x30
	add	x27, x27, #1
	mov	x0, x27
	mov	w2, #4
	bl	hex
	mov	x0, x20
	mov	w2, #28
	bl	hex
	mov	x0, x21
	mov	w2, #60
	bl	hex
	mov	x0, x22
	mov	w2, #28
	bl	hex
	mov	x0, x25
	mov	w2, #28
	bl	hex
	mov	x3, #0x09000000
	mov	w4, #10
	strb	w4, [x3]
	ret	x17

hex:	mov	x3, #0x09000000		// of x0, from bit w2 on
1:	lsr	x4, x0, x2
	and	w4, w4, #15
	cmp	w4, #10
	add	w5, w4, #48
	add	w16, w4, #87
	csel	w4, w5, w16, lo
	strb	w4, [x3]
	subs	w2, w2, #4
	b.ge	1b
	mov	w4, #32
	strb	w4, [x3]
	ret

fault:	mrs	x20, esr_el1
	mrs	x21, far_el1
	mrs	x22, elr_el1
	lsr	x23, x20, #26
	and	x24, x23, #0x38		// aborts and pc alignment are 0x20 to 0x25
	cmp	x24, #0x20
	b.eq	2f
	mov	x21, #0
2:	sub	x24, x22, x26
	cmp	x24, #64
	csel	x22, x24, x22, lo
	msr	elr_el1, x28
	mov	x24, #0x3c5
	msr	spsr_el1, x24
	eret
