import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Evaluator } from '../../eval/evaluator.ts';
import { V } from '../../state/vcpu-state.ts';
import { Words } from '../../state/words.ts';
import { type Insn, vector } from '../pattern.ts';
import { CRYPTO_SHA1 } from './crypto-sha1.ts';
import { CRYPTO_SHA256 } from './crypto-sha256.ts';

const words = new Words(new WebAssembly.Memory({ initial: 1 }));
const evaluator = new Evaluator(words, 0, { translate: () => -1 });

const ROWS: readonly Insn[] = [...CRYPTO_SHA1, ...CRYPTO_SHA256];

/** Executes an instruction on vector registers by number. */
function execute(name: string, d: number, n: number, m = 0): void {
  const row = ROWS.find((candidate) => candidate.name === name)!;
  evaluator.step(row, 0, { a: vector(d), b: vector(n), c: vector(m) });
}

const lanes = (n: number): Uint32Array => words.u32.subarray((V + 16 * n) / 4, (V + 16 * n) / 4 + 4);

/** The one block of a message shorter than 56 bytes, in registers 0 to 3. */
function loadBlock(message: string): void {
  const block = new DataView(new ArrayBuffer(64));
  Buffer.from(message).forEach((byte, i) => block.setUint8(i, byte));
  block.setUint8(message.length, 0x80);
  block.setUint32(60, 8 * message.length);
  for (let i = 0; i < 16; i++) lanes(i >> 2)[i & 3] = block.getUint32(4 * i);
}

/** The first 32 bits of the fractional part. */
const fraction = (value: number): number => Math.floor((value % 1) * 2 ** 32) >>> 0;
const PRIMES = Array.from({ length: 312 }, (_, n) => n).filter(
  (n) => n > 1 && !Array.from({ length: n }, (_, d) => d).some((d) => d > 1 && n % d === 0),
);

const hex = (values: readonly number[]): string =>
  values.map((value) => (value >>> 0).toString(16).padStart(8, '0')).join('');

test('SHA256H, H2, SU0 and SU1 make the digest of a message', () => {
  const [low, high, kept, sum] = [4, 5, 6, 7];
  const initial = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
  loadBlock('abc');
  lanes(low).set(initial.slice(0, 4));
  lanes(high).set(initial.slice(4));
  for (let round = 0; round < 16; round++) {
    const at = round & 3;
    lanes(sum).set(lanes(at).map((word, i) => word + fraction(Math.cbrt(PRIMES[4 * round + i]!))));
    lanes(kept).set(lanes(low));
    execute('SHA256H', low, high, sum);
    execute('SHA256H2', high, kept, sum);
    execute('SHA256SU0', at, (at + 1) & 3);
    execute('SHA256SU1', at, (at + 2) & 3, (at + 3) & 3);
  }
  const digest = [...lanes(low), ...lanes(high)].map((word, i) => word + initial[i]!);
  expect(hex(digest)).toBe(createHash('sha256').update('abc').digest('hex'));
});

test('SHA1C, P, M, H, SU0 and SU1 make the digest of a message', () => {
  const [state, fifth, next, sum] = [4, 5, 6, 7];
  const initial = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
  const constants = [2, 3, 5, 10].map((n) => Math.floor(Math.sqrt(n) * 2 ** 30));
  loadBlock('abc');
  lanes(state).set(initial.slice(0, 4));
  lanes(fifth)[0] = initial[4]!;
  for (let round = 0; round < 20; round++) {
    const at = round & 3;
    const part = Math.floor(round / 5);
    lanes(sum).set(lanes(at).map((word) => word + constants[part]!));
    execute('SHA1H', next, state);
    execute(['SHA1C', 'SHA1P', 'SHA1M', 'SHA1P'][part]!, state, fifth, sum);
    lanes(fifth).set(lanes(next));
    execute('SHA1SU0', at, (at + 1) & 3, (at + 2) & 3);
    execute('SHA1SU1', at, (at + 3) & 3);
  }
  const digest = [...lanes(state), lanes(fifth)[0]!].map((word, i) => word + initial[i]!);
  expect(hex(digest)).toBe(createHash('sha1').update('abc').digest('hex'));
});
