import { KVM_MEM_READONLY } from '@vkvm/uapi';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { CODE, FlatMachine, NOWHERE, RAM, RAM_AT, RAM_SIZE, type Outcome } from '../../test/flat-machine.ts';
import { AF, DEVICE, PageTables, READ_ONLY, USER } from '../../test/page-tables.ts';
import {
  ACCESS_ORDERED,
  ACCESS_REGISTER_SHIFT,
  ACCESS_SIGNED,
  ACCESS_SYNDROME,
  ACCESS_WIDE,
  ACCESS_WRITE,
} from '../mmu/access.ts';
import { tlbFills } from '../state/engine-stats.ts';
import {
  ACCESS,
  EXCLUSIVE_HOST,
  FAULT_PA,
  FAULT_VA,
  INTERRUPT_LINES,
  PC,
  SCRATCH,
} from '../state/vcpu-state.ts';
import { LEAVE_EXCEPTION, LEAVE_INTERRUPT, LEAVE_NO_SYNDROME, LEAVE_PORT } from '../interp/leave.ts';

const interpreting = new FlatMachine();
const compiling = new FlatMachine(false, 'all');
let machine = interpreting;
let { vcpu } = machine;
let guest = machine.load('memory');
let tables = new PageTables(machine);

const PAGE = 0x1000;
const MIB = 0x10_0000;
const EC_SVC = 0x15n;
const IL = 1n << 25n;
const WNR = 1n << 6n;
/** SCTLR_EL1.A. */
const A = 2n;

/** A page and the one behind it in virtual memory, which are not neighbours in RAM. */
const VA = 0x0000_0055_5555_5000n;
const FIRST = RAM + 1 * MIB;
const SECOND = RAM + 3 * MIB;
/** The two without translation: the last pages of RAM, and what is behind it. */
const DATA = RAM + 2 * MIB;

function setUp(on: FlatMachine): void {
  machine = on;
  vcpu = machine.vcpu;
  machine.reset();
  guest = machine.load('memory');
  tables = new PageTables(machine);
  tables.mapCode(CODE);
  tables.map(VA, FIRST);
  tables.map(VA + BigInt(PAGE), SECOND);
  for (const page of [FIRST, SECOND]) {
    machine.ram(page, PAGE).forEach((_, i, bytes) => (bytes[i] = (page >> 20) * 16 + i * 7));
  }
  for (let n = 0; n < 31; n++) machine.setX(n, 0x1111_1111_1111_1111n * BigInt(n & 15) + 0xabcdn);
  for (let n = 0; n < 32; n++) machine.setV(n, (0x0123_4567_89ab_cdefn << 64n) + BigInt(n));
  // A store-exclusive is an access only if something is marked.
  vcpu.set32(EXCLUSIVE_HOST, RAM_AT);
  tables.use();
}
beforeEach(() => setUp(interpreting));

const run = (label: string, address: bigint | number): Outcome => {
  machine.setX(1, address);
  return machine.run(CODE + guest.at(label));
};
const isDone = ({ syndrome, leave }: Outcome): boolean =>
  leave === LEAVE_EXCEPTION && syndrome >> 26n === EC_SVC;

/** Bytes of virtual memory from VA on: both pages. */
const window = (): Uint8Array => Uint8Array.of(...machine.ram(FIRST, PAGE), ...machine.ram(SECOND, PAGE));
const little = (bytes: Uint8Array): bigint =>
  bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);

/** Runs an access and expects that neither registers nor memory change, the pc included. */
function unchanged(label: string, address: bigint | number): Outcome {
  machine.setX(1, address);
  vcpu.set64(PC, BigInt(CODE + guest.at(label)));
  const registers = machine.registers();
  const memory = window();
  const outcome = machine.run(CODE + guest.at(label));
  expect(machine.registers()).toEqual(registers);
  expect(window()).toEqual(memory);
  expect(outcome.retired).toBe(0);
  return outcome;
}

const LOADS = [
  ['ldrb', 1],
  ['ldrh', 2],
  ['ldr_w', 4],
  ['ldr', 8],
  ['ldr_register', 8],
  ['ldtr', 8],
] as const;
const STORES = [
  ['strb', 1],
  ['strh', 2],
  ['str_w', 4],
  ['str', 8],
] as const;

describe('an access at any offset of two pages', () => {
  const anyOffset = fc.oneof(
    fc.integer({ min: PAGE - 40, max: PAGE + 8 }),
    fc.integer({ min: 0, max: 2 * PAGE - 40 }),
  );

  test.each(LOADS.filter(([label]) => label !== 'ldtr'))('loads with %s', (label, bytes) => {
    const property = fc.property(anyOffset, (offset) => {
      machine.setX(2, 0);
      expect(isDone(run(label, VA + BigInt(offset)))).toBe(true);
      expect(machine.x(0)).toBe(little(window().subarray(offset, offset + bytes)));
    });
    fc.assert(property, { numRuns: 200, seed: 1 });
  });

  test.each([
    ['ldrsb_x', 1, 64],
    ['ldrsb_w', 1, 32],
    ['ldrsh_x', 2, 64],
    ['ldrsh_w', 2, 32],
    ['ldrsw', 4, 64],
  ])('extends the sign with %s', (label, bytes, width) => {
    const property = fc.property(anyOffset, (offset) => {
      run(label, VA + BigInt(offset));
      const value = little(window().subarray(offset, offset + bytes));
      expect(machine.x(0)).toBe(BigInt.asUintN(width, BigInt.asIntN(8 * bytes, value)));
    });
    fc.assert(property, { numRuns: 200, seed: 1 });
  });

  test.each(STORES)('stores with %s', (label, bytes) => {
    const property = fc.property(
      anyOffset,
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      (offset, value) => {
        const expected = window();
        for (let i = 0; i < bytes; i++) expected[offset + i] = Number((value >> BigInt(8 * i)) & 0xffn);
        machine.setX(0, value);
        expect(isDone(run(label, VA + BigInt(offset)))).toBe(true);
        expect(window()).toEqual(expected);
      },
    );
    fc.assert(property, { numRuns: 100, seed: 1 });
  });

  test.each([
    ['ldp', 8],
    ['ldp_w', 4],
  ])('loads a pair with %s', (label, bytes) => {
    const property = fc.property(anyOffset, (offset) => {
      expect(isDone(run(label, VA + BigInt(offset)))).toBe(true);
      const at = (n: number): bigint => little(window().subarray(offset + n, offset + n + bytes));
      expect([machine.x(2), machine.x(3)]).toEqual([at(0), at(bytes)]);
    });
    fc.assert(property, { numRuns: 200, seed: 1 });
  });

  test.each([
    ['stp', 8],
    ['stp_w', 4],
  ])('stores a pair with %s', (label, bytes) => {
    const property = fc.property(anyOffset, (offset) => {
      const expected = window();
      for (let i = 0; i < 2 * bytes; i++) {
        const register = machine.x(i < bytes ? 2 : 3);
        expected[offset + i] = Number((register >> BigInt(8 * (i % bytes))) & 0xffn);
      }
      expect(isDone(run(label, VA + BigInt(offset)))).toBe(true);
      expect(window()).toEqual(expected);
    });
    fc.assert(property, { numRuns: 100, seed: 1 });
  });

  test.each([
    ['ldr_q', 'str_q', 1],
    ['ldp_q', 'stp_q', 2],
  ])('loads with %s and stores with %s', (load, store, count) => {
    const property = fc.property(anyOffset, anyOffset, (from, to) => {
      const before = window();
      run(load, VA + BigInt(from));
      for (let n = 0; n < count; n++) {
        expect(machine.v(n)).toBe(little(before.subarray(from + 16 * n, from + 16 * n + 16)));
      }
      expect(isDone(run(store, VA + BigInt(to)))).toBe(true);
      const expected = before.slice();
      expected.set(before.subarray(from, from + 16 * count), to);
      expect(window()).toEqual(expected);
    });
    fc.assert(property, { numRuns: 100, seed: 1 });
  });
});

describe('an access across two pages', () => {
  const ACROSS = VA + BigInt(PAGE) - 4n;

  const CROSSING = [
    ...['ldr', 'ldp', 'ldp_w', 'ldr_q', 'ldp_q', 'ldr_post', 'ldr_pre', 'ldp_pre', 'ld1', 'ldpsw'].map(
      (label) => [label, 0n] as const,
    ),
    ...['str', 'stp', 'stp_w', 'str_q', 'stp_q', 'str_post', 'str_pre', 'stp_pre', 'st1'].map(
      (label) => [label, WNR] as const,
    ),
  ];
  /** What the address register must hold for the access to begin at ACROSS. */
  const baseOf = (label: string): bigint =>
    ACROSS - ({ ldr_pre: 8n, str_pre: 8n, ldp_pre: 16n, stp_pre: -16n }[label] ?? 0n);

  test.each(CROSSING)('of which the second is not mapped changes nothing: %s', (label, wnr) => {
    machine.write64(tables.entry(VA + BigInt(PAGE), 3), 0n);
    expect(unchanged(label, baseOf(label))).toMatchObject({
      leave: LEAVE_EXCEPTION,
      syndrome: (0x25n << 26n) | IL | wnr | 0x07n,
      far: VA + BigInt(PAGE),
    });
  });

  test.each(CROSSING)('of which the first is not mapped reports the first byte: %s', (label, wnr) => {
    machine.write64(tables.entry(VA, 3), 0n);
    expect(unchanged(label, baseOf(label))).toMatchObject({
      leave: LEAVE_EXCEPTION,
      syndrome: (0x25n << 26n) | IL | wnr | 0x07n,
      far: ACROSS,
    });
  });

  test.each(CROSSING.filter(([, wnr]) => wnr))(
    'of which the second is read-only stores nothing: %s',
    (label) => {
      tables.map(VA + BigInt(PAGE), SECOND, READ_ONLY);
      expect(unchanged(label, baseOf(label))).toMatchObject({
        syndrome: (0x25n << 26n) | IL | WNR | 0x0fn,
        far: VA + BigInt(PAGE),
      });
    },
  );

  test.each(CROSSING)('of which the second is no memory has no syndrome: %s', (label) => {
    tables.map(VA + BigInt(PAGE), NOWHERE);
    expect(unchanged(label, baseOf(label)).leave).toBe(LEAVE_NO_SYNDROME);
    expect(vcpu.getNumber(FAULT_PA)).toBe(NOWHERE);
    expect(vcpu.get64(FAULT_VA)).toBe(VA + BigInt(PAGE));
  });

  test.each(CROSSING)('of which the first is no memory has no syndrome, and says where: %s', (label) => {
    tables.map(VA, NOWHERE);
    expect(unchanged(label, baseOf(label)).leave).toBe(LEAVE_NO_SYNDROME);
    expect(vcpu.getNumber(FAULT_PA)).toBe(NOWHERE + PAGE - 4);
    expect(vcpu.get64(FAULT_VA)).toBe(ACROSS);
  });
});

describe('a device access', () => {
  const seen: { access: number; pa: number; va: bigint; pc: bigint; value: bigint }[] = [];
  const DEVICE_VA = 0x0000_0066_6666_6000n;

  beforeEach(() => {
    tables.map(DEVICE_VA, NOWHERE, DEVICE);
    seen.length = 0;
    const note = (access: number): number => {
      seen.push({
        access,
        pa: vcpu.getNumber(FAULT_PA),
        va: vcpu.get64(FAULT_VA),
        pc: vcpu.get64(PC),
        value: vcpu.get64(SCRATCH),
      });
      return 0;
    };
    machine.script.mmioWrite = note;
    machine.script.mmioRead = (access) => {
      note(access);
      vcpu.set64(SCRATCH, 0x0000_0000_8765_4384n & ((1n << BigInt(8 << (access & 3))) - 1n));
      return 0;
    };
  });

  const word = (size: number, flags: number, register = 0): number =>
    size | flags | ACCESS_SYNDROME | (register << ACCESS_REGISTER_SHIFT);

  test.each([
    ['ldrb', word(0, 0), 0x84n],
    ['ldrh', word(1, 0), 0x4384n],
    ['ldr_w', word(2, 0), 0x8765_4384n],
    ['ldr', word(3, ACCESS_WIDE), 0x8765_4384n],
    ['ldrsb_w', word(0, ACCESS_SIGNED), 0xffff_ff84n],
    ['ldrsb_x', word(0, ACCESS_SIGNED | ACCESS_WIDE), 0xffff_ffff_ffff_ff84n],
    ['ldrsh_w', word(1, ACCESS_SIGNED), 0x4384n],
    ['ldrsh_x', word(1, ACCESS_SIGNED | ACCESS_WIDE), 0x4384n],
    ['ldrsw', word(2, ACCESS_SIGNED | ACCESS_WIDE), 0xffff_ffff_8765_4384n],
    ['ldar', word(3, ACCESS_WIDE | ACCESS_ORDERED), 0x8765_4384n],
    ['ldarh', word(1, ACCESS_ORDERED), 0x4384n],
  ])('with %s has the access word %i', (label, access, value) => {
    expect(run(label, DEVICE_VA + 0x18n)).toMatchObject({ retired: 2 });
    expect(machine.x(0)).toBe(value);
    expect(seen).toMatchObject([
      { access, pa: NOWHERE + 0x18, va: DEVICE_VA + 0x18n, pc: BigInt(CODE + guest.at(label)) },
    ]);
    expect(vcpu.get32(ACCESS)).toBe(access);
  });

  test.each([
    ['ldr_xzr', word(3, ACCESS_WIDE, 31)],
    ['ldr_x30', word(3, ACCESS_WIDE, 30)],
  ])('with %s names the register', (label, access) => {
    run(label, DEVICE_VA);
    expect(seen).toMatchObject([{ access }]);
    expect(machine.x(30)).toBe(label === 'ldr_x30' ? 0x8765_4384n : 0xeeee_eeee_eeee_eeeen + 0xabcdn);
  });

  test.each([
    ['strb', word(0, ACCESS_WRITE), 0xffn],
    ['strh', word(1, ACCESS_WRITE), 0xffffn],
    ['str_w', word(2, ACCESS_WRITE), 0xffff_ffffn],
    ['str', word(3, ACCESS_WRITE | ACCESS_WIDE), -1n],
    ['stlr', word(3, ACCESS_WRITE | ACCESS_WIDE | ACCESS_ORDERED), -1n],
  ])('with %s gives the value to the port', (label, access, mask) => {
    machine.setX(0, 0x8877_6655_4433_2211n);
    expect(run(label, DEVICE_VA + 8n)).toMatchObject({ retired: 2 });
    expect(seen).toMatchObject([{ access, pa: NOWHERE + 8, va: DEVICE_VA + 8n }]);
    expect(seen[0]!.value & BigInt.asUintN(64, mask)).toBe(0x8877_6655_4433_2211n & BigInt.asUintN(64, mask));
  });

  test('of XZR stores zero', () => {
    run('str_xzr', DEVICE_VA);
    expect(seen).toMatchObject([{ access: word(3, ACCESS_WRITE | ACCESS_WIDE, 31), value: 0n }]);
  });

  test('with an unprivileged form is one of EL0', () => {
    tables.map(DEVICE_VA, NOWHERE, DEVICE | USER);
    run('ldtr', DEVICE_VA);
    run('sttr', DEVICE_VA);
    expect(seen.map(({ access }) => access)).toEqual([
      word(3, ACCESS_WIDE),
      word(3, ACCESS_WIDE | ACCESS_WRITE),
    ]);
  });

  test('that the port leaves is not complete', () => {
    machine.script.mmioRead = () => 1;
    machine.script.mmioWrite = () => 1;
    for (const label of ['ldr', 'ldrsb_w', 'ldar', 'str', 'stlr']) {
      expect(unchanged(label, DEVICE_VA).leave).toBe(LEAVE_PORT);
    }
  });

  test.each(['str', 'strb', 'stlr', 'str_xzr', 'sttr'])(
    'with %s that raises an interrupt is complete, and guest code is left behind it',
    (label) => {
      tables.map(DEVICE_VA, NOWHERE, DEVICE | USER);
      machine.script.mmioWrite = () => (vcpu.set32(INTERRUPT_LINES, 1), 0);
      expect(run(label, DEVICE_VA)).toMatchObject({
        leave: LEAVE_INTERRUPT,
        retired: 1,
        pc: BigInt(CODE + guest.at(label) + 4),
      });
    },
  );

  test('reaches the port every time', () => {
    for (let i = 0; i < 3; i++) run('ldr', DEVICE_VA);
    expect(seen).toHaveLength(3);
  });

  describe('at the same page as the last one', () => {
    beforeEach(() => {
      run('ldr', DEVICE_VA);
      tables.map(DEVICE_VA, FIRST);
    });

    test('does not walk the tables', () => {
      run('ldr', DEVICE_VA + 8n);
      expect(seen).toMatchObject([{ pa: NOWHERE }, { pa: NOWHERE + 8, va: DEVICE_VA + 8n }]);
    });

    test.each([
      ['of its page', () => machine.engine.flushTlbVa(DEVICE_VA)],
      ['of an address space', () => machine.engine.flushTlbNonGlobal()],
      ['of all', () => machine.engine.flushTlb()],
    ])('walks them after a TLBI %s', (_, flush) => {
      flush();
      run('ldr', DEVICE_VA);
      expect(seen).toHaveLength(1);
      expect(machine.x(0)).toBe(machine.read64(FIRST));
    });

    test.each([
      ['is a store', 'str', 1],
      ['is unprivileged', 'ldtr', 1],
      ['is made at EL0', 'ldr', 0],
    ] as const)('walks them if it %s', (_, label, el) => {
      tables.map(DEVICE_VA, NOWHERE, DEVICE | READ_ONLY);
      machine.setEl(el);
      const { leave, syndrome, far } = run(label, DEVICE_VA);
      expect([leave, far]).toEqual([LEAVE_EXCEPTION, DEVICE_VA]);
      // A permission fault of level 3, of a data access.
      expect([syndrome >> 27n, syndrome & 0x3fn]).toEqual([0x12n, 0xfn]);
      expect(seen).toHaveLength(1);
    });
  });

  const WITHOUT_SYNDROME = [
    'ldr_post',
    'ldr_pre',
    'str_post',
    'str_pre',
    'ldp',
    'ldp_w',
    'ldpsw',
    'ldp_pre',
    'stp',
    'stp_w',
    'stp_pre',
    'ldr_q',
    'ldr_d',
    'ldr_b',
    'str_q',
    'str_d',
    'str_b',
    'ldp_q',
    'stp_q',
    'ld1',
    'st1',
    'ldxr',
    'stxr',
    'ldxp',
    'stxp',
    'ldadd',
    'cas',
    'casp',
  ];

  test.each(WITHOUT_SYNDROME)('with %s leaves without one', (label) => {
    expect(unchanged(label, DEVICE_VA + 0x40n).leave).toBe(LEAVE_NO_SYNDROME);
    expect(seen).toEqual([]);
    const offset = { ldr_pre: 8, str_pre: 8, ldp_pre: 16, stp_pre: -16 }[label] ?? 0;
    expect(vcpu.getNumber(FAULT_PA)).toBe(NOWHERE + 0x40 + offset);
    expect(vcpu.get32(ACCESS) & ACCESS_SYNDROME).toBe(0);
    const stores = label.startsWith('st') ? ACCESS_WRITE : 0;
    expect(vcpu.get32(ACCESS) & ACCESS_WRITE).toBe(stores);
  });

  test('with DC ZVA through Normal memory leaves without one', () => {
    tables.map(DEVICE_VA, NOWHERE);
    expect(unchanged('zva', DEVICE_VA + 0x44n).leave).toBe(LEAVE_NO_SYNDROME);
  });

  test('with PRFM does not happen', () => {
    expect(isDone(run('prfm', DEVICE_VA))).toBe(true);
    expect(seen).toEqual([]);
  });

  test('that is not aligned is one where the memory is Normal, within its page', () => {
    tables.map(DEVICE_VA, NOWHERE);
    run('ldr_w', DEVICE_VA + 3n);
    expect(seen).toMatchObject([{ access: word(2, 0), pa: NOWHERE + 3 }]);
  });
});

test.each(['ldr', 'str', 'ldp', 'stp', 'ldr_q'])('%s of two pages fills the TLB once', (label) => {
  const fills = (offset: bigint): number => {
    expect(isDone(run(label, VA + BigInt(PAGE) - offset))).toBe(true);
    return tlbFills(vcpu);
  };
  for (const offset of label.endsWith('p') ? [8n, 4n] : [4n]) {
    fills(offset);
    expect(fills(offset)).toBe(fills(offset));
  }
});

describe.each([
  ['interpreted', interpreting],
  ['compiled', compiling],
])('alignment, %s,', (_, on) => {
  beforeEach(() => setUp(on));

  const alignmentFault = (wnr: bigint) => ({
    leave: LEAVE_EXCEPTION,
    syndrome: (0x25n << 26n) | IL | wnr | 0x21n,
  });

  /** Label, what it must be aligned to, whether it writes. */
  const ALL = [
    ['ldrh', 2, 0n],
    ['ldr_w', 4, 0n],
    ['ldr', 8, 0n],
    ['ldr_post', 8, 0n],
    ['strh', 2, WNR],
    ['str_w', 4, WNR],
    ['str', 8, WNR],
    ['ldp', 8, 0n],
    ['ldp_w', 4, 0n],
    ['stp', 8, WNR],
    ['stp_w', 4, WNR],
    ['ldr_d', 8, 0n],
    ['str_d', 8, WNR],
    ['ldr_q', 16, 0n],
    ['str_q', 16, WNR],
    ['ldp_q', 16, 0n],
    ['stp_q', 16, WNR],
  ] as const;

  test.each(ALL)('of %s to %i is demanded by SCTLR_EL1.A', (label, bytes, wnr) => {
    tables.use(A);
    for (const offset of [1n, BigInt(bytes / 2)]) {
      expect(unchanged(label, VA + 0x100n + offset)).toMatchObject({
        ...alignmentFault(wnr),
        far: VA + 0x100n + offset,
      });
    }
    expect(isDone(run(label, VA + 0x100n + BigInt(bytes)))).toBe(true);
    expect(unchanged(label, VA + 0x100n + BigInt(bytes / 2))).toMatchObject(alignmentFault(wnr));
  });

  test.each(ALL)('of %s to %i is demanded by Device memory', (label, bytes, wnr) => {
    tables.map(VA, FIRST, DEVICE);
    for (const offset of [1n, BigInt(bytes / 2)]) {
      expect(unchanged(label, VA + 0x100n + offset)).toMatchObject(alignmentFault(wnr));
    }
    expect(isDone(run(label, VA + 0x100n + BigInt(bytes)))).toBe(true);
  });

  test.each(ALL)('of %s to %i is demanded without the MMU', (label, bytes, wnr) => {
    machine.setSctlr(0n);
    expect(unchanged(label, DATA + bytes / 2)).toMatchObject({
      ...alignmentFault(wnr),
      far: BigInt(DATA + bytes / 2),
    });
    expect(isDone(run(label, DATA + bytes))).toBe(true);
    expect(unchanged(label, DATA + bytes / 2)).toMatchObject(alignmentFault(wnr));
  });

  test.each(ALL)('of %s to %i is what the MMU and SCTLR_EL1.A say now', (label, bytes, wnr) => {
    tables.map(BigInt(DATA), FIRST);
    const at = DATA + bytes / 2;
    for (const sctlr of [1n, 0n, 1n, 1n | A, 1n]) {
      machine.setSctlr(sctlr);
      run(label, DATA);
      if (sctlr === 1n) expect(isDone(run(label, at))).toBe(true);
      else expect(unchanged(label, at)).toMatchObject(alignmentFault(wnr));
    }
  });

  test.each(ALL)('of %s to %i is not demanded of Normal memory', (label) => {
    expect(isDone(run(label, VA + 0x101n))).toBe(true);
    expect(isDone(run(label, VA + 0x101n))).toBe(true);
  });

  test('demanded by SCTLR_EL1.A is looked at before translation', () => {
    tables.use(A);
    expect(unchanged('ldr', 1n)).toMatchObject(alignmentFault(0n));
  });

  test('demanded by Device memory is looked at after the access flag and before permission', () => {
    tables.map(VA, FIRST, DEVICE | READ_ONLY);
    expect(unchanged('str', VA + 1n)).toMatchObject(alignmentFault(WNR));
    const entry = tables.entry(VA, 3);
    machine.write64(entry, machine.read64(entry) & ~AF);
    expect(unchanged('str', VA + 1n)).toMatchObject({ syndrome: (0x25n << 26n) | IL | WNR | 0x0bn });
  });

  test('is reported as of a lower level at EL0', () => {
    tables.use(A);
    machine.setEl(0);
    expect(unchanged('ldr', VA + 1n)).toMatchObject({ syndrome: (0x24n << 26n) | IL | 0x21n });
  });

  test.each([
    ['ldar', 8, 0n],
    ['ldarh', 2, 0n],
    ['stlr', 8, WNR],
    ['ldxr', 8, 0n],
    ['stxr', 8, WNR],
    ['ldxp', 16, 0n],
    ['stxp', 16, WNR],
  ])('of %s to %i is always demanded', (label, bytes, wnr) => {
    for (const offset of [1n, BigInt(bytes / 2)]) {
      expect(unchanged(label, VA + offset)).toMatchObject({ ...alignmentFault(wnr), far: VA + offset });
    }
    expect(isDone(run(label, VA + BigInt(bytes)))).toBe(true);
  });

  test.each([
    ['ldadd', 8],
    ['cas', 8],
    ['casp', 16],
  ])('of the atomic %s to %i is always demanded', (label, bytes) => {
    for (const offset of [1n, BigInt(bytes / 2)]) {
      expect(unchanged(label, VA + offset)).toMatchObject(alignmentFault(0n));
    }
    expect(isDone(run(label, VA + BigInt(bytes)))).toBe(true);
  });
});

describe('an atomic update', () => {
  const UPDATES = ['ldadd', 'cas', 'casp'];

  test.each(UPDATES)('faults as a read where a read would: %s', (label) => {
    machine.write64(tables.entry(VA, 3), 0n);
    expect(unchanged(label, VA)).toMatchObject({ syndrome: (0x25n << 26n) | IL | 0x07n, far: VA });
  });

  test.each(UPDATES)('faults as a write where only a write would: %s', (label) => {
    tables.map(VA, FIRST, READ_ONLY);
    expect(unchanged(label, VA)).toMatchObject({ syndrome: (0x25n << 26n) | IL | WNR | 0x0fn, far: VA });
    run('ldr', VA);
    expect(unchanged(label, VA)).toMatchObject({ syndrome: (0x25n << 26n) | IL | WNR | 0x0fn, far: VA });
  });

  test('a store-exclusive is a write, always', () => {
    machine.write64(tables.entry(VA, 3), 0n);
    expect(unchanged('stxr', VA)).toMatchObject({ syndrome: (0x25n << 26n) | IL | WNR | 0x07n });
  });

  test.each(['stxr', 'stxp'])('is not made by %s with nothing marked, which fails', (label) => {
    machine.write64(tables.entry(VA, 3), 0n);
    vcpu.set32(EXCLUSIVE_HOST, 0);
    expect(isDone(run(label, VA + 1n))).toBe(true);
    expect(machine.x(4)).toBe(1n);
  });

  test('of what only EL1 may touch faults at EL0', () => {
    machine.setEl(0);
    expect(unchanged('ldadd', VA)).toMatchObject({ syndrome: (0x24n << 26n) | IL | 0x0fn });
  });
});

describe.each([
  ['interpreted', interpreting],
  ['compiled', compiling],
])('DC ZVA, %s,', (_, on) => {
  beforeEach(() => setUp(on));

  test.each([0n, 1n, 63n])('zeroes the block of its address + %i and nothing else', (offset) => {
    const expected = window().fill(0, 0x80, 0xc0);
    expect(isDone(run('zva', VA + 0x80n + offset))).toBe(true);
    expect(window()).toEqual(expected);
    // And once more, with the entry in the TLB.
    machine.ram(FIRST, PAGE).fill(0xee);
    const again = window().fill(0, 0xc0, 0x100);
    run('zva', VA + 0xc0n + offset);
    expect(window()).toEqual(again);
  });

  test('reports the address it was given', () => {
    machine.write64(tables.entry(VA, 3), 0n);
    expect(unchanged('zva', VA + 0x9dn)).toMatchObject({
      syndrome: (0x25n << 26n) | IL | WNR | 0x07n,
      far: VA + 0x9dn,
    });
  });

  test('is an alignment fault in Device memory, which the MMU being off makes all of it', () => {
    tables.map(VA, FIRST, DEVICE);
    expect(unchanged('zva', VA)).toMatchObject({ syndrome: (0x25n << 26n) | IL | WNR | 0x21n });
    machine.setSctlr(0n);
    expect(unchanged('zva', DATA)).toMatchObject({ syndrome: (0x25n << 26n) | IL | WNR | 0x21n });
    run('str', DATA); // now there is an entry in the TLB
    expect(unchanged('zva', DATA)).toMatchObject({ syndrome: (0x25n << 26n) | IL | WNR | 0x21n });
  });

  test('is not stopped by SCTLR_EL1.A', () => {
    tables.use(A);
    expect(isDone(run('zva', VA + 1n))).toBe(true);
    expect(isDone(run('zva', VA + 1n))).toBe(true);
  });
});

describe('structures', () => {
  test.each(['ld1', 'st1'])('%s of bytes need no alignment, whoever demands it', (label) => {
    tables.use(A);
    expect(isDone(run(label, VA + 1n))).toBe(true);
    tables.map(VA, FIRST, DEVICE);
    machine.setSctlr(1n);
    expect(isDone(run(label, VA + 1n))).toBe(true);
  });
});

describe('a store to a read-only memslot', () => {
  beforeEach(() => {
    machine.setMemslots([
      { gpa: RAM, length: 2 * MIB, user: RAM_AT, flags: KVM_MEM_READONLY },
      { gpa: RAM + 2 * MIB, length: RAM_SIZE - 2 * MIB, user: RAM_AT + 2 * MIB },
    ]);
  });

  test('is a device access', () => {
    const access: number[] = [];
    machine.script.mmioWrite = (word) => (access.push(word), 0);
    expect(isDone(run('str', VA + 8n))).toBe(true);
    expect(access).toEqual([3 | ACCESS_SYNDROME | ACCESS_WIDE | ACCESS_WRITE]);
    expect(vcpu.getNumber(FAULT_PA)).toBe(FIRST + 8);
  });

  test.each(['stp', 'str_q', 'st1', 'stxr', 'ldadd', 'cas', 'zva', 'str_post'])(
    'with %s has no syndrome and changes nothing',
    (label) => {
      expect(unchanged(label, VA).leave).toBe(LEAVE_NO_SYNDROME);
    },
  );

  test('that reaches into memory from a read-only page changes nothing', () => {
    for (const label of ['str', 'stp', 'stp_q']) {
      expect(unchanged(label, VA + BigInt(PAGE) - 4n).leave).toBe(LEAVE_NO_SYNDROME);
    }
    tables.map(VA - BigInt(PAGE), SECOND);
    for (const label of ['str', 'stp', 'stp_q']) {
      expect(unchanged(label, VA - 4n).leave).toBe(LEAVE_NO_SYNDROME);
    }
  });
});
