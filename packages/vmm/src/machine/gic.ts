/** The in-kernel GIC: creation, by whatever way the kernel has, and reset through its attributes. */
import {
  KVM_ARM_DEVICE_ID_SHIFT,
  KVM_ARM_DEVICE_VGIC_V2,
  KVM_CAP_DEVICE_CTRL,
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
import type { KernelIdentity } from '../kvm/abi-check.ts';
import type { KvmDevice } from '../kvm/device.ts';
import { AbiMismatchError } from '../kvm/error.ts';
import type { KvmError } from '../kvm/error.ts';
import type { Vm } from '../kvm/vm.ts';
import { GICC, GICD, GICR, GICV2_MAX_VCPUS, NR_IRQS } from './layout.ts';

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

/** What a machine wants of its GIC. */
export interface GicConfig {
  /** Absent: the newest that the kernel has. */
  readonly gicVersion?: 2 | 3;
  readonly smp: number;
}

/** Newest first. */
const VERSIONS = [3, 2] as const;

/**
 * Makes the GIC of a VM. It comes before the vCPUs, because kernels before Linux 3.14 want it so.
 *
 * @throws {AbiMismatchError} the kernel does not have the version, or one for so many vCPUs
 */
export function createGic(vm: Vm, { gicVersion, smp }: GicConfig, identity: KernelIdentity): Gic {
  const isDevice = vm.checkExtension(KVM_CAP_DEVICE_CTRL) !== 0;
  for (const version of gicVersion === undefined ? VERSIONS : [gicVersion]) {
    const gic = isDevice ? createDevice(vm, version) : createIrqchip(vm, version);
    if (!gic) continue;
    if (version === 2 && smp > GICV2_MAX_VCPUS) {
      throw new AbiMismatchError(
        `${identity.name} has no GICv3, which this VMM needs for ${smp} vCPUs; ` +
          `use a newer kernel, or --smp ${GICV2_MAX_VCPUS} at most`,
      );
    }
    return gic;
  }
  throw new AbiMismatchError(
    `${identity.name} has no GICv${gicVersion ?? 2}, which this VMM needs to give the guest interrupts; ` +
      (gicVersion === 3 ? 'use a newer kernel, or a GICv2 (gicVersion: 2)' : 'use another kernel'),
  );
}

/** @returns undefined: the kernel has no such device */
function createDevice(vm: Vm, version: 2 | 3): Gic | undefined {
  const { type, addresses } = MODELS[version];
  let device: KvmDevice;
  try {
    device = vm.createDevice(type);
  } catch (error) {
    if (!(error instanceof Error) || (error as KvmError).errno !== 'ENODEV') throw error;
    return undefined;
  }
  device.setAttr({ group: KVM_DEV_ARM_VGIC_GRP_NR_IRQS, attr: 0, size: 4 }, BigInt(NR_IRQS));
  for (const { attr, base } of addresses) {
    device.setAttr({ group: KVM_DEV_ARM_VGIC_GRP_ADDR, attr, size: 8 }, BigInt(base));
  }
  return new Gic(version, device);
}

/** Before there were devices a GICv2 was made so. @returns undefined: version 3 cannot be */
function createIrqchip(vm: Vm, version: 2 | 3): Gic | undefined {
  if (version !== 2) return undefined;
  vm.createIrqchip();
  for (const { attr, base } of MODELS[version].addresses) {
    vm.setDeviceAddress((KVM_ARM_DEVICE_VGIC_V2 << KVM_ARM_DEVICE_ID_SHIFT) | attr, base);
  }
  return new Gic(version, undefined);
}

/** The GIC of one machine. */
export class Gic implements Disposable {
  readonly version: 2 | 3;
  /** Absent where a GIC is not a device: nothing of it can be read or written. */
  readonly device: KvmDevice | undefined;

  /** For {@link createGic} only. */
  constructor(version: 2 | 3, device: KvmDevice | undefined) {
    this.version = version;
    this.device = device;
  }

  /** Makes it work; vCPUs must have been initialised. One that is not a device works from the first `KVM_RUN` on. */
  init(): void {
    this.device?.setAttr({ group: KVM_DEV_ARM_VGIC_GRP_CTRL, attr: KVM_DEV_ARM_VGIC_CTRL_INIT, size: 0 });
  }

  /**
   * Puts registers back to what they are after power-on. Version 2 has no such need: its drivers set all they use.
   *
   * @param affinities - of the vCPUs, as MPIDR_EL1 has them
   */
  reset(affinities: readonly number[]): void {
    const { device } = this;
    if (this.version === 2 || !device) return;
    write(device, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0, GICD_RESET);
    for (const affinity of affinities) {
      write(device, KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, affinity, GICR_RESET);
      for (const register of ICC_RESET) {
        device.setAttr({
          group: KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
          attr: attribute(affinity, register),
          size: 8,
        });
      }
    }
  }

  [Symbol.dispose](): void {
    this.device?.[Symbol.dispose]();
  }
}

/** The attribute of a register: affinity in the upper word, offset or encoding in the lower. */
const attribute = (affinity: number, register: number): bigint =>
  (BigInt(affinity) << 32n) | BigInt(register);

function write(device: KvmDevice, group: number, affinity: number, rows: readonly ResetRow[]): void {
  for (const { offset, count, value } of rows) {
    for (let index = 0; index < count; index += 1) {
      device.setAttr({ group, attr: attribute(affinity, offset + index * 4), size: 4 }, value);
    }
  }
}
