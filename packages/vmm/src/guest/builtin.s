// The built-in guest: what runs where there is no other. It turns on every CPU it can through PSCI, takes a few
// timer interrupts, prints what it found on the PL011, and powers off. MMU and caches stay off.
//
// Machine: that of src/machine/layout.ts. Boot protocol and header: Linux Documentation/arch/arm64/booting.rst.
// Assemble: aarch64-linux-gnu-as -o builtin.o builtin.s && aarch64-linux-gnu-objcopy -O binary builtin.o builtin.bin
// The words stand in builtin.ts, and a test compares them with this file.

        .arch   armv8-a

        .equ    UART, 0x09000000
        .equ    UARTCR, 0x30
        .equ    GICD, 0x08000000
        .equ    GICD_CTLR, 0x0
        .equ    GICR, 0x080a0000
        .equ    GICR_WAKER, 0x14
        .equ    GICR_SGI, 0x10000
        .equ    GICR_IGROUPR0, 0x80
        .equ    GICR_ISENABLER0, 0x100

        .equ    PSCI_VERSION, 0x84000000
        .equ    CPU_OFF, 0x84000002
        .equ    CPU_ON, 0xc4000003
        .equ    SYSTEM_OFF, 0x84000008

        .equ    VTIMER, 27              // INTID of the virtual timer
        .equ    TICKS, 5
        .equ    TICK_RATE, 100          // per second
        .equ    STACK, 0x400            // bytes for each CPU
        .equ    CPUS_MAX, 123
        .equ    IMAGE_SIZE, 0x40000

// x19: ticks taken   x20: next CPU   x21: CPUs on   x22, x23: time

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
        ldr     w1, =UART
        mov     w2, #0x301              // enabled, transmit, receive
        str     w2, [x1, #UARTCR]
        adr     x0, m_hello
        bl      puts

        ldr     w0, =PSCI_VERSION
        hvc     #0
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
irq:    mrs     x0, icc_iar1_el1
        cmp     x0, #VTIMER
        b.ne    1f
        add     x19, x19, #1
        msr     cntv_tval_el0, x24
1:      msr     icc_eoir1_el1, x0
        isb
        eret

// Turns on the CPUs 1, 2, … one after the other, until PSCI knows no more.
cpus:   mov     x20, #1
        mov     x21, #1
1:      cmp     x20, #CPUS_MAX
        b.hs    3f
        ldr     w0, =CPU_ON
        and     x1, x20, #0xf           // Aff0: 16 CPUs to a cluster
        lsr     x2, x20, #4
        orr     x1, x1, x2, lsl #8
        adr     x2, secondary
        mov     x3, x20
        hvc     #0
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

// Entry of the other CPUs; x0 is the number that CPU_ON was given.
secondary:
        mov     x20, x0
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
        ldr     w0, =CPU_OFF
        hvc     #0
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

// Takes TICKS interrupts of the virtual timer through the GICv3.
timer:  adr     x0, m_timer
        bl      puts
        mrs     x0, cntfrq_el0
        bl      dec
        adr     x0, m_hz
        bl      puts
        mrs     x0, id_aa64pfr0_el1
        ubfx    x0, x0, #24, #4         // GIC: the CPU interface has system registers
        cbz     x0, off
        adr     x0, m_gic
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

        mov     x19, #0
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
        ldr     w0, =SYSTEM_OFF
        hvc     #0
1:      wfi
        b       1b

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
m_cpu:  .asciz  "CPU "
m_midr: .asciz  ": MIDR_EL1 "
m_mpidr:
        .asciz  ", MPIDR_EL1 "
m_cpus: .asciz  " CPU(s) came up through PSCI\n"
m_timer:
        .asciz  "timer at "
m_hz:   .asciz  " Hz\n"
m_gic:  .asciz  "GICv3\n"
m_ticks:
        .asciz  " timer interrupts in "
m_ms:   .asciz  " ms\n"
m_bad:  .asciz  "unexpected exception, ESR_EL1 "
m_off:  .asciz  "powering off\n"

        .balign 8
done:   .quad   0
        .balign 16
stacks:                                 // the rest of the image
