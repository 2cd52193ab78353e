// A guest that is saved and restored wherever it is. What it prints depends on nothing but itself: digits for timer
// interrupts it waited for, letters for what was pending while it masked interrupts, and what another CPU says.
//
// Assembled into traveller.hex by `node tools/guests.ts`; a test compares the two.

        .arch   armv8-a

        .equ    UART, 0x09000000
        .equ    GICD, 0x08000000
        .equ    GICR, 0x080a0000
        .equ    FRAME, 0x20000          // from a redistributor to the next
        .equ    SGI, 0x10000
        .equ    VTIMER, 27
        .equ    CPU_OFF, 0x84000002
        .equ    CPU_ON, 0xc4000003
        .equ    SYSTEM_OFF, 0x84000008

// x19: timer interrupts taken   x20: uart   x21: distance to the next one   x22: flag of the other CPU

start:  b       boot
        .word   0
        .quad   0                       // text_offset
        .quad   0x10000                 // image size
        .inst   0xa                     // little-endian, 4K, anywhere
        .word   0
        .quad   0, 0, 0
        .ascii  "ARM\x64"
        .word   0

boot:   bl      prepare
        mov     w0, #0x301              // UARTEN, TXE, RXE
        str     w0, [x20, #0x30]
        mov     w0, #0x10               // RXIM
        str     w0, [x20, #0x38]

        ldr     w1, =GICD
        mov     w0, #0x12
        str     w0, [x1]
        mov     w0, #-1
        str     w0, [x1, #0x84]         // group 1
        str     wzr, [x1, #0xc08]       // SPI 0 to 15 by level
        mov     w0, #2
        str     w0, [x1, #0x104]        // SPI 1: the UART
        mov     x0, #0x6100
        str     xzr, [x1, x0]
        add     x0, x0, #8
        str     xzr, [x1, x0]           // to CPU 0
        ldr     w0, =0xa0a0a0a0
        str     w0, [x1, #0x420]

        fmov    d8, #1.5                // kept to the end
        movi    v31.16b, #0x5a

        // Timer interrupts, waited for.
        mov     x21, #4096
        mov     x19, #0
        msr     cntv_tval_el0, x21
        mov     x0, #1
        msr     cntv_ctl_el0, x0
        msr     daifclr, #2
1:      wfi
        cmp     x19, #6
        b.lo    1b
        msr     daifset, #2

        // A timer, an SGI and whatever is typed, pending together.
        mov     w0, #'M'
        str     w0, [x20]
        msr     cntv_tval_el0, x21
        ldr     w1, =GICR + SGI
8:      wfi                             // it may end early: that is what being restored looks like
        ldr     w0, [x1, #0x200]
        tbz     w0, #VTIMER, 8b         // pending, though masked
        ldr     x0, =0x03000001         // SGI 3 to CPU 0
        msr     icc_sgi1r_el1, x0
        mrs     x1, cntvct_el0
        ldr     x2, =1000000            // 16 ms
        add     x1, x1, x2
2:      bl      delay
        mrs     x0, cntvct_el0
        cmp     x0, x1
        b.lo    2b
        mov     w0, #'m'
        str     w0, [x20]
        msr     daifclr, #2
        isb
        msr     daifset, #2
        msr     cntv_ctl_el0, xzr

        // Another CPU: on, busy, off.
        ldr     w0, =CPU_ON
        mov     x1, #1
        adr     x2, second
        mov     x3, #'c'
        hvc     #0
        adr     x22, flag
3:      ldr     w0, [x22]
        cbz     w0, 3b

        // Are all registers what they were?
        fmov    x0, d8
        fmov    d9, #1.5
        fmov    x1, d9
        cmp     x0, x1
        b.ne    4f
        umov    w0, v31.b[15]
        cmp     w0, #0x5a
        b.ne    4f
        mov     w0, #'F'
        str     w0, [x20]
4:      ldr     w0, =SYSTEM_OFF
        hvc     #0
        b       .

second: mov     x23, x0
        bl      prepare
        mov     x24, #0
5:      str     w23, [x20]
        mrs     x1, cntvct_el0
        ldr     x2, =300000
        add     x1, x1, x2
6:      bl      delay
        mrs     x0, cntvct_el0
        cmp     x0, x1
        b.lo    6b
        add     w23, w23, #1
        add     x24, x24, #1
        cmp     x24, #4
        b.lo    5b
        adr     x22, flag
        mov     w0, #1
        str     w0, [x22]
        ldr     w0, =CPU_OFF
        hvc     #0
        b       .

// What each CPU needs: FP, vectors, its redistributor and CPU interface. Changes x0 to x2.
prepare:
        mov     x0, #3 << 20
        msr     cpacr_el1, x0
        adr     x0, vectors
        msr     vbar_el1, x0
        isb
        ldr     w20, =UART
        mrs     x1, mpidr_el1
        and     x1, x1, #0xff
        mov     x2, #FRAME
        ldr     w0, =GICR + SGI
        madd    x1, x1, x2, x0
        mov     w0, #-1
        str     w0, [x1, #0x80]
        ldr     w0, =(1 << VTIMER) | (1 << 3)
        str     w0, [x1, #0x100]
        mov     w0, #0x20
        strb    w0, [x1, #0x403]        // the SGI first
        mov     w0, #0x40
        strb    w0, [x1, #0x400 + VTIMER]
        mov     x0, #0xff
        msr     icc_pmr_el1, x0
        mov     x0, #1
        msr     icc_igrpen1_el1, x0
        isb
        ret

// So that a wait is many instructions, and the machine looks around meanwhile. Changes x5.
delay:  mov     x5, #200
9:      subs    x5, x5, #1
        b.ne    9b
        ret

flag:   .word   0

        .balign 0x800
vectors:
        .space  0x280
// IRQ from the current EL, with its own stack pointer.
        mrs     x0, icc_iar1_el1
        cmp     x0, #VTIMER
        b.eq    timer
        cmp     x0, #33
        b.eq    key
        mov     w1, #'S'
        str     w1, [x20]
        b       done
timer:  add     w1, w19, #'0'
        str     w1, [x20]
        add     x19, x19, #1
        msr     cntv_tval_el0, x21
        b       done
key:    ldr     w1, [x20]
        str     w1, [x20]
done:   msr     icc_eoir1_el1, x0
        isb
        eret
