// Single accesses at x1; the tests of the slow path and of the TLB run one of them and the SVC behind it.

ldr:	ldr	x0, [x1]
	svc	#1
ldr_w:	ldr	w0, [x1]
	svc	#1
ldrh:	ldrh	w0, [x1]
	svc	#1
ldrb:	ldrb	w0, [x1]
	svc	#1
ldrsb_x: ldrsb	x0, [x1]
	svc	#1
ldrsb_w: ldrsb	w0, [x1]
	svc	#1
ldrsh_x: ldrsh	x0, [x1]
	svc	#1
ldrsh_w: ldrsh	w0, [x1]
	svc	#1
ldrsw:	ldrsw	x0, [x1]
	svc	#1
ldr_xzr: ldr	xzr, [x1]
	svc	#1
ldr_x30: ldr	x30, [x1]
	svc	#1
ldr_register: ldr	x0, [x1, x2, lsl #3]
	svc	#1
ldr_literal: ldr	x0, ldr_literal
	svc	#1
str:	str	x0, [x1]
	svc	#1
str_w:	str	w0, [x1]
	svc	#1
strh:	strh	w0, [x1]
	svc	#1
strb:	strb	w0, [x1]
	svc	#1
str_xzr: str	xzr, [x1]
	svc	#1
ldar:	ldar	x0, [x1]
	svc	#1
ldarh:	ldarh	w0, [x1]
	svc	#1
stlr:	stlr	x0, [x1]
	svc	#1
ldtr:	ldtr	x0, [x1]
	svc	#1
sttr:	sttr	x0, [x1]
	svc	#1
ldr_post: ldr	x0, [x1], #8
	svc	#1
ldr_pre: ldr	x0, [x1, #8]!
	svc	#1
str_post: str	x0, [x1], #8
	svc	#1
str_pre: str	x0, [x1, #8]!
	svc	#1
ldp:	ldp	x2, x3, [x1]
	svc	#1
ldp_w:	ldp	w2, w3, [x1]
	svc	#1
ldpsw:	ldpsw	x2, x3, [x1]
	svc	#1
ldp_pre: ldp	x2, x3, [x1, #16]!
	svc	#1
stp:	stp	x2, x3, [x1]
	svc	#1
stp_w:	stp	w2, w3, [x1]
	svc	#1
stp_pre: stp	x2, x3, [x1, #-16]!
	svc	#1
ldr_q:	ldr	q0, [x1]
	svc	#1
ldr_d:	ldr	d0, [x1]
	svc	#1
ldr_b:	ldr	b0, [x1]
	svc	#1
str_q:	str	q0, [x1]
	svc	#1
str_d:	str	d0, [x1]
	svc	#1
str_b:	str	b0, [x1]
	svc	#1
ldp_q:	ldp	q0, q1, [x1]
	svc	#1
stp_q:	stp	q0, q1, [x1]
	svc	#1
ld1:	ld1	{v0.16b}, [x1]
	svc	#1
st1:	st1	{v0.16b, v1.16b}, [x1]
	svc	#1
ldxr:	ldxr	x0, [x1]
	svc	#1
stxr:	stxr	w4, x0, [x1]
	svc	#1
ldxp:	ldxp	x2, x3, [x1]
	svc	#1
stxp:	stxp	w4, x2, x3, [x1]
	svc	#1
ldadd:	ldadd	x0, x2, [x1]
	svc	#1
cas:	cas	x0, x2, [x1]
	svc	#1
casp:	casp	x2, x3, x4, x5, [x1]
	svc	#1
zva:	dc	zva, x1
	svc	#1
prfm:	prfm	pldl1keep, [x1]
	svc	#1
jump:	br	x1

walk_pages:			// reads a word of x2 pages from x1 on
	ldr	x0, [x1]
	add	x1, x1, #1, lsl #12
	subs	x2, x2, #1
	b.ne	walk_pages
	svc	#1
