// The built-in guest: what runs where there is no other. It turns on every CPU it can through PSCI, takes a few
// timer interrupts, prints what it found on the PL011, and powers off. MMU and caches stay off.
//
// Machine: that of src/machine/layout.ts. Boot protocol and header: Linux Documentation/arch/arm64/booting.rst. What PSCI
// there is says the device tree: its format, Devicetree Specification 0.4, chapter 5.
// Assemble: aarch64-linux-gnu-as -o builtin.o builtin.s && aarch64-linux-gnu-objcopy -O binary builtin.o builtin.bin
// The words stand in builtin.ts, and a test compares them with this file.

        .arch   armv8-a

        .equ    UART, 0x09000000
        .equ    UARTCR, 0x30
        .equ    GICD, 0x08000000
        .equ    GICD_CTLR, 0x0
        .equ    GICD_ISENABLER0, 0x100
        .equ    GICC, 0x08010000
        .equ    GICC_CTLR, 0x0
        .equ    GICC_PMR, 0x4
        .equ    GICC_IAR, 0xc
        .equ    GICC_EOIR, 0x10
        .equ    GICR, 0x080a0000
        .equ    GICR_WAKER, 0x14
        .equ    GICR_SGI, 0x10000
        .equ    GICR_IGROUPR0, 0x80
        .equ    GICR_ISENABLER0, 0x100

        .equ    PSCI_VERSION, 0x84000000
        .equ    CPU_OFF, 0x84000002
        .equ    CPU_ON, 0xc4000003
        .equ    SYSTEM_OFF, 0x84000008

        .equ    POWER, 0x090f0000       // where PSCI has no SYSTEM_OFF
        .equ    POWER_OFF, 0x5555

        .equ    FDT_STRUCT, 8           // in the header: offsets of the blocks
        .equ    FDT_STRINGS, 12
        .equ    FDT_BEGIN_NODE, 1
        .equ    FDT_END_NODE, 2
        .equ    FDT_PROP, 3
        .equ    FDT_END, 9

        .equ    VTIMER, 27              // INTID of the virtual timer
        .equ    TICKS, 5
        .equ    TICK_RATE, 100          // per second
        .equ    STACK, 0x400            // bytes for each CPU
        .equ    CPUS_MAX, 123
        .equ    IMAGE_SIZE, 0x40000

// x19: ticks taken   x20: next CPU   x21: CPUs on   x22, x23: time   x25: CPU interface of a GICv2, else 0
// x26: PSCI: 0 none, 1 version 0.1, 2 newer

        .text
start:  b       boot
        .word   0
        .quad   0                       // text_offset
        .quad   IMAGE_SIZE
        .quad   0xa                     // little-endian, 4K, anywhere
        .quad   0, 0, 0
        .ascii  "ARM\x64"
        .word   0

boot:   adr     x1, start               // on a 2 MiB boundary, so it serves as the vector base
        msr     vbar_el1, x1
        adr     x1, stacks
        add     sp, x1, #STACK
        mov     x27, x0                 // the device tree
        ldr     w1, =UART
        mov     w2, #0x301              // enabled, transmit, receive
        str     w2, [x1, #UARTCR]
        adr     x0, m_hello
        bl      puts

        bl      find
        adr     x0, m_none
        cbz     x26, 2f
        adr     x0, m_old
        cmp     x26, #1
        b.eq    2f
        ldr     w0, =PSCI_VERSION
        bl      call
        mov     x19, x0
        adr     x0, m_psci
        bl      puts
        lsr     x0, x19, #16
        bl      dec
        mov     w0, #'.'
        bl      putc
        and     x0, x19, #0xffff
        bl      dec
        bl      newline
        b       3f
2:      bl      puts
3:
        mov     x0, #0
        bl      describe
        b       cpus

// Writes the byte in w0. Changes x10.
putc:   ldr     w10, =UART
        str     w0, [x10]
        ret

newline:
        mov     w0, #'\n'
        b       putc

// Writes the string at x0, which ends with a zero. Changes x0, x9, x10, x11.
puts:   mov     x9, x30
        mov     x11, x0
1:      ldrb    w0, [x11], #1
        cbz     w0, 2f
        bl      putc
        b       1b
2:      ret     x9

        .balign 0x200
// Synchronous exception from the current EL: none is expected.
unexpected:
        mrs     x19, esr_el1
        adr     x0, m_bad
        bl      puts
        mov     x0, x19
        bl      hex
        bl      newline
        b       off

        .balign 0x80
// IRQ from the current EL. The interrupted code only waits.
irq:    cbnz    x25, 2f
        mrs     x0, icc_iar1_el1
        cmp     x0, #VTIMER
        b.ne    1f
        add     x19, x19, #1
        msr     cntv_tval_el0, x24
1:      msr     icc_eoir1_el1, x0
        isb
        eret
2:      ldr     w0, [x25, #GICC_IAR]
        cmp     x0, #VTIMER
        b.ne    3f
        add     x19, x19, #1
        msr     cntv_tval_el0, x24
3:      str     w0, [x25, #GICC_EOIR]
        dsb     sy
        eret

// Calls PSCI by the method of the device tree. Changes x0–x3, x9.
call:   adr     x9, smc
        ldr     w9, [x9]
        cbnz    w9, 1f
        hvc     #0
        ret
1:      smc     #0
        ret

// Whether the strings at x0 and x1 are equal: x0 = 0. Changes x1–x3.
same:   ldrb    w2, [x0], #1
        ldrb    w3, [x1], #1
        cmp     w2, w3
        b.ne    1f
        cbnz    w2, same
1:      sub     w0, w2, w3
        ret

// Finds out about PSCI from the device tree at x27: x26, smc, cpu_on, cpu_off. Changes x0–x9.
find:   str     x30, [sp, #-16]!
        mov     x26, #0
        ldr     w4, [x27, #FDT_STRUCT]
        rev     w4, w4
        add     x4, x27, x4             // next token
        ldr     w5, [x27, #FDT_STRINGS]
        rev     w5, w5
        add     x5, x27, x5
        mov     x6, #0                  // in the node psci
1:      ldr     w0, [x4], #4
        rev     w0, w0
        cmp     w0, #FDT_BEGIN_NODE
        b.eq    3f
        cmp     w0, #FDT_PROP
        b.eq    5f
        cmp     w0, #FDT_END
        b.eq    9f
        cmp     w0, #FDT_END_NODE
        csel    x6, xzr, x6, eq
        b       1b

3:      mov     x0, x4                  // a node: its name, up to the next word
        adr     x1, n_psci
        bl      same
        cmp     w0, #0
        cset    x6, eq
4:      ldrb    w0, [x4], #1
        cbnz    w0, 4b
        b       8f

5:      ldr     w7, [x4], #4            // a property: its length, its name, its value
        rev     w7, w7
        ldr     w8, [x4], #4
        rev     w8, w8
        add     x8, x5, x8
        cbz     x6, 7f
        mov     x0, x8
        adr     x1, n_compatible
        bl      same
        cbnz    w0, 6f
        mov     x0, x4
        adr     x1, n_old
        bl      same
        cmp     w0, #0
        mov     x0, #2
        csinc   x26, x0, xzr, ne
        b       7f
6:      mov     x0, x8
        adr     x1, n_method
        bl      same
        cbnz    w0, 6f
        ldrb    w0, [x4]
        cmp     w0, #'s'
        cset    w0, eq
        adr     x1, smc
        str     w0, [x1]
        b       7f
6:      mov     x0, x8
        adr     x1, n_cpu_on
        bl      same
        adr     x9, cpu_on
        cbz     w0, 6f
        mov     x0, x8
        adr     x1, n_cpu_off
        bl      same
        adr     x9, cpu_off
        cbnz    w0, 7f
6:      ldr     w0, [x4]
        rev     w0, w0
        str     w0, [x9]
7:      add     x4, x4, x7
8:      add     x4, x4, #3
        and     x4, x4, #~3
        b       1b
9:      ldr     x30, [sp], #16
        ret

// Turns on the CPUs 1, 2, … one after the other, until PSCI knows no more.
cpus:   cbz     x26, timer
        mov     x20, #1
        mov     x21, #1
1:      cmp     x20, #CPUS_MAX
        b.hs    3f
        adr     x2, next                // version 0.1 may have no context to give
        str     x20, [x2]
        dsb     sy
        adr     x0, cpu_on
        ldr     w0, [x0]
        and     x1, x20, #0xf           // Aff0: 16 CPUs to a cluster
        lsr     x2, x20, #4
        orr     x1, x1, x2, lsl #8
        adr     x2, secondary
        mov     x3, x20
        bl      call
        cbnz    w0, 3f
        adr     x1, done                // it says when it has printed its line
2:      ldr     x0, [x1]
        cmp     x0, x20
        b.ne    2b
        add     x21, x21, #1
        add     x20, x20, #1
        b       1b
3:      mov     x0, x21
        bl      dec
        adr     x0, m_cpus
        bl      puts
        b       timer

// Entry of the other CPUs, one at a time.
secondary:
        adr     x1, next
        ldr     x20, [x1]
        mov     x0, x20
        adr     x1, start
        msr     vbar_el1, x1
        adr     x1, stacks
        add     x2, x0, #1
        mov     x3, #STACK
        madd    x1, x2, x3, x1
        mov     sp, x1
        bl      describe
        dsb     sy
        adr     x1, done
        str     x20, [x1]
        dsb     sy
        adr     x0, cpu_off
        ldr     w0, [x0]
        bl      call
1:      wfi
        b       1b

// Prints the line of CPU x0.
describe:
        str     x30, [sp, #-16]!
        mov     x22, x0
        adr     x0, m_cpu
        bl      puts
        mov     x0, x22
        bl      dec
        adr     x0, m_midr
        bl      puts
        mrs     x0, midr_el1
        bl      hex
        adr     x0, m_mpidr
        bl      puts
        mrs     x0, mpidr_el1
        bl      hex
        bl      newline
        ldr     x30, [sp], #16
        ret

// Takes TICKS interrupts of the virtual timer through the GIC.
timer:  adr     x0, m_timer
        bl      puts
        mrs     x0, cntfrq_el0
        bl      dec
        adr     x0, m_hz
        bl      puts
        mrs     x0, id_aa64pfr0_el1
        ubfx    x0, x0, #24, #4         // GIC: the CPU interface has system registers
        cbz     x0, 3f
        mov     x25, #0
        adr     x0, m_gicv3
        bl      puts

        ldr     w1, =GICD
        mov     w0, #0x12               // ARE_NS, EnableGrp1
        str     w0, [x1, #GICD_CTLR]
        ldr     w1, =GICR
        str     wzr, [x1, #GICR_WAKER]
1:      ldr     w0, [x1, #GICR_WAKER]
        tbnz    w0, #2, 1b              // ChildrenAsleep
        add     x1, x1, #GICR_SGI
        mov     w0, #-1
        str     w0, [x1, #GICR_IGROUPR0]
        mov     w0, #1 << VTIMER
        str     w0, [x1, #GICR_ISENABLER0]
        mov     x0, #1
        msr     icc_sre_el1, x0
        isb
        mov     x0, #0xff
        msr     icc_pmr_el1, x0
        mov     x0, #1
        msr     icc_igrpen1_el1, x0
        isb
        b       4f

3:      adr     x0, m_gicv2
        bl      puts
        ldr     w25, =GICC
        mov     w0, #1
        ldr     w1, =GICD
        mov     w2, #1 << VTIMER
        str     w2, [x1, #GICD_ISENABLER0]
        str     w0, [x1, #GICD_CTLR]
        mov     w2, #0xff
        str     w2, [x25, #GICC_PMR]
        str     w0, [x25, #GICC_CTLR]
        dsb     sy

4:      mov     x19, #0
        mrs     x24, cntfrq_el0
        mov     x0, #TICK_RATE
        udiv    x24, x24, x0
        isb
        mrs     x22, cntvct_el0
        msr     cntv_tval_el0, x24
        mov     x0, #1
        msr     cntv_ctl_el0, x0
        isb
        msr     daifclr, #2
2:      wfi
        cmp     x19, #TICKS
        b.lo    2b
        msr     daifset, #2
        msr     cntv_ctl_el0, xzr
        isb
        mrs     x23, cntvct_el0

        mov     x0, x19
        bl      dec
        adr     x0, m_ticks
        bl      puts
        sub     x0, x23, x22
        mov     x1, #1000
        mul     x0, x0, x1
        mrs     x1, cntfrq_el0
        udiv    x0, x0, x1
        bl      dec
        adr     x0, m_ms
        bl      puts

off:    adr     x0, m_off
        bl      puts
        cmp     x26, #2
        b.ne    1f
        ldr     w0, =SYSTEM_OFF
        bl      call
1:      ldr     w1, =POWER
        mov     w0, #POWER_OFF
        str     w0, [x1]
2:      wfi
        b       2b

// Writes x0 in decimal. Changes x0–x5, x9–x11.
dec:    sub     sp, sp, #48
        str     x30, [sp, #40]
        add     x1, sp, #32
        strb    wzr, [x1]
        mov     x2, #10
1:      udiv    x3, x0, x2
        msub    x4, x3, x2, x0
        add     w4, w4, #'0'
        strb    w4, [x1, #-1]!
        mov     x0, x3
        cbnz    x0, 1b
        mov     x0, x1
        bl      puts
        ldr     x30, [sp, #40]
        add     sp, sp, #48
        ret

// Writes x0 in hexadecimal. Changes x0–x5, x9–x11.
hex:    sub     sp, sp, #48
        str     x30, [sp, #40]
        add     x1, sp, #32
        strb    wzr, [x1]
1:      and     w4, w0, #0xf
        cmp     w4, #10
        add     w5, w4, #'a' - 10
        add     w4, w4, #'0'
        csel    w4, w4, w5, lo
        strb    w4, [x1, #-1]!
        lsr     x0, x0, #4
        cbnz    x0, 1b
        mov     w4, #'x'
        strb    w4, [x1, #-1]!
        mov     w4, #'0'
        strb    w4, [x1, #-1]!
        mov     x0, x1
        bl      puts
        ldr     x30, [sp, #40]
        add     sp, sp, #48
        ret

        .ltorg

m_hello:
        .asciz  "Hello from the built-in guest of vkvm.\n"
m_psci: .asciz  "PSCI "
m_old:  .asciz  "PSCI 0.1\n"
m_none: .asciz  "no PSCI\n"
m_cpu:  .asciz  "CPU "
m_midr: .asciz  ": MIDR_EL1 "
m_mpidr:
        .asciz  ", MPIDR_EL1 "
m_cpus: .asciz  " CPU(s) came up through PSCI\n"
m_timer:
        .asciz  "timer at "
m_hz:   .asciz  " Hz\n"
m_gicv2:
        .asciz  "GICv2\n"
m_gicv3:
        .asciz  "GICv3\n"
m_ticks:
        .asciz  " timer interrupts in "
m_ms:   .asciz  " ms\n"
m_bad:  .asciz  "unexpected exception, ESR_EL1 "
m_off:  .asciz  "powering off\n"

n_psci: .asciz  "psci"
n_compatible:
        .asciz  "compatible"
n_old:  .asciz  "arm,psci"
n_method:
        .asciz  "method"
n_cpu_on:
        .asciz  "cpu_on"
n_cpu_off:
        .asciz  "cpu_off"

        .balign 8
done:   .quad   0
next:   .quad   0
smc:    .word   0                       // not 0: PSCI is called by SMC
cpu_on: .word   CPU_ON
cpu_off:
        .word   CPU_OFF
        .balign 16
stacks:                                 // the rest of the image
