import { expect, test } from 'vitest';
import { GuestMemory } from './guest-memory.ts';

const RAM = 0x4000_0000;
const USER = 0x1_0000;
const SLOT = { gpa: RAM, size: 0x40_0000, user: USER };
/** T0SZ and T1SZ 25: three levels; granules of 4 KiB. */
const TCR = 25n | (25n << 16n) | (2n << 30n);

function guest(tcr = TCR, sctlr = 1n) {
  const memory = new WebAssembly.Memory({ initial: 128 });
  const view = new DataView(memory.buffer);
  const put = (gpa: number, value: bigint): void => view.setBigUint64(USER + gpa - RAM, value, true);
  // TTBR1: a table, a table, a page at the second entry and a block of 2 MiB; TTBR0: nothing.
  put(RAM + 0x1000, BigInt(RAM + 0x2000) | 3n);
  put(RAM + 0x2000, BigInt(RAM + 0x3000) | 3n);
  put(RAM + 0x2008, BigInt(RAM + 0x20_0000) | 0x701n);
  put(RAM + 0x3008, BigInt(RAM + 0x5000) | (0x60n << 48n) | 0x703n);
  put(RAM + 0x5010, 0x1234n);
  put(RAM + 0x20_0018, 0x5678n);
  const registers = { sctlr, tcr, ttbr0: BigInt(RAM + 0x6000), ttbr1: BigInt(RAM + 0x1000) | (7n << 48n) };
  return new GuestMemory(memory, [SLOT], registers);
}

const TOP = 0xffff_ff80_0000_0000n;

test.each([
  ['a page', TOP + 0x1010n, 0x1234n],
  ['a block', TOP + 0x20_0018n, 0x5678n],
  ['a page that is not mapped', TOP + 0x2010n, undefined],
  ['the lower half, which is empty', 0x1010n, undefined],
])('reads through %s', (_, address, value) => {
  expect(guest().read(address)).toBe(value);
});

test('reads physical addresses while the MMU is off, and only of RAM', () => {
  const memory = guest(TCR, 0n);
  expect(memory.read(BigInt(RAM + 0x5010))).toBe(0x1234n);
  expect(memory.read(BigInt(RAM + 0x3f_fffc))).toBeUndefined();
  expect(memory.read(0x900_0000n)).toBeUndefined();
});

test('does not take granules of 16 or 64 KiB for what they are not', () => {
  expect(guest(TCR ^ (3n << 30n)).read(TOP + 0x1010n)).toBeUndefined();
});
