/** A VM with a GICv3 and an ITS, driven as a VMM does: by system calls, and by what it writes to guest memory. */
import {
  KVM_CREATE_DEVICE,
  KVM_DEV_ARM_VGIC_CTRL_INIT,
  KVM_DEV_ARM_VGIC_GRP_ADDR,
  KVM_DEV_ARM_VGIC_GRP_CTRL,
  KVM_DEV_ARM_VGIC_GRP_ITS_REGS,
  KVM_DEV_ARM_VGIC_GRP_REDIST_REGS,
  KVM_DEV_TYPE_ARM_VGIC_ITS,
  KVM_DEV_TYPE_ARM_VGIC_V3,
  KVM_GET_DEVICE_ATTR,
  KVM_HAS_DEVICE_ATTR,
  KVM_MSI_VALID_DEVID,
  KVM_SET_DEVICE_ATTR,
  KVM_SIGNAL_MSI,
  KVM_VGIC_ITS_ADDR_TYPE,
  KVM_VGIC_V3_ADDR_TYPE_DIST,
  KVM_VGIC_V3_ADDR_TYPE_REDIST,
  kvmCreateDevice,
  kvmDeviceAttr,
  kvmMsi,
} from '@vkvm/uapi';

import { RAM, TestProcess, TestVcpu, TestVm } from './machine.ts';
import type { MachineOptions } from './machine.ts';

export const GICD = 0x0800_0000;
export const GITS = 0x0808_0000;
export const GICR = 0x080a_0000;
/** Where a device writes its event. */
export const TRANSLATER = GITS + 0x1_0040;

/** Tables in RAM, 64 KiB each. */
const TABLES = 0x1_0000;
const table = (n: number): number => TABLES + n * 0x1_0000;
/** Offsets in RAM. */
export const DEVICE_TABLE = table(0);
export const COLLECTION_TABLE = table(1);
export const QUEUE = table(2);
export const ITT = table(3);
export const CONFIGURATION = table(4);
/** Pending table of the first redistributor; the next ones follow. */
export const PENDING = table(5);
/** A table of devices of the second level. */
export const LEVEL_2 = table(8);

/** Offsets of registers. */
export const CTLR = 0x00;
export const IIDR = 0x04;
export const TYPER = 0x08;
export const CBASER = 0x80;
export const CWRITER = 0x88;
export const CREADR = 0x90;
export const BASER0 = 0x100;
export const BASER1 = 0x108;

export const VALID = 1n << 63n;
export const FIRST_LPI = 8192;

/** Commands: Arm IHI 0069, 5.3. Doublewords 0 to 2; what is left out is zero. */
const command = (operation: number, device: number, dw1 = 0n, dw2 = 0n, dw3 = 0n): readonly bigint[] => [
  BigInt(operation) | (BigInt(device) << 32n),
  dw1,
  dw2,
  dw3,
];

export const MAPD = (device: number, itt: number | undefined, eventBits = 5): readonly bigint[] =>
  command(0x08, device, BigInt(eventBits - 1), itt === undefined ? 0n : VALID | BigInt(itt));
export const MAPC = (collection: number, target: number | undefined): readonly bigint[] =>
  command(0x09, 0, 0n, BigInt(collection) | (target === undefined ? 0n : VALID | (BigInt(target) << 16n)));
export const MAPTI = (device: number, event: number, intid: number, collection: number): readonly bigint[] =>
  command(0x0a, device, BigInt(event) | (BigInt(intid) << 32n), BigInt(collection));
export const MAPI = (device: number, event: number, collection: number): readonly bigint[] =>
  command(0x0b, device, BigInt(event), BigInt(collection));
export const MOVI = (device: number, event: number, collection: number): readonly bigint[] =>
  command(0x01, device, BigInt(event), BigInt(collection));
export const INT = (device: number, event: number): readonly bigint[] => command(0x03, device, BigInt(event));
export const CLEAR = (device: number, event: number): readonly bigint[] =>
  command(0x04, device, BigInt(event));
export const SYNC = (): readonly bigint[] => command(0x05, 0);
export const INV = (device: number, event: number): readonly bigint[] => command(0x0c, device, BigInt(event));
export const INVALL = (collection: number): readonly bigint[] => command(0x0d, 0, 0n, BigInt(collection));
export const MOVALL = (from: number, to: number): readonly bigint[] =>
  command(0x0e, 0, 0n, BigInt(from) << 16n, BigInt(to) << 16n);
export const DISCARD = (device: number, event: number): readonly bigint[] =>
  command(0x0f, device, BigInt(event));

export interface ItsMachineOptions extends MachineOptions {
  readonly vcpus?: number;
}

/** The machine: vCPUs initialised, GIC initialised, ITS placed; nothing enabled. */
export class ItsMachine {
  readonly process: TestProcess;
  readonly vm: TestVm;
  readonly vcpus: readonly TestVcpu[];
  readonly gic: number;
  readonly its: number;

  constructor({ vcpus = 1, ...options }: ItsMachineOptions = {}) {
    this.process = new TestProcess({ size: 400, ...options });
    this.vm = new TestVm(this.process);
    this.vcpus = Array.from({ length: vcpus }, (_, id) => new TestVcpu(this.vm, id).start());
    this.gic = this.createDevice(KVM_DEV_TYPE_ARM_VGIC_V3);
    this.set(this.gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_DIST, BigInt(GICD));
    this.set(this.gic, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST, BigInt(GICR));
    this.set(this.gic, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT);
    this.its = this.createDevice(KVM_DEV_TYPE_ARM_VGIC_ITS);
    this.set(this.its, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE, BigInt(GITS));
  }

  /** @returns its descriptor */
  createDevice(type: number): number {
    this.process.call(this.vm.fd, KVM_CREATE_DEVICE, kvmCreateDevice, { type, fd: 0, flags: 0 });
    return kvmCreateDevice.read(this.process.memory, this.process.arg).fd;
  }

  set(fd: number, group: number, attr: number | bigint, value = 0n): number | string {
    const addr = this.process.arg + 64;
    this.process.data.setBigUint64(addr, value, true);
    return this.process.call(fd, KVM_SET_DEVICE_ATTR, kvmDeviceAttr, { group, attr: BigInt(attr), addr });
  }

  get(fd: number, group: number, attr: number | bigint): bigint | string {
    const addr = this.process.arg + 64;
    this.process.data.setBigUint64(addr, 0n, true);
    const result = this.process.call(fd, KVM_GET_DEVICE_ATTR, kvmDeviceAttr, {
      group,
      attr: BigInt(attr),
      addr,
    });
    return typeof result === 'string' ? result : this.process.data.getBigUint64(addr, true);
  }

  has(fd: number, group: number, attr: number | bigint): number | string {
    return this.process.call(fd, KVM_HAS_DEVICE_ATTR, kvmDeviceAttr, { group, attr: BigInt(attr) });
  }

  read(offset: number): bigint | string {
    return this.get(this.its, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, offset);
  }

  write(offset: number, value: bigint): number | string {
    return this.set(this.its, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, offset, value);
  }

  control(command: number): number | string {
    return this.set(this.its, KVM_DEV_ARM_VGIC_GRP_CTRL, command);
  }

  /** A word of a redistributor. */
  readRedistributor(vcpu: number, offset: number): bigint | string {
    return this.get(this.gic, KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, (BigInt(vcpu) << 32n) | BigInt(offset));
  }

  writeRedistributor(vcpu: number, offset: number, value: number): number | string {
    const attr = (BigInt(vcpu) << 32n) | BigInt(offset);
    return this.set(this.gic, KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, attr, BigInt(value));
  }

  /** Points everything to its tables and enables it. All LPIs are enabled, with priority 0xa0. */
  enable(): this {
    new Uint8Array(this.process.memory.buffer).fill(
      0xa1,
      this.vm.ram + CONFIGURATION,
      this.vm.ram + CONFIGURATION + 0xe000,
    );
    this.vcpus.forEach((_vcpu, n) => {
      this.writeRedistributor(n, 0x70, (RAM + CONFIGURATION) | 15);
      this.writeRedistributor(n, 0x78, RAM + PENDING + n * 0x1_0000);
      this.writeRedistributor(n, 0x00, 1);
    });
    this.write(BASER0, VALID | BigInt(RAM + DEVICE_TABLE));
    this.write(BASER1, VALID | BigInt(RAM + COLLECTION_TABLE));
    this.write(CBASER, VALID | BigInt(RAM + QUEUE));
    this.write(CTLR, 1n);
    return this;
  }

  /** Puts commands into the queue and tells the ITS of them. */
  send(...commands: readonly (readonly bigint[])[]): void {
    let at = Number(this.read(CWRITER));
    for (const words of commands) {
      words.forEach((word, n) =>
        this.process.data.setBigUint64(this.vm.ram + QUEUE + at + 8 * n, word, true),
      );
      at = (at + 32) % 4096;
    }
    this.write(CWRITER, BigInt(at));
  }

  /** KVM_SIGNAL_MSI. */
  signal(device: number, event: number, address = TRANSLATER, flags = KVM_MSI_VALID_DEVID): number | string {
    return this.process.call(this.vm.fd, KVM_SIGNAL_MSI, kvmMsi, {
      address_lo: address,
      data: event,
      flags,
      devid: device,
    });
  }

  /** 64 bits of RAM. */
  peek(offset: number): bigint {
    return this.process.data.getBigUint64(this.vm.ram + offset, true);
  }

  poke(offset: number, value: bigint): void {
    this.process.data.setBigUint64(this.vm.ram + offset, value, true);
  }

  /** Whether an LPI is pending, by saving the pending tables. */
  isPending(intid: number, vcpu = 0): boolean {
    this.set(this.gic, KVM_DEV_ARM_VGIC_GRP_CTRL, 3);
    const byte = this.process.data.getUint8(this.vm.ram + PENDING + vcpu * 0x1_0000 + (intid >>> 3));
    return ((byte >>> (intid & 7)) & 1) !== 0;
  }
}
