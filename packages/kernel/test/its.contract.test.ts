/** The GICv3's ITS as a VMM and a guest see it. Truth: Documentation/virt/kvm/devices/arm-vgic-its.rst, Arm IHI 0069. */
import {
  KVM_CAP_MSI_DEVID,
  KVM_CAP_SIGNAL_MSI,
  KVM_CHECK_EXTENSION,
  KVM_CREATE_DEVICE,
  KVM_CREATE_DEVICE_TEST,
  KVM_CREATE_VCPU,
  KVM_DEV_ARM_ITS_CTRL_RESET,
  KVM_DEV_ARM_ITS_RESTORE_TABLES,
  KVM_DEV_ARM_ITS_SAVE_TABLES,
  KVM_DEV_ARM_VGIC_CTRL_INIT,
  KVM_DEV_ARM_VGIC_GRP_ADDR,
  KVM_DEV_ARM_VGIC_GRP_CTRL,
  KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
  KVM_DEV_ARM_VGIC_GRP_ITS_REGS,
  KVM_DEV_TYPE_ARM_VGIC_ITS,
  KVM_EXIT_MMIO,
  KVM_GET_DEVICE_ATTR,
  KVM_GET_DIRTY_LOG,
  KVM_IRQFD,
  KVM_IRQ_ROUTING_MSI,
  KVM_MEM_LOG_DIRTY_PAGES,
  KVM_MEM_READONLY,
  KVM_MSI_VALID_DEVID,
  KVM_REG_PC,
  KVM_RUN,
  KVM_SET_DEVICE_ATTR,
  KVM_SET_GSI_ROUTING,
  KVM_SIGNAL_MSI,
  KVM_VGIC_ITS_ADDR_TYPE,
  SYSREGS,
  VKVM_EXIT_IDLE,
  kvmCreateDevice,
  kvmDeviceAttr,
  kvmDirtyLog,
  kvmIrqRouting,
  kvmIrqRoutingEntry,
  kvmIrqRoutingMsi,
  kvmIrqfd,
  kvmMsi,
  kvmRunMmio,
  sysregId,
  xRegId,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { adopt } from '../src/index.ts';
import { readGuest } from './guest/guest.ts';
import {
  BASER0,
  BASER1,
  CBASER,
  CLEAR,
  COLLECTION_TABLE,
  CONFIGURATION,
  CREADR,
  CTLR,
  CWRITER,
  DEVICE_TABLE,
  DISCARD,
  FIRST_LPI,
  GICD,
  GICR,
  GITS,
  IIDR,
  INT,
  INV,
  INVALL,
  ITT,
  ItsMachine,
  LEVEL_2,
  MAPC,
  MAPD,
  MAPI,
  MAPTI,
  MOVALL,
  MOVI,
  PENDING,
  SYNC,
  TRANSLATER,
  TYPER,
  VALID,
} from './its-machine.ts';
import type { ItsMachineOptions } from './its-machine.ts';
import { DEVICE, RAM, TestProcess, TestVm, named } from './machine.ts';

const ITT_ADDRESS = RAM + ITT;
const QUIESCENT = 1n << 31n;

/** An ITS with device 5, collection 1 of the first vCPU, and event 3 that is LPI 8192. */
const mapped = (options?: ItsMachineOptions): ItsMachine => {
  const machine = new ItsMachine(options).enable();
  machine.send(MAPD(5, ITT_ADDRESS), MAPC(1, 0), MAPTI(5, 3, FIRST_LPI, 1));
  return machine;
};

describe('creating an ITS', () => {
  test('can be asked for, and is done as often as there is room', () => {
    const vm = new TestVm(new TestProcess({ size: 400 }));
    const { process } = vm;
    const create = (flags = 0) =>
      process.call(vm.fd, KVM_CREATE_DEVICE, kvmCreateDevice, { type: KVM_DEV_TYPE_ARM_VGIC_ITS, flags });
    expect(create(KVM_CREATE_DEVICE_TEST)).toBe(0);
    expect(process.ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_MSI_DEVID)).toBe(0);
    for (let n = 0; n < 32; n++) expect(create()).toBe(0);
    expect(create()).toBe('ENOMEM');
    expect(process.ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_MSI_DEVID)).toBe(1);
    expect(process.ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_SIGNAL_MSI)).toBe(1);
    expect(process.ioctl(process.kvm, KVM_CHECK_EXTENSION, KVM_CAP_MSI_DEVID)).toBe('EINVAL');
  });

  test('does not exist in the profile of 2013', () => {
    const vm = new TestVm(new TestProcess({ profile: 'rfc-2013' }));
    expect(
      vm.process.call(vm.fd, KVM_CREATE_DEVICE, kvmCreateDevice, {
        type: KVM_DEV_TYPE_ARM_VGIC_ITS,
        flags: KVM_CREATE_DEVICE_TEST,
      }),
    ).toBe('ENODEV');
  });

  test('gives its memory back with the VM', () => {
    const process = new TestProcess({ size: 64 });
    for (let round = 0; round < 20; round++) {
      const vm = new TestVm(process);
      const created = process.call(vm.fd, KVM_CREATE_DEVICE, kvmCreateDevice, {
        type: KVM_DEV_TYPE_ARM_VGIC_ITS,
        flags: 0,
      });
      expect(created, `round ${round}`).toBe(0);
      const { fd } = kvmCreateDevice.read(process.memory, process.arg);
      process.syscalls.close(vm.fd);
      process.syscalls.close(fd);
      process.syscalls.munmap(vm.ram, 0x20_0000);
    }
  });

  test('has the distributor and redistributors tell of LPIs', () => {
    const machine = new ItsMachine();
    const typer = machine.get(machine.gic, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 4);
    expect(typer).toBe((15n << 19n) | (1n << 17n) | 7n); // 256 interrupts, LPIs, INTIDs of 16 bits
    expect(machine.readRedistributor(0, 0x08)).toBe(0x11n); // PLPIS, Last
    expect(machine.readRedistributor(0, 0x70)).toBe(0x580n); // inner shareable, write-back
  });
});

describe('its attributes', () => {
  test('say what there is', () => {
    const machine = new ItsMachine();
    const has = (group: number, attr: number | bigint) => machine.has(machine.its, group, attr);
    expect(has(KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE)).toBe(0);
    expect(has(KVM_DEV_ARM_VGIC_GRP_ADDR, 2)).toBe('ENXIO');
    for (const command of [0, 1, 2, 4]) expect(has(KVM_DEV_ARM_VGIC_GRP_CTRL, command)).toBe(0);
    expect(has(KVM_DEV_ARM_VGIC_GRP_CTRL, 3)).toBe('ENXIO');
    for (const offset of [CTLR, IIDR, TYPER, CBASER, CWRITER, CREADR, 0x138, 0xffd0, 0xffec])
      expect(has(KVM_DEV_ARM_VGIC_GRP_ITS_REGS, offset)).toBe(0);
    for (const offset of [0x10, 0x140, 0x1_0040])
      expect(has(KVM_DEV_ARM_VGIC_GRP_ITS_REGS, offset)).toBe('ENXIO');
    for (const offset of [1, 0x0c, 0x84]) expect(has(KVM_DEV_ARM_VGIC_GRP_ITS_REGS, offset)).toBe('EINVAL');
    expect(has(1, 0)).toBe('ENXIO');
  });

  test('place it once, aligned, and in what the VM can address', () => {
    const machine = new ItsMachine();
    const its = machine.createDevice(KVM_DEV_TYPE_ARM_VGIC_ITS);
    const place = (address: bigint, type = KVM_VGIC_ITS_ADDR_TYPE) =>
      machine.set(its, KVM_DEV_ARM_VGIC_GRP_ADDR, type, address);
    expect(machine.get(its, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE)).toBe(0xffff_ffff_ffff_ffffn);
    expect(machine.get(its, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, CTLR)).toBe('ENXIO');
    expect(machine.set(its, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, CTLR)).toBe('ENXIO');
    expect(place(0n, 2)).toBe('ENODEV');
    expect(place(0x1000n)).toBe('EINVAL');
    expect(place(1n << 40n)).toBe('E2BIG');
    expect(place(0xffff_ffff_ffff_0000n)).toBe('EINVAL');
    expect(place(0x0900_0000n)).toBe(0);
    expect(place(0x0a00_0000n)).toBe('EEXIST');
    expect(machine.get(its, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE)).toBe(0x0900_0000n);
    expect(machine.get(its, KVM_DEV_ARM_VGIC_GRP_ADDR, 2)).toBe('ENODEV');
  });

  test.each([
    ['linux-6.1', 0],
    ['linux-7.3', 'ENXIO'],
  ] as const)('take commands; one there is not, in %s: %s', (profile, answer) => {
    const machine = new ItsMachine({ profile });
    expect(machine.control(KVM_DEV_ARM_VGIC_CTRL_INIT)).toBe(0);
    expect(machine.control(KVM_DEV_ARM_ITS_SAVE_TABLES)).toBe(0);
    expect(machine.control(KVM_DEV_ARM_ITS_RESTORE_TABLES)).toBe(0);
    expect(machine.control(KVM_DEV_ARM_ITS_CTRL_RESET)).toBe(0);
    expect(machine.control(7)).toBe(answer);
    expect(machine.get(machine.its, KVM_DEV_ARM_VGIC_GRP_CTRL, 0)).toBe('ENXIO');
  });

  test('look at the value before the register', () => {
    const machine = new ItsMachine();
    const { process, its } = machine;
    const attr = { group: KVM_DEV_ARM_VGIC_GRP_ITS_REGS, attr: 1n, addr: 8 };
    expect(machine.set(its, KVM_DEV_ARM_VGIC_GRP_ITS_REGS, 1)).toBe('EINVAL');
    expect(process.call(its, KVM_SET_DEVICE_ATTR, kvmDeviceAttr, attr)).toBe('EFAULT');
    expect(process.call(its, KVM_GET_DEVICE_ATTR, kvmDeviceAttr, attr)).toBe('EINVAL');
    expect(process.ioctl(its, KVM_RUN)).toBe('ENOTTY');
  });
});

describe('its registers', () => {
  test('identify it', () => {
    const machine = new ItsMachine();
    expect(machine.read(IIDR)).toBe(0x4b00_043bn);
    expect(machine.read(TYPER)).toBe(0x1_ef71n);
    expect(machine.read(CTLR)).toBe(QUIESCENT);
    expect([0xffe0, 0xffe4, 0xffe8, 0xffd0, 0xfff0, 0xfffc].map((at) => machine.read(at))).toEqual(
      [0x92, 0xb4, 0x3b, 0x40, 0x0d, 0xb1].map(BigInt),
    );
    expect(machine.write(IIDR, 0x1000n)).toBe('EINVAL');
    expect(machine.write(IIDR, 0n)).toBe(0);
    expect(machine.write(TYPER, 0n)).toBe(0);
  });

  test('keep of a table what can be kept', () => {
    const machine = new ItsMachine();
    expect(machine.read(BASER0)).toBe(0x1907_0000_0000_0600n); // devices, 8 bytes each, pages of 64 KiB
    expect(machine.read(BASER1)).toBe(0x1c07_0000_0000_0600n);
    expect(machine.read(0x110)).toBe(0n);
    machine.write(BASER0, 0xffff_ffff_ffff_ffffn);
    machine.write(BASER1, 0xffff_ffff_ffff_ffffn);
    machine.write(0x110, 0xffff_ffff_ffff_ffffn);
    expect(machine.read(BASER0)).toBe(0xf907_ffff_ffff_feffn);
    expect(machine.read(BASER1)).toBe(0xbc07_ffff_ffff_feffn);
    expect(machine.read(0x110)).toBe(0n);
    machine.write(CBASER, 0xffff_ffff_ffff_ffffn);
    expect(machine.read(CBASER)).toBe(0xff1f_ffff_ffff_0fffn);
  });

  test('do not enable it before its tables are valid, and do not change then', () => {
    const machine = new ItsMachine();
    machine.write(CTLR, 1n);
    expect(machine.read(CTLR)).toBe(QUIESCENT);
    machine.enable();
    expect(machine.read(CTLR)).toBe(QUIESCENT | 1n);
    const before = machine.read(BASER0);
    machine.write(BASER0, 0n);
    machine.write(CBASER, 0n);
    expect(machine.read(BASER0)).toBe(before);
    expect(machine.read(CBASER)).not.toBe(0n);
    expect(machine.write(CREADR, 32n)).toBe('EBUSY');
    machine.write(CTLR, 0n);
    expect(machine.write(CREADR, 4096n)).toBe('EINVAL');
    expect(machine.write(CREADR, 32n)).toBe(0);
    expect(machine.read(CTLR)).toBe(0n); // not quiescent
    machine.write(CBASER, VALID);
    expect([machine.read(CREADR), machine.read(CWRITER)]).toEqual([0n, 0n]);
  });

  test('go back to what they were', () => {
    const machine = mapped();
    expect(machine.control(KVM_DEV_ARM_ITS_CTRL_RESET)).toBe(0);
    expect(machine.read(CTLR)).toBe(QUIESCENT);
    expect(machine.read(CBASER)).toBe(0n);
    expect(machine.read(BASER0)).toBe(0x1907_0000_0000_0200n | BigInt(RAM + DEVICE_TABLE));
    expect(machine.signal(5, 3)).toBe('EBUSY');
    machine.enable();
    expect(machine.signal(5, 3)).toBe(0);
  });
});

describe('a message', () => {
  test('makes the LPI pending that its event is mapped to', () => {
    const machine = mapped();
    expect(machine.signal(5, 3)).toBe(1);
    expect(machine.isPending(FIRST_LPI)).toBe(true);
    expect(machine.signal(5, 4)).toBe(0);
    expect(machine.signal(6, 3)).toBe(0);
    expect(machine.signal(0xffff_ffff, 0xffff_ffff)).toBe(0);
  });

  test('is refused where nobody takes it', () => {
    const machine = mapped();
    expect(machine.signal(5, 3, TRANSLATER, 0)).toBe('EINVAL');
    expect(machine.signal(5, 3, TRANSLATER, 2)).toBe('EINVAL');
    expect(machine.signal(5, 3, GITS - 4)).toBe('EINVAL');
    expect(machine.signal(5, 3, GITS + 0x2_0000)).toBe('EINVAL');
    machine.write(CTLR, 0n);
    expect(machine.signal(5, 3)).toBe('EBUSY');
    machine.write(CTLR, 1n);
    machine.writeRedistributor(0, 0, 0);
    expect(machine.signal(5, 3)).toBe('EBUSY');
  });

  test('may come from another thread, which has adopted the kernel', () => {
    const machine = mapped({ shared: true });
    const { process, vm } = machine;
    const other = adopt(process.kernel.share());
    kvmMsi.write(process.memory, process.arg, { address_lo: TRANSLATER, data: 3, flags: 1, devid: 5 });
    expect(other.ioctl(vm.fd, KVM_SIGNAL_MSI, process.arg)).toBe(1);
    expect(machine.isPending(FIRST_LPI)).toBe(true);
  });

  test('needs an ITS, and a GIC before', () => {
    const machine = new ItsMachine();
    const other = new TestVm(machine.process);
    const message = Object.assign(Object.create(ItsMachine.prototype), {
      process: machine.process,
      vm: other,
    });
    expect((message as ItsMachine).signal(5, 3)).toBe('EINVAL');
    machine.process.call(other.fd, KVM_CREATE_DEVICE, kvmCreateDevice, { type: 7, flags: 0 });
    expect((message as ItsMachine).signal(5, 3)).toBe('ENODEV');
  });

  test('goes to the ITS that it is addressed to', () => {
    const machine = mapped();
    const second = machine.createDevice(KVM_DEV_TYPE_ARM_VGIC_ITS);
    machine.set(second, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE, 0x0900_0000n);
    expect(machine.signal(5, 3, 0x0901_0040)).toBe('EBUSY');
    expect(machine.signal(5, 3)).toBe(1);
  });
});

describe('a command', () => {
  test('INT, CLEAR: as a message, and taken back', () => {
    const machine = mapped();
    machine.send(INT(5, 3), SYNC());
    expect(machine.isPending(FIRST_LPI)).toBe(true);
    machine.send(CLEAR(5, 3));
    expect(machine.isPending(FIRST_LPI)).toBe(false);
    expect(machine.read(CREADR)).toBe(machine.read(CWRITER));
  });

  test('MAPI: the event is the LPI', () => {
    const machine = new ItsMachine().enable();
    machine.send(MAPD(5, ITT_ADDRESS, 16), MAPC(1, 0), MAPI(5, 8200, 1));
    expect(machine.signal(5, 8200)).toBe(1);
    expect(machine.isPending(8200)).toBe(true);
  });

  test('MAPTI: not beyond what the device and the configuration table have', () => {
    const machine = new ItsMachine().enable();
    machine.send(MAPD(5, ITT_ADDRESS, 2), MAPC(1, 0));
    machine.send(MAPTI(5, 4, 8192, 1), MAPTI(5, 0, 8191, 1), MAPTI(5, 1, 0x1_0000, 1), MAPTI(6, 2, 8192, 1));
    expect([machine.signal(5, 4), machine.signal(5, 0), machine.signal(5, 1), machine.signal(6, 2)]).toEqual([
      0, 0, 0, 0,
    ]);
    machine.send(MAPTI(5, 3, 0xffff, 1));
    expect(machine.signal(5, 3)).toBe(1);
  });

  test('MAPD: a device has its events until it is mapped again', () => {
    const machine = mapped();
    machine.send(MAPD(5, ITT_ADDRESS));
    expect(machine.signal(5, 3)).toBe(0);
    machine.send(MAPD(0x1_0000, ITT_ADDRESS), MAPTI(0x1_0000, 0, FIRST_LPI, 1));
    expect(machine.signal(0x1_0000, 0)).toBe(0);
  });

  test('MAPC: LPIs follow their collection', () => {
    const machine = mapped({ vcpus: 2 });
    machine.send(INT(5, 3), MAPC(1, 1));
    expect([machine.isPending(FIRST_LPI, 0), machine.isPending(FIRST_LPI, 1)]).toEqual([false, true]);
    machine.send(MAPC(1, 7)); // no such redistributor
    expect(machine.signal(5, 3)).toBe(1);
    machine.send(MAPC(1, undefined));
    expect(machine.signal(5, 3)).toBe(0);
  });

  test('MOVI, MOVALL: to another redistributor, pending or not', () => {
    const machine = mapped({ vcpus: 3 });
    machine.send(MAPC(2, 1), INT(5, 3), MOVI(5, 3, 2));
    expect([0, 1, 2].map((n) => machine.isPending(FIRST_LPI, n))).toEqual([false, true, false]);
    machine.send(MOVALL(1, 2));
    expect(machine.isPending(FIRST_LPI, 2)).toBe(true);
  });

  test.each(['linux-5.10', 'linux-7.3'] as const)(
    'DISCARD: the event is nothing any more, in %s',
    (profile) => {
      const machine = mapped({ profile });
      machine.control(KVM_DEV_ARM_ITS_SAVE_TABLES);
      expect(machine.peek(ITT + 24)).not.toBe(0n);
      machine.send(INT(5, 3), DISCARD(5, 3));
      expect(machine.signal(5, 3)).toBe(0);
      // Later releases do not leave it for a restore to find.
      expect(machine.peek(ITT + 24) === 0n).toBe(profile === 'linux-7.3');
      machine.send(MAPTI(5, 3, FIRST_LPI, 1));
      expect(machine.isPending(FIRST_LPI)).toBe(false);
    },
  );

  test('that is none, or is not in memory, is passed over', () => {
    const machine = mapped();
    machine.send([0xffn, 0n, 0n, 0n], INT(5, 3));
    expect(machine.isPending(FIRST_LPI)).toBe(true);
    machine.write(CTLR, 0n);
    machine.write(CBASER, VALID | 0x9000_0000n);
    machine.write(CTLR, 1n);
    machine.write(CWRITER, 4064n);
    expect(machine.read(CREADR)).toBe(4064n);
  });

  test('waits for its turn where there are very many: they end while the guest runs', () => {
    const machine = mapped();
    // 127 commands that look through all LPIs, then one that tells of their end.
    machine.send(...Array.from({ length: 120 }, () => INVALL(1)), INT(5, 3));
    expect(machine.read(CREADR)).not.toBe(machine.read(CWRITER));
    expect(machine.read(CTLR)).toBe(1n);
    machine.vm.load([0xd503_207f, 0x1400_0000]); // wfi; b .
    machine.vm.slice(10_000_000);
    machine.vcpus[0]!.run();
    expect(machine.vcpus[0]!.exitReason).toBe(VKVM_EXIT_IDLE);
    expect(machine.read(CREADR)).toBe(machine.read(CWRITER));
    expect(machine.isPending(FIRST_LPI)).toBe(true);
  });
});

describe('a device table of two levels', () => {
  test('has the devices whose part of it is there', () => {
    const machine = new ItsMachine().enable();
    machine.write(CTLR, 0n);
    machine.write(BASER0, VALID | (1n << 62n) | BigInt(RAM + DEVICE_TABLE));
    machine.write(CTLR, 1n);
    machine.poke(DEVICE_TABLE + 8, VALID | BigInt(RAM + LEVEL_2));
    machine.send(MAPC(1, 0), MAPD(5, ITT_ADDRESS), MAPD(8193, ITT_ADDRESS), MAPTI(5, 0, 8192, 1));
    machine.send(MAPTI(8193, 0, 8193, 1));
    expect([machine.signal(5, 0), machine.signal(8193, 0)]).toEqual([0, 1]);
    machine.control(KVM_DEV_ARM_ITS_SAVE_TABLES);
    expect(machine.peek(LEVEL_2 + 8) & VALID).toBe(VALID);
    machine.write(CTLR, 0n);
    machine.write(BASER0, (1n << 62n) | BigInt(RAM + DEVICE_TABLE)); // drops all devices
    machine.write(BASER0, VALID | (1n << 62n) | BigInt(RAM + DEVICE_TABLE));
    machine.write(BASER1, BigInt(RAM + COLLECTION_TABLE));
    machine.write(BASER1, VALID | BigInt(RAM + COLLECTION_TABLE));
    machine.write(CTLR, 1n);
    expect(machine.signal(8193, 0)).toBe(0);
    expect(machine.control(KVM_DEV_ARM_ITS_RESTORE_TABLES)).toBe(0);
    expect(machine.signal(8193, 0)).toBe(1);
  });
});

describe('a configuration table', () => {
  /** What user space sees: whether the LPI raises the vCPU. */
  const takes = (machine: ItsMachine): boolean => {
    machine.set(machine.gic, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0, 0x12n);
    machine.vm.load([0xd503_207f, 0x1400_0000]); // wfi; b .
    machine.vm.slice(10_000);
    const vcpu = machine.vcpus[0]!;
    vcpu.set(KVM_REG_PC, BigInt(RAM));
    for (const [name, value] of [
      ['ICC_PMR_EL1', 0xf0n],
      ['ICC_IGRPEN1_EL1', 1n],
    ] as const) {
      machine.set(machine.gic, 6, SYSREGS[name], value);
    }
    vcpu.run();
    return vcpu.exitReason !== VKVM_EXIT_IDLE;
  };

  test.each(['INV', 'INVALL', 'GICR_INVLPIR', 'GICR_INVALLR'])('is read again by %s', (how) => {
    const machine = mapped();
    const configure = (byte: number) => {
      machine.process.data.setUint8(machine.vm.ram + CONFIGURATION, byte);
      if (how === 'INV') machine.send(INV(5, 3));
      else if (how === 'INVALL') machine.send(INVALL(1));
      else machine.writeRedistributor(0, how === 'GICR_INVLPIR' ? 0xa0 : 0xb0, FIRST_LPI);
    };
    machine.signal(5, 3);
    configure(0xa0);
    expect(takes(machine)).toBe(false);
    configure(0xa1);
    expect(takes(machine)).toBe(true);
    configure(0xf1); // the mask is 0xf0
    expect(takes(machine)).toBe(false);
  });

  test('has registers to have it read since Linux 5.19', () => {
    const attr = 0xa0n;
    for (const [profile, answer] of [
      ['linux-5.10', 'ENXIO'],
      ['linux-6.1', 0],
    ] as const) {
      const machine = new ItsMachine({ profile });
      expect(machine.has(machine.gic, 5, attr)).toBe(answer);
    }
  });
});

describe('a redistributor', () => {
  test('does not change its tables while LPIs are enabled', () => {
    const machine = new ItsMachine().enable();
    machine.writeRedistributor(0, 0x70, 0);
    machine.writeRedistributor(0, 0x78, 0);
    expect(machine.readRedistributor(0, 0x70)).toBe(BigInt((RAM + CONFIGURATION) | 0x18f));
    expect(machine.readRedistributor(0, 0x78)).toBe(BigInt((RAM + PENDING) | 0x180));
    expect(machine.readRedistributor(0, 0)).toBe(7n); // EnableLPIs, CES, IR
  });

  test('takes what is pending from its table when LPIs are enabled, unless that is all zero', () => {
    for (const [high, pending] of [
      [0, true],
      [1 << 30, false],
    ] as const) {
      const machine = mapped();
      machine.writeRedistributor(0, 0, 0);
      machine.writeRedistributor(0, 0x7c, high);
      machine.process.data.setUint8(machine.vm.ram + PENDING + 1024, 1);
      machine.writeRedistributor(0, 0, 1);
      machine.process.data.setUint8(machine.vm.ram + PENDING + 1024, 0);
      expect(machine.isPending(FIRST_LPI)).toBe(pending);
    }
  });

  test('cannot enable LPIs without an ITS', () => {
    const machine = new ItsMachine();
    const vm = new TestVm(machine.process);
    const { process } = machine;
    process.ioctl(vm.fd, KVM_CREATE_VCPU, 0);
    process.call(vm.fd, KVM_CREATE_DEVICE, kvmCreateDevice, { type: 7, flags: 0 });
    const { fd } = kvmCreateDevice.read(process.memory, process.arg);
    machine.set(fd, KVM_DEV_ARM_VGIC_GRP_ADDR, 2, BigInt(GICD));
    machine.set(fd, KVM_DEV_ARM_VGIC_GRP_ADDR, 3, BigInt(GICR));
    machine.set(fd, KVM_DEV_ARM_VGIC_GRP_CTRL, 0);
    machine.set(fd, 5, 0, 1n);
    expect(machine.get(fd, 5, 0)).toBe(6n);
  });
});

describe('saved tables', () => {
  test('have the entries of revision 0', () => {
    const machine = mapped();
    machine.send(MAPC(9, 0), MAPD(7, ITT_ADDRESS + 256, 3), MAPTI(5, 10, 8195, 9));
    expect(machine.control(KVM_DEV_ARM_ITS_SAVE_TABLES)).toBe(0);
    const dte = (next: bigint, itt: number, bits: bigint) =>
      VALID | (next << 49n) | (BigInt(itt >>> 8) << 5n) | (bits - 1n);
    expect(machine.peek(DEVICE_TABLE + 5 * 8)).toBe(dte(2n, ITT_ADDRESS, 5n));
    expect(machine.peek(DEVICE_TABLE + 7 * 8)).toBe(dte(0n, ITT_ADDRESS + 256, 3n));
    expect(machine.peek(ITT + 3 * 8)).toBe((7n << 48n) | (8192n << 16n) | 1n);
    expect(machine.peek(ITT + 10 * 8)).toBe((8195n << 16n) | 9n);
    expect([0, 8, 16].map((at) => machine.peek(COLLECTION_TABLE + at))).toEqual([VALID | 1n, VALID | 9n, 0n]);
  });

  test('are dirty pages, in read-only memory they are refused', () => {
    const machine = mapped();
    const { process, vm } = machine;
    const size = 0x20_0000;
    vm.setMemory(0, RAM, size, vm.ram, KVM_MEM_LOG_DIRTY_PAGES);
    machine.control(KVM_DEV_ARM_ITS_SAVE_TABLES);
    const bitmap = process.mapMemory(0x1000);
    process.call(vm.fd, KVM_GET_DIRTY_LOG, kvmDirtyLog, { slot: 0, dirty_bitmap: bitmap });
    const pages = new Uint8Array(process.memory.buffer, bitmap, 64);
    const dirty = Array.from({ length: 512 }, (_, n) => n).filter(
      (n) => ((pages[n >>> 3]! >>> (n & 7)) & 1) !== 0,
    );
    expect(dirty).toEqual([DEVICE_TABLE, COLLECTION_TABLE, ITT].map((at) => at >>> 12));
    vm.setMemory(0, RAM, 0, vm.ram);
    vm.setMemory(0, RAM, size, vm.ram, KVM_MEM_READONLY);
    expect(machine.control(KVM_DEV_ARM_ITS_SAVE_TABLES)).toBe('EFAULT');
    vm.setMemory(0, RAM, 0, vm.ram);
    expect(machine.control(KVM_DEV_ARM_ITS_SAVE_TABLES)).toBe('EINVAL');
  });

  test('are refused where they say what cannot be, and nothing is mapped then', () => {
    const restore = (spoil: (machine: ItsMachine) => void) => {
      const machine = mapped();
      machine.control(KVM_DEV_ARM_ITS_SAVE_TABLES);
      machine.control(KVM_DEV_ARM_ITS_CTRL_RESET);
      machine.enable();
      spoil(machine);
      const result = machine.control(KVM_DEV_ARM_ITS_RESTORE_TABLES);
      return [result, machine.signal(5, 3)];
    };
    const ite = ITT + 3 * 8;
    expect(restore(() => undefined)).toEqual([0, 1]);
    expect(restore((machine) => machine.poke(ite, (100n << 16n) | 1n))).toEqual(['EINVAL', 0]); // no LPI
    expect(restore((machine) => machine.poke(ite, (8192n << 16n) | 2n))).toEqual(['EINVAL', 0]); // no such collection
    expect(restore((machine) => machine.poke(ite, (99n << 48n) | (8192n << 16n) | 1n))).toEqual([
      'EINVAL',
      0,
    ]);
    expect(restore((machine) => machine.poke(COLLECTION_TABLE, VALID | (9n << 16n) | 1n))).toEqual([
      'EINVAL',
      0,
    ]);
    expect(restore((machine) => machine.poke(COLLECTION_TABLE + 8, VALID | 1n))).toEqual(['EEXIST', 0]);
    const everyEvent = VALID | (BigInt(ITT_ADDRESS >>> 8) << 5n) | 31n;
    expect(restore((machine) => machine.poke(DEVICE_TABLE + 5 * 8, everyEvent))).toEqual(['EINVAL', 0]);
  });

  test('of a guest that fills its table with devices of many events are looked at only so far', () => {
    const machine = new ItsMachine().enable();
    for (let id = 0; id < 8192; id++) {
      machine.poke(DEVICE_TABLE + id * 8, VALID | (1n << 49n) | (BigInt((RAM + LEVEL_2) >>> 8) << 5n) | 15n);
    }
    expect(machine.control(KVM_DEV_ARM_ITS_RESTORE_TABLES)).toBe('EINVAL');
  });
});

describe('a guest', () => {
  const guest = readGuest('its');
  const GSI = 40;

  /** Runs until it has nothing to do. @returns the INTIDs that it took */
  const taken = (machine: ItsMachine): number[] => {
    const [vcpu] = machine.vcpus;
    const intids: number[] = [];
    for (;;) {
      expect(vcpu!.run()).toBe(0);
      if (vcpu!.exitReason !== KVM_EXIT_MMIO) break;
      const { phys_addr, data } = vcpu!.exit(kvmRunMmio);
      expect(phys_addr).toBe(DEVICE);
      intids.push(new DataView(data.buffer, data.byteOffset).getUint32(0, true));
    }
    expect(vcpu!.exitReason).toBe(VKVM_EXIT_IDLE);
    return intids;
  };

  /** @param from - label of the guest's program */
  const start = (machine: ItsMachine, from: string): void => {
    const irq = guest.at('irq');
    machine.vm.load(guest.words.slice(0, irq / 4));
    machine.vm.load(guest.words.slice(irq / 4), 0x1280);
    machine.vm.slice(1_000_000);
    const vcpu = machine.vcpus[0]!;
    vcpu.set(KVM_REG_PC, BigInt(RAM + guest.at(from)));
    vcpu.set(sysregId(SYSREGS.VBAR_EL1), BigInt(RAM + 0x1000));
    [GICD, GICR, GITS, RAM + DEVICE_TABLE, DEVICE].forEach((value, n) =>
      vcpu.set(xRegId(20 + n), BigInt(value)),
    );
  };

  const route = (machine: ItsMachine): number | string => {
    const { process, vm } = machine;
    const at = process.arg + 0x1000;
    kvmIrqRouting.write(process.memory, at, { nr: 1, flags: 0 });
    const entry = { gsi: GSI, type: KVM_IRQ_ROUTING_MSI, flags: KVM_MSI_VALID_DEVID };
    kvmIrqRoutingEntry.write(process.memory, at + kvmIrqRouting.size, entry);
    const message = { address_lo: TRANSLATER, address_hi: 0, data: 3, devid: 5 };
    kvmIrqRoutingMsi.write(process.memory, at + kvmIrqRouting.size, message);
    return named(process.syscalls.ioctl(vm.fd, KVM_SET_GSI_ROUTING, at));
  };

  test('maps an LPI and takes it: by INT, by KVM_SIGNAL_MSI, by an irqfd', () => {
    const machine = new ItsMachine();
    start(machine, '_start');
    expect(taken(machine)).toEqual([FIRST_LPI]);
    expect(machine.signal(5, 3)).toBe(1);
    expect(machine.signal(5, 3)).toBe(1);
    expect(taken(machine)).toEqual([FIRST_LPI]);
    expect(taken(machine)).toEqual([]);

    expect(route(machine)).toBe(0);
    const { process, vm } = machine;
    const fd = process.syscalls.eventfd(0, 0);
    expect(process.call(vm.fd, KVM_IRQFD, kvmIrqfd, { fd, gsi: GSI, flags: 0 })).toBe(0);
    process.data.setBigUint64(process.arg, 1n, true);
    expect(process.syscalls.write(fd, process.arg, 8)).toBe(8);
    expect(taken(machine)).toEqual([FIRST_LPI]);
  });

  test('goes on in another VM, with what was mapped and what was pending', () => {
    const machine = new ItsMachine();
    start(machine, '_start');
    expect(taken(machine)).toEqual([FIRST_LPI]);
    expect(machine.signal(5, 3)).toBe(1);
    const saved = [CBASER, CREADR, CWRITER, BASER0, BASER1, CTLR].map(
      (at) => [at, machine.read(at)] as const,
    );
    expect(machine.control(KVM_DEV_ARM_ITS_SAVE_TABLES)).toBe(0);
    expect(machine.isPending(FIRST_LPI)).toBe(true);

    const next = new ItsMachine();
    const bytes = new Uint8Array(machine.process.memory.buffer, machine.vm.ram, 0x20_0000);
    new Uint8Array(next.process.memory.buffer).set(bytes, next.vm.ram);
    start(next, 'wait');
    next.set(next.gic, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, 0, 0x12n);
    for (const offset of [0x70, 0x78])
      next.writeRedistributor(0, offset, Number(machine.readRedistributor(0, offset)));
    next.writeRedistributor(0, 0, 1);
    for (const [at, value] of saved.slice(0, -1)) next.write(at, value as bigint);
    expect(next.control(KVM_DEV_ARM_ITS_RESTORE_TABLES)).toBe(0);
    expect(next.write(...(saved.at(-1) as [number, bigint]))).toBe(0);
    expect(taken(next)).toEqual([FIRST_LPI]);
    expect(next.signal(5, 3)).toBe(1);
    expect(taken(next)).toEqual([FIRST_LPI]);
  });

  test('reads the frames with all widths, and writes GITS_TRANSLATER for nothing', () => {
    const machine = mapped();
    // ldr w0, [x22, #8]; ldr w1, [x22, #12]; ldr x2, [x22, #8]; ldrb w3, [x22, #8]; str w0, [x23]; ldr w4, [x23]; wfi
    machine.vm.load([
      0xb940_0ac0, 0xb940_0ec1, 0xf940_06c2, 0x3940_22c3, 0xb900_02e0, 0xb940_02e4, 0xd503_207f,
    ]);
    machine.vm.slice(10_000);
    const vcpu = machine.vcpus[0]!;
    vcpu.set(xRegId(22), BigInt(GITS));
    vcpu.set(xRegId(23), BigInt(TRANSLATER));
    vcpu.run();
    expect([0, 1, 2, 3, 4].map((n) => vcpu.get(xRegId(n)))).toEqual([0x1_ef71n, 0n, 0x1_ef71n, 0n, 0n]);
    expect(vcpu.exitReason).toBe(VKVM_EXIT_IDLE);
  });
});
