/**
 * The machine's memory map and interrupts: those of QEMU's `virt`, so that kernels and firmware built for it run
 * unchanged. Addresses are guest-physical; sizes are bytes. Source: QEMU docs/system/arm/virt.rst and its device tree.
 */

/** GIC distributor, versions 2 and 3. */
export const GICD = { base: 0x0800_0000, size: 0x1_0000 } as const;
/** GICv2 CPU interface. */
export const GICC = { base: 0x0801_0000, size: 0x2000 } as const;
/** Most vCPUs that a GICv2 has interfaces for. */
export const GICV2_MAX_VCPUS = 8;
/** GICv3 redistributors: 128 KiB for each vCPU. */
export const GICR = { base: 0x080a_0000, size: 0x00f6_0000 } as const;
/** Most vCPUs whose redistributors fit. */
export const GICR_MAX_VCPUS = GICR.size / 0x2_0000;

/** Serial port; SPI number, from 0. */
export const PL011 = { base: 0x0900_0000, size: 0x1000, spi: 1 } as const;
/** Real-time clock. */
export const PL031 = { base: 0x0901_0000, size: 0x1000, spi: 2 } as const;

/** General purpose input and output, to which the power key is wired. */
export const PL061 = { base: 0x0903_0000, size: 0x1000, spi: 7 } as const;
/** Pin of the power key: high while it is pressed. */
export const POWER_KEY_PIN = 3;

/** Power control, of vkvm's own; only where PSCI cannot turn the machine off. */
export const POWER = { base: 0x090f_0000, size: 0x1000 } as const;

/** Memory of a secure runtime, where QEMU's machine has its secure RAM. The guest finds nothing there. */
export const SECURE_RAM = { base: 0x0e00_0000, size: 0x0100_0000 } as const;

/** Start of RAM. */
export const RAM_BASE = 0x4000_0000;

/** Timer PPIs, from 0 (INTID 16): secure and non-secure EL1 physical, virtual, EL2 physical. */
export const TIMER_PPIS = [13, 14, 11, 10] as const;

/** PPI of the PMU, from 0. */
export const PMU_PPI = 7;

/** Interrupts of the GIC: SGIs, PPIs and 256 SPIs. */
export const NR_IRQS = 288;

/** Frequency of the clock that the PrimeCells are wired to, in Hz. */
export const APB_CLOCK_HZ = 24_000_000;
