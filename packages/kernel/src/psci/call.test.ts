import {
  KVM_ARM_VCPU_PSCI_0_2,
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_STOPPED,
  KVM_MP_STATE_SUSPENDED,
  PSCI_0_1,
  PSCI_0_1_FUNCTIONS,
  PSCI_0_2,
  PSCI_1_0,
  PSCI_1_3,
  PSCI_FUNCTIONS,
  PSCI_VERSIONS,
  kvmRunSystemEvent,
} from '@vkvm/uapi';
import type { PsciFunctionRow } from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';

import { bareVm } from '../../test/bare-vm.ts';
import type { BareVm } from '../../test/bare-vm.ts';
import type { Block } from '../state/block.ts';
import {
  MP_STATE,
  RESET_BIG_ENDIAN,
  RESET_CONTEXT,
  RESET_PC,
  RESET_PENDING,
  WAITING,
} from '../state/control.ts';
import { REQUEST_LOOK } from '../state/requests.ts';
import { RUN_PAGE, SCTLR_EL1, X } from '../state/vcpu-state.ts';
import { FEATURES, SYSTEM_SUSPEND } from '../state/vm-control.ts';
import { psciCall } from './call.ts';
import { setPsciVersion } from './versions.ts';

const SENTINEL = 0x5a5a_0000_0000_0000n;
const CPU_ON = 0xc400_0003;
const AFFINITY_INFO = 0xc400_0004;
const FEATURES_CALL = 0x8400_000a;

/** A VM of a PSCI version, of which the first vCPU runs and the others are off. */
function machine(version: number = PSCI_1_3, ids: readonly number[] = [0, 1]): BareVm & { vcpu: Block } {
  const bare = bareVm(ids);
  bare.vm.set32(FEATURES, version === PSCI_0_1 ? 0 : 1 << KVM_ARM_VCPU_PSCI_0_2);
  const [vcpu, ...others] = bare.vcpus as [Block, ...Block[]];
  for (const other of others) other.set32(MP_STATE, KVM_MP_STATE_STOPPED);
  setPsciVersion(vcpu, BigInt(version));
  return Object.assign(bare, { vcpu });
}

/** Makes a call as the guest does. @returns x0 as a signed number, or the exit */
function call(
  { vcpu, host }: BareVm & { vcpu: Block },
  id: number,
  ...args: readonly bigint[]
): number | string {
  for (let n = 1; n <= 3; n++) vcpu.set64(X + 8 * n, args[n - 1] ?? SENTINEL + BigInt(n));
  vcpu.set64(X, BigInt(id));
  if (psciCall(vcpu, host) === 'resume') return Number(BigInt.asIntN(64, vcpu.get64(X)));
  const { type, ndata, data } = kvmRunSystemEvent.read(vcpu.words.memory, vcpu.get32(RUN_PAGE));
  return `event ${type}${ndata === 0 ? '' : ` flags ${data[0]}`}`;
}

const registers = (vcpu: Block): bigint[] => [0, 1, 2, 3].map((n) => vcpu.get64(X + 8 * n));

/** One cell of the matrix: what a call with zeros for arguments does. */
function cell(version: number, id: number, args: readonly bigint[]): string {
  const guest = machine(version);
  const result = call(guest, id, ...args);
  if (guest.vcpu.get32(WAITING) !== 0) return 'waits';
  if (typeof result === 'string') return result;
  return guest.vcpu.get32(MP_STATE) === KVM_MP_STATE_STOPPED ? 'stops' : String(result);
}

function matrix(): string {
  const header = ['function', ...PSCI_VERSIONS.map((version) => `${version >>> 16}.${version & 0xffff}`)];
  const lines = [header];
  const add = (name: string, id: number, args: readonly bigint[]): void => {
    lines.push([name, ...PSCI_VERSIONS.map((version) => cell(version, id, args))]);
  };
  for (const { name, id } of PSCI_0_1_FUNCTIONS) add(`0.1 ${name}`, id, [1n, 0n, 0n]);
  for (const { name, smc32, smc64 } of PSCI_FUNCTIONS as readonly PsciFunctionRow[]) {
    const args = name === 'CPU_ON' ? [1n, 0n, 0n] : name === 'PSCI_FEATURES' ? [0x8400_0003n] : [0n, 0n, 0n];
    if (smc32 !== undefined) add(`${name} 32`, smc32, args);
    if (smc64 !== undefined) add(`${name} 64`, smc64, args);
  }
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines
    .map((line) =>
      line
        .map((text, column) => text.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

test('each version serves its functions', () => {
  expect(`\n${matrix()}\n`).toMatchInlineSnapshot(`
    "
    function                           0.1    0.2              1.0              1.1              1.2              1.3
    0.1 CPU_SUSPEND                    -1     -1               -1               -1               -1               -1
    0.1 CPU_OFF                        stops  -1               -1               -1               -1               -1
    0.1 CPU_ON                         0      -1               -1               -1               -1               -1
    0.1 MIGRATE                        -1     -1               -1               -1               -1               -1
    PSCI_VERSION 32                    -1     2                65536            65537            65538            65539
    CPU_SUSPEND 32                     -1     waits            waits            waits            waits            waits
    CPU_SUSPEND 64                     -1     waits            waits            waits            waits            waits
    CPU_OFF 32                         -1     stops            stops            stops            stops            stops
    CPU_ON 32                          -1     0                0                0                0                0
    CPU_ON 64                          -1     0                0                0                0                0
    AFFINITY_INFO 32                   -1     0                0                0                0                0
    AFFINITY_INFO 64                   -1     0                0                0                0                0
    MIGRATE 32                         -1     -1               -1               -1               -1               -1
    MIGRATE 64                         -1     -1               -1               -1               -1               -1
    MIGRATE_INFO_TYPE 32               -1     2                2                2                2                2
    MIGRATE_INFO_UP_CPU 32             -1     -1               -1               -1               -1               -1
    MIGRATE_INFO_UP_CPU 64             -1     -1               -1               -1               -1               -1
    SYSTEM_OFF 32                      -1     event 1 flags 0  event 1 flags 0  event 1 flags 0  event 1 flags 0  event 1 flags 0
    SYSTEM_RESET 32                    -1     event 2 flags 0  event 2 flags 0  event 2 flags 0  event 2 flags 0  event 2 flags 0
    PSCI_FEATURES 32                   -1     -1               0                0                0                0
    CPU_FREEZE 32                      -1     -1               -1               -1               -1               -1
    CPU_DEFAULT_SUSPEND 32             -1     -1               -1               -1               -1               -1
    CPU_DEFAULT_SUSPEND 64             -1     -1               -1               -1               -1               -1
    NODE_HW_STATE 32                   -1     -1               -1               -1               -1               -1
    NODE_HW_STATE 64                   -1     -1               -1               -1               -1               -1
    SYSTEM_SUSPEND 32                  -1     -1               -1               -1               -1               -1
    SYSTEM_SUSPEND 64                  -1     -1               -1               -1               -1               -1
    SET_SUSPEND_MODE 32                -1     -1               -1               -1               -1               -1
    STAT_RESIDENCY 32                  -1     -1               -1               -1               -1               -1
    STAT_RESIDENCY 64                  -1     -1               -1               -1               -1               -1
    STAT_COUNT 32                      -1     -1               -1               -1               -1               -1
    STAT_COUNT 64                      -1     -1               -1               -1               -1               -1
    SYSTEM_RESET2 32                   -1     -1               -1               event 2 flags 1  event 2 flags 1  event 2 flags 1
    SYSTEM_RESET2 64                   -1     -1               -1               event 2 flags 1  event 2 flags 1  event 2 flags 1
    MEM_PROTECT 32                     -1     -1               -1               -1               -1               -1
    MEM_PROTECT_CHECK_RANGE 32         -1     -1               -1               -1               -1               -1
    MEM_PROTECT_CHECK_RANGE 64         -1     -1               -1               -1               -1               -1
    SYSTEM_OFF2 32                     -1     -1               -1               -1               -1               event 1 flags 1
    SYSTEM_OFF2 64                     -1     -1               -1               -1               -1               event 1 flags 1
    CLEAN_INV_MEMREGION 64             -1     -1               -1               -1               -1               -1
    CLEAN_INV_MEMREGION_ATTRIBUTES 32  -1     -1               -1               -1               -1               -1
    "
  `);
});

describe('registers after a call', () => {
  test('x1 to x3 are zero, and an error has 64 bits', () => {
    const guest = machine();
    expect(call(guest, 0x8400_0005)).toBe(-1);
    expect(registers(guest.vcpu)).toEqual([0xffff_ffff_ffff_ffffn, 0n, 0n, 0n]);
  });

  test('SYSTEM_OFF, SYSTEM_RESET and SYSTEM_OFF2 leave INTERNAL_FAILURE and zeros', () => {
    for (const [id, ...args] of [[0x8400_0008], [0x8400_0009], [0xc400_0015, 1n, 0n]] as const) {
      const guest = machine();
      call(guest, id, ...args);
      expect(registers(guest.vcpu)).toEqual([0xffff_ffff_ffff_fffan, 0n, 0n, 0n]);
    }
  });

  test('SYSTEM_RESET2 leaves type and cookie for user space, cut to 32 bits for the 32-bit id', () => {
    const guest = machine();
    expect(call(guest, 0xc400_0012, 0n, 0x1122_3344_5566_7788n)).toBe('event 2 flags 1');
    expect(registers(guest.vcpu).slice(1)).toEqual([0n, 0x1122_3344_5566_7788n, SENTINEL + 3n]);
    const narrow = machine();
    expect(call(narrow, 0x8400_0012, 0n, 0x77n)).toBe('event 2 flags 1');
    expect(registers(narrow.vcpu).slice(1)).toEqual([0n, 0x77n, 3n]);
  });

  test('SYSTEM_SUSPEND leaves the call itself', () => {
    const guest = machine(PSCI_1_0);
    guest.vm.set32(SYSTEM_SUSPEND, 1);
    expect(call(guest, 0xc400_000e, 0x4000_3000n, 0x5678n)).toBe('event 5');
    expect(registers(guest.vcpu)).toEqual([0xc400_000en, 0x4000_3000n, 0x5678n, SENTINEL + 3n]);
    expect(guest.vcpu.get32(MP_STATE)).toBe(KVM_MP_STATE_RUNNABLE);
  });
});

describe('SYSTEM_RESET2 and SYSTEM_OFF2', () => {
  test.each([
    ['the architectural reset', 0xc400_0012, 0n, 0n, 'event 2 flags 1'],
    ['a vendor reset', 0x8400_0012, 0x8000_0000n, 0n, 'event 2 flags 1'],
    ['a vendor reset above 32 bits', 0xc400_0012, 0x1_0000_0000n, 0n, 'event 2 flags 1'],
    ['a reserved reset', 0x8400_0012, 1n, 0n, -2],
    ['hibernation', 0x8400_0015, 1n, 0n, 'event 1 flags 1'],
    ['hibernation by its other name', 0xc400_0015, 0n, 0n, 'event 1 flags 1'],
    ['a type there is not', 0xc400_0015, 2n, 0n, -2],
    ['a cookie', 0xc400_0015, 1n, 5n, -2],
  ] as const)('%s', (_name, id, type, cookie, expected) => {
    expect(call(machine(), id, type, cookie)).toBe(expected);
  });

  test('stop every vCPU and make it look', () => {
    const guest = machine(PSCI_1_3, [0, 1, 2]);
    guest.vcpus[1]!.set32(MP_STATE, KVM_MP_STATE_SUSPENDED);
    call(guest, 0x8400_0008);
    for (const vcpu of guest.vcpus) {
      expect(vcpu.get32(MP_STATE)).toBe(KVM_MP_STATE_STOPPED);
      expect(guest.takeRequests(vcpu)).toBe(REQUEST_LOOK);
    }
  });
});

describe('CPU_ON', () => {
  test('hands entry, context and endianness to the target, which is runnable at once', () => {
    const guest = machine();
    const target = guest.vcpus[1]!;
    guest.vcpu.set32(SCTLR_EL1, 0x2c5_0078);
    expect(call(guest, CPU_ON, 1n, 0x4000_3000n, 0xcafe_0123n)).toBe(0);
    expect(target.get32(MP_STATE)).toBe(KVM_MP_STATE_RUNNABLE);
    expect(target.get32(RESET_PENDING)).not.toBe(0);
    expect(target.get64(RESET_PC)).toBe(0x4000_3000n);
    expect(target.get64(RESET_CONTEXT)).toBe(0xcafe_0123n);
    expect(target.get32(RESET_BIG_ENDIAN)).toBe(1);
    expect(guest.takeRequests(target)).toBe(REQUEST_LOOK);
    expect(call(guest, CPU_ON, 1n, 0n, 0n)).toBe(-4);
  });

  test('refuses a CPU that is on, itself too; 0.1 has another number for it', () => {
    expect(call(machine(), CPU_ON, 0n, 0n, 0n)).toBe(-4);
    expect(call(machine(PSCI_0_1), 0x95c1_ba60, 0n, 0n, 0n)).toBe(-2);
    const guest = machine();
    guest.vcpus[1]!.set32(MP_STATE, KVM_MP_STATE_SUSPENDED);
    expect(call(guest, CPU_ON, 1n, 0n, 0n)).toBe(-4);
  });

  test.each([0x2n, 0x100n, 0x1_0000n, 0x1_0000_0000n, 0x8000_0001n, 0x100_0001n, (1n << 64n) - 1n])(
    'refuses the target %x',
    (target) => {
      expect(call(machine(), CPU_ON, target, 0n, 0n)).toBe(-2);
    },
  );

  test('reads 32 bits of the target with the 32-bit id', () => {
    expect(call(machine(), 0x8400_0003, 0x1_0000_0000n, 0n, 0n)).toBe(-4);
    expect(call(machine(), 0x8400_0003, 0x1_0000_0001n, 0n, 0n)).toBe(0);
  });

  test('finds the 17th vCPU in the second cluster', () => {
    const guest = machine(PSCI_0_2, [0, 16]);
    expect(call(guest, CPU_ON, 16n, 0n, 0n)).toBe(-2);
    expect(call(guest, CPU_ON, 0x100n, 0n, 0n)).toBe(0);
  });
});

describe('AFFINITY_INFO', () => {
  test.each([
    [0n, 0n, 0],
    [1n, 0n, 1],
    [1n, 1n, 0],
    [2n, 0n, -2],
    [2n, 1n, 0],
    [0x100n, 1n, -2],
    [0x100n, 2n, 0],
    [0x1_0000n, 3n, 0],
    [0x1_0000_0000n, 3n, -2],
    [0n, 4n, -2],
    [1n, 0x1_0000_0000n, -2],
    [0x8000_0001n, 0n, -2],
  ] as const)('of affinity %x at level %x is %i', (affinity, level, expected) => {
    expect(call(machine(), AFFINITY_INFO, affinity, level)).toBe(expected);
  });

  test('of a group is off only if all of it is', () => {
    const guest = machine(PSCI_1_3, [0, 16, 17]);
    expect(call(guest, AFFINITY_INFO, 0x100n, 1n)).toBe(1);
    guest.vcpus[2]!.set32(MP_STATE, KVM_MP_STATE_SUSPENDED);
    expect(call(guest, AFFINITY_INFO, 0x100n, 1n)).toBe(0);
  });
});

describe('PSCI_FEATURES', () => {
  test.each(PSCI_VERSIONS.filter((version) => version >= PSCI_1_0))(
    'of %i answers from the rows',
    (version) => {
      const answers: unknown[] = [];
      const expected: unknown[] = [];
      for (const { name, since, features, smc32, smc64 } of PSCI_FUNCTIONS as readonly PsciFunctionRow[]) {
        for (const id of [smc32, smc64].filter((each) => each !== undefined)) {
          answers.push([name, call(machine(version), FEATURES_CALL, BigInt(id))]);
          expected.push([name, version < since || name === 'SYSTEM_SUSPEND' ? -1 : features]);
        }
      }
      expect(answers).toEqual(expected);
    },
  );

  test('tells of SMCCC_VERSION and of nothing else outside PSCI', () => {
    expect(call(machine(), FEATURES_CALL, 0x8000_0000n)).toBe(0);
    for (const id of [0x8000_0001n, 0x8000_8000n, 0x8400_0050n, 0n, 0xffff_ffffn]) {
      expect(call(machine(), FEATURES_CALL, id)).toBe(-1);
    }
  });

  test('tells of SYSTEM_SUSPEND once user space takes it', () => {
    const guest = machine();
    guest.vm.set32(SYSTEM_SUSPEND, 1);
    expect(call(guest, FEATURES_CALL, 0x8400_000en)).toBe(0);
    expect(call(guest, FEATURES_CALL, 0x1_8400_000en)).toBe(0);
  });
});

test('CPU_OFF stops only the caller', () => {
  const guest = machine(PSCI_1_3, [0, 1]);
  guest.vcpus[1]!.set32(MP_STATE, KVM_MP_STATE_RUNNABLE);
  expect(call(guest, 0x8400_0002)).toBe(0);
  expect(guest.vcpus.map((vcpu) => vcpu.get32(MP_STATE))).toEqual([
    KVM_MP_STATE_STOPPED,
    KVM_MP_STATE_RUNNABLE,
  ]);
});
