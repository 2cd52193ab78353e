import { PSCI_0_1, PSCI_0_2, PSCI_1_1, PSCI_1_3 } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { checkOwnership, psciOwners, userRanges } from './ownership.ts';
import type { PsciOwner, PsciSetup } from './ownership.ts';

const setup = (changes: Partial<PsciSetup> = {}): PsciSetup => ({
  owner: 'kernel',
  routes: [],
  filters: [],
  kernel: PSCI_1_3,
  user: PSCI_1_3,
  mirrorsPower: true,
  ...changes,
});

/** Ids by who owns them. */
function owned(changes: Partial<PsciSetup>): Record<string, number> {
  const owners = [...psciOwners(setup(changes)).values()];
  return Object.fromEntries(
    ['kernel', 'user', 'nobody'].map((who) => [who, owners.filter((each) => each === who).length]),
  );
}

const refusal = (changes: Partial<PsciSetup>): string => {
  try {
    checkOwnership(setup(changes));
  } catch (error) {
    if (error instanceof Error && error.name === 'AbiMismatchError') return error.message;
    throw error;
  }
  return 'no refusal';
};

const VERSION = { base: 0x8400_0000, count: 1 };
const CPU_ON = { base: 0xc400_0003, count: 1 };
const SYSTEM_OFF = { base: 0x8400_0008, count: 1 };
const MEM_PROTECT = { base: 0x8400_0013, count: 1 };
const ALL = [
  { base: 0x8400_0000, count: 0x20 },
  { base: 0xc400_0000, count: 0x20 },
  { base: 0x95c1_ba5e, count: 4 },
];

describe('every function id has one owner', () => {
  test.each([
    ['kernel', { kernel: 41, user: 0, nobody: 0 }],
    ['exit', { kernel: 10, user: 31, nobody: 0 }],
    ['user', { kernel: 0, user: 41, nobody: 0 }],
  ] as const)('in the model %s', (owner, counts) => {
    expect(owned({ owner })).toEqual(counts);
    expect(checkOwnership(setup({ owner }))).toBe(PSCI_1_3);
  });

  test('by a route or the filter, if one speaks of it', () => {
    expect(owned({ owner: 'user', routes: [{ ...VERSION, to: 'kernel' }] })['kernel']).toBe(1);
    expect(owned({ filters: ALL.map((range) => ({ ...range, action: 'forward' })) })['kernel']).toBe(0);
  });

  test('also where filter and route say the same', () => {
    const both: Partial<PsciSetup> = {
      owner: 'exit',
      routes: [{ ...SYSTEM_OFF, to: 'user' }],
      filters: [{ ...SYSTEM_OFF, action: 'forward' }],
    };
    expect(refusal(both)).toBe('no refusal');
  });
});

describe('psci-owner: a machine is refused', () => {
  test('with two owners of a function', () => {
    const two: Partial<PsciSetup> = {
      owner: 'user',
      routes: [{ ...SYSTEM_OFF, to: 'kernel' }],
      filters: [{ ...SYSTEM_OFF, action: 'forward' }],
    };
    expect(refusal(two)).toBe(
      'PSCI SYSTEM_OFF (0x84000008) has two owners: the SMCCC filter forwards it to this VMM, and a route gives it to ' +
        'the kernel; leave one of the two away',
    );
    const routes = [
      { ...CPU_ON, to: 'kernel' },
      { base: 0xc400_0000, count: 8, to: 'user' },
    ] as const;
    expect(refusal({ owner: 'user', routes })).toMatch(/^PSCI CPU_ON \(0xc4000003\) has two owners: a route/);
  });

  test('with a function that nobody serves', () => {
    expect(refusal({ owner: 'user', user: undefined })).toMatch(/^PSCI_VERSION .* which serves no PSCI/);
    expect(refusal({ filters: [{ ...SYSTEM_OFF, action: 'deny' }] })).toBe(
      'PSCI SYSTEM_OFF (0x84000008) has no owner: the SMCCC filter denies it, yet PSCI 1.3 announces it; ' +
        'forward it to this VMM, or leave it to the kernel',
    );
  });

  test('unless nobody is told of the function', () => {
    expect(refusal({ filters: [{ ...MEM_PROTECT, action: 'deny' }] })).toBe('no refusal');
    expect(refusal({ kernel: PSCI_0_1, filters: [{ ...SYSTEM_OFF, action: 'deny' }] })).toBe('no refusal');
    expect(refusal({ filters: [{ base: 0x8400_0050, count: 4, action: 'deny' }] })).toBe('no refusal');
  });

  test('with owners of different versions', () => {
    expect(refusal({ owner: 'exit', kernel: PSCI_1_1 })).toBe(
      'the kernel answers PSCI CPU_SUSPEND (0x84000001) as version 1.1, this VMM PSCI_VERSION (0x84000000) as ' +
        'version 1.3; choose one version that both have, or one owner',
    );
  });

  test('unless one of them has nothing to say', () => {
    expect(checkOwnership(setup({ owner: 'user', kernel: PSCI_0_2 }))).toBe(PSCI_1_3);
    expect(checkOwnership(setup({ owner: 'kernel', user: PSCI_0_2 }))).toBe(PSCI_1_3);
    const routes = ALL.map((range) => ({ ...range, to: 'kernel' }) as const);
    expect(checkOwnership(setup({ owner: 'user', routes, kernel: PSCI_1_1 }))).toBe(PSCI_1_1);
  });

  test('with power functions of two owners that do not see each other’s power states', () => {
    const split: Partial<PsciSetup> = { owner: 'user', routes: [{ ...CPU_ON, to: 'kernel' }] };
    expect(refusal(split)).toBe('no refusal');
    expect(refusal({ ...split, mirrorsPower: false })).toBe(
      'the kernel owns PSCI CPU_ON (0xc4000003), this VMM PSCI CPU_SUSPEND (0x84000001), and this kernel has no ' +
        'KVM_CAP_MP_STATE by which either could see what power state the other gave a vCPU; give them one owner',
    );
    expect(refusal({ owner: 'exit', mirrorsPower: false })).toBe('no refusal');
  });

  test('with power functions that this VMM has no means to serve', () => {
    expect(refusal({ owner: 'user', mirrorsPower: false })).toBe(
      'this VMM owns PSCI CPU_SUSPEND (0x84000001) and turns vCPUs on and off by MP_STATE, but this kernel has no ' +
        'KVM_CAP_MP_STATE; let the kernel own what is about one CPU',
    );
  });
});

describe('the ranges that mainline’s filter has to forward', () => {
  const text = (owner: PsciOwner, routes: PsciSetup['routes'] = []): string[] =>
    userRanges({ owner, routes }).map(({ base, count }) => `${base.toString(16)}+${count}`);

  test('follow from the model', () => {
    expect(text('kernel')).toEqual([]);
    expect(text('user')).toEqual(['84000000+32', 'c4000000+32', '95c1ba5e+4']);
    expect(text('exit')).toEqual([
      '84000000+1',
      '84000005+27',
      'c4000000+1',
      'c4000002+1',
      'c4000005+27',
      '95c1ba61+1',
    ]);
  });

  test('leave out what is routed back', () => {
    expect(text('user', [{ base: 0x8400_0001, count: 3, to: 'kernel' }])).toEqual([
      '84000000+1',
      '84000004+28',
      'c4000000+32',
      '95c1ba5e+4',
    ]);
  });
});
