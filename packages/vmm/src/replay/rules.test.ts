import { KVM_CAP_ARM_SVE, KVM_DEV_TYPE_ARM_VGIC_V2, SYSREGS, sysregId } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { compare } from './compare.ts';
import type { Doubt, Excuse } from './doubt.ts';
import type { JsonObject } from './json.ts';
import { RULES } from './rules.ts';
import { parseScenario } from './scenario.ts';
import type { Session } from './session.ts';

/** What else there is to see of the kernel. */
interface Seen {
  /** What the registers of the vCPU read as, by id; default: there is no vCPU. */
  readonly registers?: (id: bigint) => bigint;
  /** Every word of the guest's code. */
  readonly word?: number;
  readonly host?: 'gicv2' | 'gicv3';
}

/** What is made of a step that a kernel without SVE answers otherwise. */
function excuse(
  step: JsonObject,
  expected: JsonObject,
  got: JsonObject,
  { registers, word, host = 'gicv3' }: Seen = {},
): Excuse | undefined {
  const scenario = parseScenario(JSON.stringify({ name: 'a', host, steps: [step] }), 'a');
  const [difference] = compare(expected, got);
  const value = new DataView(new ArrayBuffer(8));
  const doubt: Doubt = {
    session: {
      value: () => 0,
      call(_role: string, _request: number, argument: Uint8Array) {
        if (!registers) return -9;
        const id = new DataView(argument.buffer).getBigUint64(0, true);
        value.setBigUint64(0, registers(id), true);
        return 0;
      },
      guestWord: () => word,
      read: () => new Uint8Array(value.buffer),
    } as unknown as Session,
    scenario,
    step: scenario.steps[0]!,
    expected,
    got,
    difference: difference!,
    capability: (number) => (number === KVM_CAP_ARM_SVE ? 0 : 1),
  };
  for (const rule of RULES) {
    const found = rule(doubt);
    if (found) return found;
  }
  return undefined;
}

const register = (name: keyof typeof SYSREGS): string => `0x${sysregId(SYSREGS[name]).toString(16)}`;

describe('a difference is the machine’s', () => {
  test('where a feature is asked for that the CPU does not have, and what follows is', () => {
    const step = { op: 'VCPU_INIT', fd: 'vcpu0', target: 'preferred', features: ['0x14'] };
    expect(excuse(step, { ret: 0 }, { ret: -1, errno: 'EINVAL' })).toEqual({
      reason: 'no SVE (capability 170)',
      onward: true,
    });
  });

  test('in the value of an ID register', () => {
    const step = { op: 'GET_ONE_REG', fd: 'vcpu0', reg: register('ID_AA64ISAR0_EL1') };
    expect(excuse(step, { ret: 0, val: '0x1' }, { ret: 0, val: '0x2' })?.reason).toBe('ID_AA64ISAR0_EL1');
  });

  test('in a count of something the machine has', () => {
    const step = { op: 'CHECK_EXTENSION', fd: 'sys', cap: 9 };
    expect(excuse(step, { ret: 2 }, { ret: 16 })?.reason).toBe('CPUs online (capability 9)');
  });

  test('where a host with one kind of GIC was recorded', () => {
    const step = { op: 'CREATE_DEVICE', fd: 'vm', type: KVM_DEV_TYPE_ARM_VGIC_V2 };
    expect(excuse(step, { ret: -1, errno: 'ENODEV' }, { ret: 0 })?.onward).toBe(true);
    expect(excuse({ ...step, flags: 1 }, { ret: -1, errno: 'ENODEV' }, { ret: 0 })?.onward).toBe(false);
  });

  test('where EL0 cannot be told to run AArch32, and what follows is', () => {
    const step = { op: 'SET_ONE_REG', fd: 'vcpu0', reg: 'pstate', val: '0x800001d0' };
    const refused = { ret: -1, errno: 'EINVAL' };
    expect(excuse(step, { ret: 0 }, refused, { registers: () => 0x11n })).toEqual({
      reason: 'no AArch32 at EL0 (ID_AA64PFR0_EL1)',
      onward: true,
    });
    expect(
      excuse({ op: 'SET_REGS', fd: 'vcpu0', set: { x0: 1, pstate: '0x10' } }, { ret: 0 }, refused, {
        registers: () => 0x11n,
      }),
    ).toBeDefined();
    expect(excuse(step, { ret: 0 }, refused, { registers: () => 0x12n })).toBeUndefined();
    expect(
      excuse({ ...step, val: '0x3d3' }, { ret: 0 }, refused, { registers: () => 0x11n }),
    ).toBeUndefined();
  });

  test('where the guest reaches a CPU interface that hosts of a GICv2 do not have', () => {
    const step = { op: 'GUEST_CALL', fd: 'vcpu0', code: '0x40000000' };
    const answers = [
      { ret: 0, pc: '0x40001210' },
      { ret: 0, pc: '0x40000008' },
    ] as const;
    for (const word of [0xd538_cca0, 0xd518_4600, 0xd518_cba0]) {
      expect(excuse(step, ...answers, { word, host: 'gicv2' })?.reason).toBe('a gicv2 host');
      expect(excuse(step, ...answers, { word })).toBeUndefined();
    }
    expect(excuse(step, ...answers, { word: 0xd538_c100, host: 'gicv2' })).toBeUndefined(); // ISR_EL1
  });

  test('where Device memory is not accessed as it must be, which the recorded CPU does not mind', () => {
    const registers =
      (syndrome: bigint, control: bigint) =>
      (id: bigint): bigint =>
        id === sysregId(SYSREGS.ESR_EL1) ? syndrome : id === sysregId(SYSREGS.SCTLR_EL1) ? control : 0n;
    const reason = (syndrome: bigint, control = 0n): string | undefined =>
      excuse(
        { op: 'RUN', fd: 'vcpu0' },
        { ret: -1, errno: 'ENOSYS' },
        { ret: 0, exit: 'MMIO' },
        { registers: registers(syndrome, control) },
      )?.reason;
    expect(reason(0x9600_0061n)).toBe('an alignment fault of Device memory');
    expect(reason(0x9600_0061n, 1n)).toBeUndefined(); // the MMU is on
    expect(reason(0x9600_0047n)).toBeUndefined(); // a translation fault
    expect(reason(0x8600_0021n)).toBeUndefined(); // of an instruction
  });

  test('in the level of a fault, and nothing else of its syndrome', () => {
    const step = { op: 'RUN', fd: 'vcpu0' };
    expect(excuse(step, { esr_iss: '0x46' }, { esr_iss: '0x45' })).toBeDefined();
    expect(excuse(step, { esr_iss: '0x46' }, { esr_iss: '0x06' })).toBeUndefined();
  });
});

describe('a difference is a failure', () => {
  test.each([
    ['an errno', { op: 'CLOSE', fd: 'vm' }, { ret: -1, errno: 'EBADF' }, { ret: -1, errno: 'EINVAL' }],
    [
      'a feature that the CPU has',
      { op: 'VCPU_INIT', fd: 'vcpu0', target: 5, features: ['0x4'] },
      { ret: 0 },
      { ret: -1, errno: 'EINVAL' },
    ],
    [
      'an ID register that is not there',
      { op: 'GET_ONE_REG', fd: 'vcpu0', reg: register('ID_AA64ISAR0_EL1') },
      { ret: 0, val: '0x1' },
      { ret: -1, errno: 'ENOENT' },
    ],
    [
      'another register',
      { op: 'GET_ONE_REG', fd: 'vcpu0', reg: 'vbar_el1' },
      { ret: 0, val: '0x1' },
      { ret: 0, val: '0x2' },
    ],
    ['a capability that is not there', { op: 'CHECK_EXTENSION', fd: 'sys', cap: 9 }, { ret: 2 }, { ret: 0 }],
  ])('%s', (_name, step, expected, got) => {
    expect(excuse(step as JsonObject, expected as JsonObject, got as JsonObject)).toBeUndefined();
  });
});
