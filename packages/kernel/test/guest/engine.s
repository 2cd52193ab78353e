// What the tests of interp/ run. Every piece ends in SVC, whose immediate tells the end from any other leave.

straight:                       // ten instructions, then the end
	mov	x0, #1
	add	x0, x0, #1
	add	x0, x0, #1
	add	x0, x0, #1
	add	x0, x0, #1
	add	x0, x0, #1
	add	x0, x0, #1
	add	x0, x0, #1
	add	x0, x0, #1
	add	x0, x0, #1
	svc	#1

ahead:                          // skips two
	mov	x0, #1
	b	1f
	mov	x0, #2
	mov	x0, #3
1:	add	x1, x0, #1
	svc	#1

not_taken:
	cbnz	xzr, 1f
	mov	x0, #5
1:	svc	#1

loop:                           // two instructions a turn, x0 turns
	sub	x0, x0, #1
	cbnz	x0, loop
	svc	#1

spin:
	b	spin

calls:                          // x1 = where to; both return through x30
	bl	1f
	blr	x1
	svc	#1
1:	ret

jump:                           // through x1
	br	x1

cold:                           // cold handlers only, but for the end
	clz	x1, x0
	rbit	x2, x0
	crc32x	w3, w0, x0
	fmov	d0, x0
	svc	#1

isb:
	isb
	mov	x0, #1
	svc	#1

hypercall:
	mov	x1, #1
	hvc	#0x123
	smc	#0x45
	mov	x2, #2
	svc	#1

system:                         // MRS of a register that no test makes plain storage
	mov	x1, #1
	mrs	x0, s3_3_c15_c0_0
	mov	x2, #2
	svc	#1

wfi:
	wfi
	svc	#1

wfe:
	wfe
	svc	#1

eret:
	eret

breakpoint:
	brk	#0x77

unallocated:
	mov	x0, #1
	udf	#0x123

unmask:
	mov	x0, #1
	msr	daifclr, #2
	mov	x0, #2
	svc	#1

el1_only:
	mov	x0, #1
	mrs	x0, CurrentEL
	svc	#1

vector:
	movi	v0.16b, #3
	svc	#1

flags:                          // keeps flags across a cold handler: x2 = 1 if they survived
	cmp	x0, x1
	rbit	x3, x0
	cset	x2, lo
	svc	#1
