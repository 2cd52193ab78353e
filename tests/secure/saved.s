// A guest that is saved and restored between its calls of the secure runtime (packages/kernel/test/guest/secure-runtime.s).
// Each round prints three characters: how often the runtime has counted, which its memory keeps; what it was given in
// the round before, which a system register of its keeps; and what it has written into a page that it was granted.
	.text
	.global start
start:
	movz	x19, #0x0900, lsl #16	// PL011
	movz	x21, #0x4070, lsl #16	// the granted page
	mov	x20, #0
again:
	add	x20, x20, #1
	movz	x0, #0xc200, lsl #16	// counter
	movk	x0, #1
	hvc	#0
	add	w1, w1, #'0'
	str	w1, [x19]
	movz	x0, #0xc200, lsl #16	// keep
	movk	x0, #7
	mov	x1, x20
	hvc	#0
	and	w1, w1, #7
	add	w1, w1, #'0'
	str	w1, [x19]
	movz	x0, #0xc200, lsl #16	// poke
	movk	x0, #5
	mov	x1, x21
	add	x2, x20, #'a'
	hvc	#0
	ldr	w1, [x21]
	str	w1, [x19]
	mov	x3, #1000		// the machine looks around a few times meanwhile
wait:
	wfe
	subs	x3, x3, #1
	b.ne	wait
	cmp	x20, #5
	b.ne	again
	mov	w1, #'\n'
	str	w1, [x19]
	movz	x0, #0x8400, lsl #16	// SYSTEM_OFF
	movk	x0, #8
	hvc	#0
