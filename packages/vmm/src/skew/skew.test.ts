import {
  KVM_CAP_SYSTEM_EVENT_DATA,
  KVM_CREATE_DEVICE,
  KVM_REG_ARM_PTIMER_CTL,
  KVM_REG_ARM_VENDOR_HYP_BMAP,
  ENODEV,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { FakeKernel } from '../../test/fake-kernel.ts';
import type { FreshKernel } from './kernel.ts';
import { describeSkew, skewJson } from './report.ts';
import { compareKernels } from './skew.ts';

const NAMES = { a: 'old', b: 'new' };

/** A kernel whose vCPUs have two registers more. */
const kernel =
  (prepare: (fake: FakeKernel) => void = () => {}): FreshKernel =>
  async () => {
    const syscalls = new FakeKernel();
    syscalls.newVcpu = ({ regs }) =>
      regs.set(KVM_REG_ARM_PTIMER_CTL, 0n).set(KVM_REG_ARM_VENDOR_HYP_BMAP, 3n);
    prepare(syscalls);
    return { syscalls, process: syscalls.process };
  };

describe('compareKernels', () => {
  test('finds no difference between a kernel and itself, and a guest moves', async () => {
    const skew = await compareKernels(kernel(), kernel());
    expect(skew).toMatchObject({ capabilities: [], onlyA: [], onlyB: [], behaviours: [] });
    expect(skew.verdict).toEqual({ loads: 'yes', changes: [], obstacles: [] });
    expect(describeSkew(skew, NAMES)).toContain('A guest saved on old loads on new: yes\n');
  });

  test('tells what a guest can do without', async () => {
    const skew = await compareKernels(
      kernel(),
      kernel((fake) => fake.missingRegs.add(KVM_REG_ARM_PTIMER_CTL)),
    );
    expect(skew.onlyA).toEqual([KVM_REG_ARM_PTIMER_CTL]);
    expect(skew.verdict.loads).toBe('with changes');
    expect(describeSkew(skew, NAMES)).toContain(
      'with changes; vkvm restore --drop-safe leaves out\n' +
        '  CNTP_CTL_EL0 = 0x0 (there is no such register): the physical timer is off\n',
    );
  });

  test('tells what a guest needs', async () => {
    const skew = await compareKernels(
      kernel(),
      kernel((fake) => fake.missingRegs.add(KVM_REG_ARM_VENDOR_HYP_BMAP)),
    );
    expect(skew.verdict).toMatchObject({
      loads: 'no',
      changes: [],
      obstacles: [{ name: 'VENDOR_HYP_BMAP', value: 3n }],
    });
    expect(describeSkew(skew, NAMES)).toContain(
      'no, because new does not take\n  VENDOR_HYP_BMAP = 0x3 (there is no such register)\n',
    );
    expect(skew.pinned).toMatchObject({ services: 'none', verdict: { loads: 'with changes' } });
    expect(describeSkew(skew, NAMES)).toContain('--services none, loads on new: with changes');
  });

  test('tells which of the two cannot make a machine', async () => {
    const broken = kernel((fake) => fake.results.set(KVM_CREATE_DEVICE, -ENODEV));
    const target = await compareKernels(kernel(), broken);
    expect(target.verdict.impossible).toEqual({
      where: 'target',
      message:
        'vkvm ABI revision 1 as Linux 0.1 has no GICv2, which this VMM needs to give the guest interrupts; use another kernel',
    });
    expect(describeSkew(target, NAMES)).toContain('no, because of new\n');
    const source = await compareKernels(broken, kernel());
    expect(describeSkew(source, NAMES)).toContain('no, because of old\n');
  });

  test('compares capabilities, and what a system event looks like', async () => {
    const skew = await compareKernels(
      kernel((fake) => fake.caps.set(KVM_CAP_SYSTEM_EVENT_DATA, 0)),
      kernel(),
    );
    expect(skew.capabilities).toEqual([{ name: 'KVM_CAP_SYSTEM_EVENT_DATA', a: '0', b: '1' }]);
    expect([skew.a.systemEvent, skew.b.systemEvent]).toEqual(['flags', 'ndata and data']);
  });

  test('leaves nothing open', async () => {
    const made: FakeKernel[] = [];
    const watched = kernel((fake) => made.push(fake));
    await compareKernels(watched, watched);
    expect(made.map(({ openFiles }) => openFiles)).toEqual(made.map(() => 0));
  });

  test('prints JSON that survives JSON', async () => {
    const lacking = kernel((fake) => fake.missingRegs.add(KVM_REG_ARM_PTIMER_CTL));
    const json = skewJson(await compareKernels(kernel(), lacking), NAMES);
    expect(JSON.parse(JSON.stringify(json))).toMatchObject({
      a: { profile: 'old', psci: { default: '1.3' } },
      registers: { onlyA: [{ name: 'CNTP_CTL_EL0', id: '0x603000000013df11' }], onlyB: [] },
      verdict: { loads: 'with changes', changes: [{ name: 'CNTP_CTL_EL0', value: '0x0', how: 'ENOENT' }] },
    });
  });
});
