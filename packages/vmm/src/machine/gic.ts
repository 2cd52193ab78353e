/** The in-kernel GIC: creation and reset through its attributes. */
import {
  KVM_DEV_ARM_VGIC_CTRL_INIT,
  KVM_DEV_ARM_VGIC_GRP_ADDR,
  KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
  KVM_DEV_ARM_VGIC_GRP_CTRL,
  KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
  KVM_DEV_ARM_VGIC_GRP_NR_IRQS,
  KVM_DEV_ARM_VGIC_GRP_REDIST_REGS,
  KVM_DEV_TYPE_ARM_VGIC_V2,
  KVM_DEV_TYPE_ARM_VGIC_V3,
  KVM_VGIC_V2_ADDR_TYPE_CPU,
  KVM_VGIC_V2_ADDR_TYPE_DIST,
  KVM_VGIC_V3_ADDR_TYPE_DIST,
  KVM_VGIC_V3_ADDR_TYPE_REDIST,
  SYSREGS,
} from '@vkvm/uapi';
import type { KvmDevice } from '../kvm/device.ts';
import type { Vm } from '../kvm/vm.ts';
import { GICC, GICD, GICR, NR_IRQS } from './layout.ts';

const MODELS = {
  2: {
    type: KVM_DEV_TYPE_ARM_VGIC_V2,
    addresses: [
      { attr: KVM_VGIC_V2_ADDR_TYPE_DIST, base: GICD.base },
      { attr: KVM_VGIC_V2_ADDR_TYPE_CPU, base: GICC.base },
    ],
  },
  3: {
    type: KVM_DEV_TYPE_ARM_VGIC_V3,
    addresses: [
      { attr: KVM_VGIC_V3_ADDR_TYPE_DIST, base: GICD.base },
      { attr: KVM_VGIC_V3_ADDR_TYPE_REDIST, base: GICR.base },
    ],
  },
} as const;

/** A run of registers that reset sets to one value. */
interface ResetRow {
  readonly offset: number;
  /** Number of 32-bit registers. */
  readonly count: number;
  readonly value: bigint;
}

const ONES = 0xffff_ffffn;
/** Registers that hold one bit, two bits or a byte for each SPI; private interrupts are in the redistributors. */
const spiRows = (offset: number, bits: number, value: bigint): ResetRow => ({
  offset: offset + (32 * bits) / 8,
  count: ((NR_IRQS - 32) * bits) / 32,
  value,
});

/** Distributor registers, in the order in which they are written. Source: Arm IHI 0069, 12.9. */
const GICD_RESET: readonly ResetRow[] = [
  { offset: 0x0000, count: 1, value: 0n }, // GICD_CTLR
  spiRows(0x0180, 1, ONES), // GICD_ICENABLER
  spiRows(0x0200, 1, 0n), // GICD_ISPENDR: user space writes the state itself
  spiRows(0x0380, 1, ONES), // GICD_ICACTIVER
  spiRows(0x0400, 8, 0n), // GICD_IPRIORITYR
  spiRows(0x0c00, 2, 0n), // GICD_ICFGR
  { offset: 0x6000 + 32 * 8, count: (NR_IRQS - 32) * 2, value: 0n }, // GICD_IROUTER
];

/** Redistributor registers. Source: Arm IHI 0069, 12.11. */
const SGI_FRAME = 0x1_0000;
const GICR_RESET: readonly ResetRow[] = [
  { offset: 0x0000, count: 1, value: 0n }, // GICR_CTLR
  { offset: SGI_FRAME + 0x0180, count: 1, value: ONES }, // GICR_ICENABLER0
  { offset: SGI_FRAME + 0x0200, count: 1, value: 0n }, // GICR_ISPENDR0
  { offset: SGI_FRAME + 0x0380, count: 1, value: ONES }, // GICR_ICACTIVER0
  { offset: SGI_FRAME + 0x0400, count: 8, value: 0n }, // GICR_IPRIORITYR
];

/** CPU interface registers that reset to zero. Source: Arm IHI 0069, 12.2. */
const ICC_RESET = [
  SYSREGS.ICC_IGRPEN0_EL1,
  SYSREGS.ICC_IGRPEN1_EL1,
  SYSREGS.ICC_PMR_EL1,
  SYSREGS.ICC_AP0R0_EL1,
  SYSREGS.ICC_AP1R0_EL1,
] as const;

/** The GIC of one machine. */
export class Gic implements Disposable {
  readonly version: 2 | 3;
  readonly device: KvmDevice;

  /**
   * Creates the device and gives it its place. vCPUs must exist.
   *
   * @throws {KvmError} `ENODEV` the kernel does not have this version
   */
  constructor(vm: Vm, version: 2 | 3) {
    const { type, addresses } = MODELS[version];
    this.version = version;
    this.device = vm.createDevice(type);
    this.device.setAttr({ group: KVM_DEV_ARM_VGIC_GRP_NR_IRQS, attr: 0, size: 4 }, BigInt(NR_IRQS));
    for (const { attr, base } of addresses) {
      this.device.setAttr({ group: KVM_DEV_ARM_VGIC_GRP_ADDR, attr, size: 8 }, BigInt(base));
    }
  }

  /** Makes it work; vCPUs must have been initialised. */
  init(): void {
    this.device.setAttr({ group: KVM_DEV_ARM_VGIC_GRP_CTRL, attr: KVM_DEV_ARM_VGIC_CTRL_INIT, size: 0 });
  }

  /**
   * Puts registers back to what they are after power-on. Version 2 has no such need: its drivers set all they use.
   *
   * @param affinities - of the vCPUs, as MPIDR_EL1 has them
   */
  reset(affinities: readonly number[]): void {
    if (this.version === 2) return;
    this.#write(KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0, GICD_RESET);
    for (const affinity of affinities) {
      this.#write(KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, affinity, GICR_RESET);
      for (const register of ICC_RESET) {
        this.device.setAttr({
          group: KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
          attr: attribute(affinity, register),
          size: 8,
        });
      }
    }
  }

  #write(group: number, affinity: number, rows: readonly ResetRow[]): void {
    for (const { offset, count, value } of rows) {
      for (let index = 0; index < count; index += 1) {
        this.device.setAttr({ group, attr: attribute(affinity, offset + index * 4), size: 4 }, value);
      }
    }
  }

  [Symbol.dispose](): void {
    this.device[Symbol.dispose]();
  }
}

/** The attribute of a register: affinity in the upper word, offset or encoding in the lower. */
const attribute = (affinity: number, register: number): bigint =>
  (BigInt(affinity) << 32n) | BigInt(register);
