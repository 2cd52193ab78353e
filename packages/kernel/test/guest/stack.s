// Writes of SP, each with an access by SP behind it. x0 = 8, x1 = a stack.

add_imm:	add	sp, x1, #8
	ldr	x2, [sp]
	svc	#1
add_imm_w:	add	wsp, w1, #8
	ldr	x2, [sp]
	svc	#1
sub_imm:	sub	sp, sp, #24
	ldr	x2, [sp]
	svc	#1
mov:	add	x3, x1, #8
	mov	sp, x3
	ldr	x2, [sp]
	svc	#1
add_extended:	add	sp, x1, x0
	ldr	x2, [sp]
	svc	#1
sub_extended:	sub	sp, sp, w0, uxtb #1
	sub	sp, sp, w0, uxtb
	ldr	x2, [sp]
	svc	#1
add_extended_w:	add	wsp, w1, w0, uxtw
	ldr	x2, [sp]
	svc	#1
and_imm:	add	x3, x1, #9
	and	sp, x3, #-8
	ldr	x2, [sp]
	svc	#1
orr_imm:	orr	sp, x1, #8
	ldr	x2, [sp]
	svc	#1
eor_imm:	eor	sp, x1, #8
	ldr	x2, [sp]
	svc	#1
ldr_post:	ldr	x2, [sp], #8
	ldr	x2, [sp]
	svc	#1
ldrb_pre:	ldrb	w2, [sp, #-1]!
	ldr	x2, [sp]
	svc	#1
str_pre:	str	x2, [sp, #-8]!
	ldr	x2, [sp]
	svc	#1
ldp_post:	ldp	x2, x3, [sp], #24
	ldr	x2, [sp]
	svc	#1
stp_pre:	stp	x2, x3, [sp, #-24]!
	ldr	x2, [sp]
	svc	#1
stp_w_pre:	stp	w2, w3, [sp, #-8]!
	ldr	x2, [sp]
	svc	#1
ldpsw_post:	ldpsw	x2, x3, [sp], #8
	ldr	x2, [sp]
	svc	#1
str_d_pre:	str	d2, [sp, #-8]!
	ldr	x2, [sp]
	svc	#1
ldp_d_post:	ldp	d2, d3, [sp], #8
	ldr	x2, [sp]
	svc	#1
ld1_post:	ld1	{v2.8b}, [sp], #8
	ldr	x2, [sp]
	svc	#1
ld1_post_x:	ld1	{v2.16b}, [sp], x0
	ldr	x2, [sp]
	svc	#1
st2_post:	st2	{v2.d, v3.d}[1], [sp], x0
	ldr	x2, [sp]
	svc	#1
ld1r_post:	ld1r	{v2.2s}, [sp], #4
	ldr	x2, [sp]
	svc	#1

keeps:				// all of these keep SP aligned
	sub	sp, sp, #32
	stp	x2, x3, [sp, #-16]!
	str	x2, [sp, #-16]!
	ldr	x2, [sp], #16
	ldp	x2, x3, [sp], #16
	mov	x3, sp
	mov	sp, x3
	ldr	x2, [sp]
	svc	#1

aligned_again:
	sub	sp, sp, #8
	sub	sp, sp, #8
	ldr	x2, [sp]
	svc	#1

other_base:			// SP is unaligned, but no access is by it
	sub	sp, sp, #8
	ldr	x2, [x1]
	str	x2, [x1, #8]
	ldr	x3, [x1]
	prfm	pldl1keep, [sp]
	adr	x4, other_base
	ldr	x4, other_base
	mov	x5, sp
	ldr	x5, [x5]
	svc	#1

select:				// the other stack pointer is unaligned
	msr	spsel, #0
	ldr	x2, [sp]
	svc	#1
select_register:
	msr	spsel, xzr
	ldr	x2, [sp]
	svc	#1
select_back:			// and that is no matter when it is left again
	msr	spsel, #0
	msr	spsel, #1
	ldr	x2, [sp]
	svc	#1

access_ldr:	ldr	x2, [sp, #8]
	svc	#1
access_ldrb:	ldrb	w2, [sp, x0]
	svc	#1
access_str:	str	x2, [sp, #8]
	svc	#1
access_ldur:	ldur	x2, [sp, #-8]
	svc	#1
access_ldtr:	ldtr	x2, [sp]
	svc	#1
access_ldp:	ldp	x2, x3, [sp, #8]
	svc	#1
access_stp:	stp	x2, x3, [sp, #-16]!
	svc	#1
access_ldr_q:	ldr	q2, [sp]
	svc	#1
access_stp_q:	stp	q2, q3, [sp]
	svc	#1
access_ld1:	ld1	{v2.16b}, [sp]
	svc	#1
access_ldxr:	ldxr	x2, [sp]
	svc	#1
access_stlr:	stlr	x2, [sp]
	svc	#1
access_ldadd:	ldadd	x2, x3, [sp]
	svc	#1
access_cas:	cas	x2, x3, [sp]
	svc	#1
