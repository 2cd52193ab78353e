// Maps an LPI through an ITS and takes it: device 5, event 3, LPI 8192, collection 1, redistributor 0.
// x20 = GICD, x21 = GICR, x22 = GITS, x23 = tables, 64 KiB each: devices, collections, queue, translations,
// configuration, pending. x24 = where an INTID is stored to tell user space of an interrupt.

_start:
	mov	w0, #0x12
	str	w0, [x20]			// GICD_CTLR: EnableGrp1, ARE
	add	x1, x23, #0x40000
	mov	w0, #0xa1
	strb	w0, [x1]			// LPI 8192: priority 0xa0, enabled
	orr	x0, x1, #15
	str	x0, [x21, #0x70]		// GICR_PROPBASER: INTIDs of 16 bits
	add	x0, x23, #0x50000
	str	x0, [x21, #0x78]		// GICR_PENDBASER
	mov	w0, #1
	str	w0, [x21]			// GICR_CTLR: EnableLPIs
	mov	x2, #0x8000000000000000
	orr	x0, x23, x2
	str	x0, [x22, #0x100]		// GITS_BASER0: devices
	add	x0, x0, #0x10000
	str	x0, [x22, #0x108]		// GITS_BASER1: collections
	add	x0, x0, #0x10000
	str	x0, [x22, #0x80]		// GITS_CBASER
	mov	w0, #1
	str	w0, [x22]			// GITS_CTLR: Enabled
	add	x3, x23, #0x20000
	mov	x4, #0x500000000		// device 5
	mov	x0, #0x08			// MAPD: 5 bits of event, table of translations
	orr	x0, x0, x4
	mov	x1, #4
	stp	x0, x1, [x3]
	add	x0, x23, #0x30000
	orr	x0, x0, x2
	str	x0, [x3, #16]
	mov	x0, #0x09			// MAPC: collection 1, redistributor 0
	str	x0, [x3, #32]
	orr	x0, x2, #1
	str	x0, [x3, #48]
	mov	x0, #0x0a			// MAPTI: event 3, LPI 8192, collection 1
	orr	x0, x0, x4
	mov	x1, #0x200000000000
	orr	x1, x1, #3
	stp	x0, x1, [x3, #64]
	mov	x0, #1
	str	x0, [x3, #80]
	mov	x0, #0x03			// INT: event 3
	orr	x0, x0, x4
	mov	x1, #3
	stp	x0, x1, [x3, #96]
	mov	x0, #128
	str	x0, [x22, #0x88]		// GITS_CWRITER
done:	ldr	x1, [x22, #0x90]		// GITS_CREADR
	cmp	x0, x1
	b.ne	done
wait:	mov	x0, #0xf0
	msr	S3_0_C4_C6_0, x0		// ICC_PMR_EL1
	mov	x0, #1
	msr	S3_0_C12_C12_7, x0		// ICC_IGRPEN1_EL1
	isb
	msr	daifclr, #2
idle:	wfi
	b	idle

// The vector of an IRQ, wherever it is put.
irq:	mrs	x0, S3_0_C12_C12_0		// ICC_IAR1_EL1
	str	w0, [x24]
	msr	S3_0_C12_C12_1, x0		// ICC_EOIR1_EL1
	eret
