import { describe, expect, test } from 'vitest';

import { GICD, GICR, enableAll, guestGic, sgiFrame } from '../../test/guest-gic.ts';
import type { GuestGic } from '../../test/guest-gic.ts';
import type { Block } from '../state/block.ts';
import { REQUEST_LOOK } from '../state/requests.ts';
import { SYSREG_DONE, SYSREG_LEAVE } from '../sysreg/row.ts';
import { setPpi, setSpi } from './vgic.ts';

const IRQ = 1;
const FIQ = 2;
const NONE = 1023;
const VIRTUAL_TIMER = 27;
const SPI = 40;

function running(ids: readonly number[] = [0]): GuestGic & { readonly vcpu: Block } {
  const gic = guestGic(ids);
  enableAll(gic);
  return Object.assign(gic, { vcpu: gic.vcpus[0]! });
}

const priority = (gic: GuestGic, intid: number, value: number): void =>
  gic.store(gic.vcpus[0]!, (intid < 32 ? sgiFrame(0) : GICD) + 0x400 + intid, value, 1);
const level = (gic: GuestGic, intid: number): void =>
  gic.store(gic.vcpus[0]!, GICD + 0xc00 + (intid >> 4) * 4, 0);

describe('an edge-triggered SPI', () => {
  test('is taken once for each rise, however long the line stays high', () => {
    const gic = running();
    const { vcpu, vm, host } = gic;
    setSpi(vm, SPI, true, host);
    expect(gic.lines(vcpu)).toBe(IRQ);
    expect(gic.mrs(vcpu, 'ICC_IAR1_EL1')).toBe(SPI);
    expect(gic.lines(vcpu)).toBe(0);
    gic.msr(vcpu, 'ICC_EOIR1_EL1', SPI);
    expect(gic.lines(vcpu)).toBe(0);
    setSpi(vm, SPI, false, host);
    expect(gic.lines(vcpu)).toBe(0);
    setSpi(vm, SPI, true, host);
    expect(gic.mrs(vcpu, 'ICC_IAR1_EL1')).toBe(SPI);
  });

  test('that rises again while it is active comes again after its end', () => {
    const gic = running();
    const { vcpu, vm, host } = gic;
    setSpi(vm, SPI, true, host);
    gic.mrs(vcpu, 'ICC_IAR1_EL1');
    setSpi(vm, SPI, true, host);
    expect(gic.lines(vcpu)).toBe(0);
    expect(gic.msr(vcpu, 'ICC_EOIR1_EL1', SPI)).toBe(SYSREG_LEAVE);
    expect(gic.mrs(vcpu, 'ICC_IAR1_EL1')).toBe(SPI);
  });
});

describe('a level-sensitive interrupt', () => {
  test('comes again after its end as long as the line is high', () => {
    const gic = running();
    const { vcpu, host } = gic;
    setPpi(vcpu, VIRTUAL_TIMER, true, host);
    expect(gic.mrs(vcpu, 'ICC_IAR1_EL1')).toBe(VIRTUAL_TIMER);
    gic.msr(vcpu, 'ICC_EOIR1_EL1', VIRTUAL_TIMER);
    expect(gic.lines(vcpu)).toBe(IRQ);
    setPpi(vcpu, VIRTUAL_TIMER, false, host);
    expect(gic.lines(vcpu)).toBe(0);
    expect(gic.mrs(vcpu, 'ICC_IAR1_EL1')).toBe(NONE);
  });

  test('that was made pending by a write is taken once, with the line low', () => {
    const gic = running();
    const { vcpu } = gic;
    level(gic, SPI);
    gic.store(vcpu, GICD + 0x204, 1 << (SPI - 32));
    expect(gic.mrs(vcpu, 'ICC_IAR1_EL1')).toBe(SPI);
    gic.msr(vcpu, 'ICC_EOIR1_EL1', SPI);
    expect(gic.lines(vcpu)).toBe(0);
  });

  test('stays pending through a write to ICPENDR while its line is high', () => {
    const gic = running();
    const { vcpu, host } = gic;
    setPpi(vcpu, VIRTUAL_TIMER, true, host);
    gic.store(vcpu, sgiFrame(0) + 0x280, 0xffff_ffff);
    expect(gic.load(vcpu, sgiFrame(0) + 0x200)).toBe(1n << 27n);
    expect(gic.lines(vcpu)).toBe(IRQ);
  });
});

describe('priorities', () => {
  test('the lower value comes first, then the lower INTID', () => {
    const gic = running();
    const { vcpu, vm, host } = gic;
    priority(gic, 41, 0x40);
    priority(gic, 42, 0x40);
    priority(gic, SPI, 0x80);
    for (const intid of [SPI, 42, 41]) setSpi(vm, intid, true, host);
    expect(gic.mrs(vcpu, 'ICC_HPPIR1_EL1')).toBe(41);
    const taken = [41, 42, SPI].map(() => {
      const intid = gic.mrs(vcpu, 'ICC_IAR1_EL1');
      gic.msr(vcpu, 'ICC_EOIR1_EL1', intid);
      return intid;
    });
    expect(taken).toEqual([41, 42, SPI]);
  });

  test('keep five bits', () => {
    const gic = running();
    gic.store(gic.vcpu, GICD + 0x420, 0xffff_ffff);
    expect(gic.load(gic.vcpu, GICD + 0x420)).toBe(0xf8f8_f8f8n);
    gic.msr(gic.vcpu, 'ICC_PMR_EL1', 0xff);
    expect(gic.mrs(gic.vcpu, 'ICC_PMR_EL1')).toBe(0xf8);
  });

  test('an interrupt at the mask is held back, and lowering the mask lets it through at once', () => {
    const gic = running();
    const { vcpu, vm, host } = gic;
    priority(gic, SPI, 0xa0);
    gic.msr(vcpu, 'ICC_PMR_EL1', 0xa0);
    setSpi(vm, SPI, true, host);
    expect(gic.lines(vcpu)).toBe(0);
    expect(gic.mrs(vcpu, 'ICC_IAR1_EL1')).toBe(NONE);
    expect(gic.mrs(vcpu, 'ICC_HPPIR1_EL1')).toBe(SPI);
    expect(gic.msr(vcpu, 'ICC_PMR_EL1', 0xa8)).toBe(SYSREG_LEAVE);
    expect(gic.mrs(vcpu, 'ICC_IAR1_EL1')).toBe(SPI);
  });

  test('a higher priority preempts, an equal one waits for the priority drop', () => {
    const gic = running();
    const { vcpu, vm, host } = gic;
    priority(gic, SPI, 0x80);
    priority(gic, 41, 0x80);
    priority(gic, 42, 0x40);
    setSpi(vm, SPI, true, host);
    gic.mrs(vcpu, 'ICC_IAR1_EL1');
    expect(gic.mrs(vcpu, 'ICC_RPR_EL1')).toBe(0x80);
    setSpi(vm, 41, true, host);
    expect(gic.lines(vcpu)).toBe(0);
    setSpi(vm, 42, true, host);
    expect(gic.mrs(vcpu, 'ICC_IAR1_EL1')).toBe(42);
    expect(gic.mrs(vcpu, 'ICC_RPR_EL1')).toBe(0x40);
    expect(gic.mrs(vcpu, 'ICC_AP1R0_EL1')).toBe((1 << 16) | (1 << 8));
    gic.msr(vcpu, 'ICC_EOIR1_EL1', 42);
    expect(gic.lines(vcpu)).toBe(0);
    gic.msr(vcpu, 'ICC_EOIR1_EL1', SPI);
    expect(gic.mrs(vcpu, 'ICC_RPR_EL1')).toBe(0xff);
    expect(gic.mrs(vcpu, 'ICC_IAR1_EL1')).toBe(41);
  });

  test('the binary point takes priorities of one group together', () => {
    const gic = running();
    const { vcpu, vm, host } = gic;
    gic.msr(vcpu, 'ICC_BPR1_EL1', 5);
    priority(gic, SPI, 0x98);
    priority(gic, 41, 0x80);
    setSpi(vm, SPI, true, host);
    gic.mrs(vcpu, 'ICC_IAR1_EL1');
    expect(gic.mrs(vcpu, 'ICC_RPR_EL1')).toBe(0x80);
    setSpi(vm, 41, true, host);
    expect(gic.lines(vcpu)).toBe(0);
    gic.msr(vcpu, 'ICC_BPR1_EL1', 0);
    expect(gic.mrs(vcpu, 'ICC_BPR1_EL1')).toBe(3);
  });
});

describe('EOImode 1', () => {
  test('EOIR drops the priority, DIR ends the interrupt', () => {
    const gic = running();
    const { vcpu, vm, host } = gic;
    gic.msr(vcpu, 'ICC_CTLR_EL1', 2);
    expect(gic.mrs(vcpu, 'ICC_CTLR_EL1')).toBe(0x8c02);
    setSpi(vm, SPI, true, host);
    gic.mrs(vcpu, 'ICC_IAR1_EL1');
    setSpi(vm, SPI, true, host);
    gic.msr(vcpu, 'ICC_EOIR1_EL1', SPI);
    expect(gic.mrs(vcpu, 'ICC_RPR_EL1')).toBe(0xff);
    expect(gic.load(vcpu, GICD + 0x304)).toBe(1n << 8n);
    expect(gic.lines(vcpu)).toBe(0);
    expect(gic.msr(vcpu, 'ICC_DIR_EL1', SPI)).toBe(SYSREG_LEAVE);
    expect(gic.mrs(vcpu, 'ICC_IAR1_EL1')).toBe(SPI);
  });

  test('DIR does nothing while EOIR deactivates', () => {
    const gic = running();
    const { vcpu, vm, host } = gic;
    setSpi(vm, SPI, true, host);
    gic.mrs(vcpu, 'ICC_IAR1_EL1');
    gic.msr(vcpu, 'ICC_DIR_EL1', SPI);
    expect(gic.load(vcpu, GICD + 0x304)).toBe(1n << 8n);
  });
});

describe('groups', () => {
  test('Group 0 drives FIQ and is acknowledged by IAR0', () => {
    const gic = running();
    const { vcpu, vm, host } = gic;
    gic.store(vcpu, GICD + 0x084, 0xffff_ffff & ~(1 << 8));
    setSpi(vm, SPI, true, host);
    expect(gic.lines(vcpu)).toBe(0);
    gic.msr(vcpu, 'ICC_IGRPEN0_EL1', 1);
    expect(gic.lines(vcpu)).toBe(FIQ);
    expect(gic.mrs(vcpu, 'ICC_IAR1_EL1')).toBe(NONE);
    expect(gic.mrs(vcpu, 'ICC_IAR0_EL1')).toBe(SPI);
    gic.msr(vcpu, 'ICC_EOIR0_EL1', SPI);
    expect(gic.mrs(vcpu, 'ICC_RPR_EL1')).toBe(0xff);
  });

  test('nothing is signalled while the distributor or the group is off', () => {
    const gic = running();
    const { vcpu, vm, host } = gic;
    setSpi(vm, SPI, true, host);
    gic.store(vcpu, GICD, 0);
    expect(gic.lines(vcpu)).toBe(0);
    gic.store(vcpu, GICD, 2);
    expect(gic.lines(vcpu)).toBe(IRQ);
    gic.msr(vcpu, 'ICC_IGRPEN1_EL1', 0);
    expect(gic.lines(vcpu)).toBe(0);
  });
});

test('an SPI that is disabled keeps its latch', () => {
  const gic = running();
  const { vcpu, vm, host } = gic;
  gic.store(vcpu, GICD + 0x184, 0xffff_ffff);
  setSpi(vm, SPI, true, host);
  expect(gic.lines(vcpu)).toBe(0);
  gic.store(vcpu, GICD + 0x104, 1 << 8);
  expect(gic.mrs(vcpu, 'ICC_IAR1_EL1')).toBe(SPI);
});

describe('several vCPUs', () => {
  test('an SPI goes where IROUTER says, and moves with it', () => {
    const gic = running([0, 1, 16]);
    const [first, second, other] = gic.vcpus as [Block, Block, Block];
    const { vm, host } = gic;
    gic.store(first, GICD + 0x6000 + SPI * 8, 0x100, 8);
    for (const vcpu of gic.vcpus) gic.takeRequests(vcpu);
    setSpi(vm, SPI, true, host);
    expect(gic.vcpus.map(gic.lines)).toEqual([0, 0, IRQ]);
    expect(gic.takeRequests(other)).toBe(REQUEST_LOOK);
    expect(gic.takeRequests(first)).toBe(0);
    gic.store(first, GICD + 0x6000 + SPI * 8, 1, 8);
    expect(gic.vcpus.map(gic.lines)).toEqual([0, IRQ, 0]);
    gic.store(first, GICD + 0x6000 + SPI * 8, 7, 8);
    expect(gic.vcpus.map(gic.lines)).toEqual([0, 0, 0]);
    expect(gic.mrs(second, 'ICC_IAR1_EL1')).toBe(NONE);
  });

  test('an SGI reaches the listed vCPUs of one cluster', () => {
    const gic = running([0, 1, 2, 16, 17]);
    const [sender] = gic.vcpus as [Block];
    gic.msr(sender, 'ICC_SGI1R_EL1', (3 << 24) | 0b110);
    expect(gic.vcpus.map(gic.lines)).toEqual([0, IRQ, IRQ, 0, 0]);
    gic.msr(sender, 'ICC_SGI1R_EL1', (4 << 24) | (1 << 16) | 0b10);
    expect(gic.vcpus.map(gic.lines)).toEqual([0, IRQ, IRQ, 0, IRQ]);
    expect(gic.mrs(gic.vcpus[1]!, 'ICC_IAR1_EL1')).toBe(3);
    expect(gic.mrs(gic.vcpus[4]!, 'ICC_IAR1_EL1')).toBe(4);
  });

  test('an SGI to all others leaves out the sender', () => {
    const gic = running([0, 1, 2]);
    const sender = gic.vcpus[1]!;
    expect(gic.msr(sender, 'ICC_SGI1R_EL1', 5 << 24, 0x100)).toBe(SYSREG_DONE);
    expect(gic.vcpus.map(gic.lines)).toEqual([IRQ, 0, IRQ]);
  });

  test('an SGI to oneself is taken before the next instruction', () => {
    const gic = running();
    expect(gic.msr(gic.vcpu, 'ICC_SGI1R_EL1', (1 << 24) | 1)).toBe(SYSREG_LEAVE);
    expect(gic.mrs(gic.vcpu, 'ICC_IAR1_EL1')).toBe(1);
  });

  test('the registers for Group 0 SGIs do not raise Group 1', () => {
    const gic = running();
    gic.msr(gic.vcpu, 'ICC_SGI0R_EL1', (1 << 24) | 1);
    gic.msr(gic.vcpu, 'ICC_ASGI1R_EL1', (1 << 24) | 1);
    expect(gic.load(gic.vcpu, sgiFrame(0) + 0x200)).toBe(0n);
  });

  test('one vCPU reads and enables the private interrupts of another', () => {
    const gic = running([0, 1]);
    const [first, second] = gic.vcpus as [Block, Block];
    gic.store(first, sgiFrame(1) + 0x180, 1 << VIRTUAL_TIMER);
    setPpi(second, VIRTUAL_TIMER, true, gic.host);
    expect(gic.lines(second)).toBe(0);
    gic.takeRequests(second);
    gic.store(first, sgiFrame(1) + 0x100, 1 << VIRTUAL_TIMER);
    expect(gic.lines(second)).toBe(IRQ);
    expect(gic.takeRequests(second)).toBe(REQUEST_LOOK);
    expect(gic.load(first, GICR + 0x2_0008, 8)).toBe((1n << 32n) | 0x110n);
  });
});

test('an SPI of the last bank is found', () => {
  const gic = guestGic([0], 992);
  enableAll(gic);
  const vcpu = gic.vcpus[0]!;
  gic.store(vcpu, GICD + 0x100 + 30 * 4, 0xffff_ffff);
  setSpi(gic.vm, 991, true, gic.host);
  expect(gic.mrs(vcpu, 'ICC_IAR1_EL1')).toBe(991);
  gic.msr(vcpu, 'ICC_EOIR1_EL1', 991);
  expect(gic.lines(vcpu)).toBe(0);
});
