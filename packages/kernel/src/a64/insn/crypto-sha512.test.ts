import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Evaluator } from '../../eval/evaluator.ts';
import { V } from '../../state/vcpu-state.ts';
import { Words } from '../../state/words.ts';
import { vector } from '../pattern.ts';
import { CRYPTO_SHA512 } from './crypto-sha512.ts';

const words = new Words(new WebAssembly.Memory({ initial: 1 }));
const evaluator = new Evaluator(words, 0, { translate: () => -1 });
const registers = new BigUint64Array(words.u8.buffer, V, 64);

/** Executes an instruction on vector registers by number. */
function execute(name: string, d: number, n: number, m = 0): void {
  const row = CRYPTO_SHA512.find((candidate) => candidate.name === name)!;
  evaluator.step(row, 0, { a: vector(d), b: vector(n), c: vector(m) });
}

type Pair = readonly [low: bigint, high: bigint];
const read = (n: number): Pair => [registers[2 * n]!, registers[2 * n + 1]!];
const write = (n: number, pair: Pair): void => registers.set(pair, 2 * n);
const sum = (a: Pair, b: Pair): Pair => [a[0] + b[0], a[1] + b[1]];

const PRIMES = Array.from({ length: 410 }, (_, n) => n).filter(
  (n) => n > 1 && !Array.from({ length: n }, (_unused, d) => d).some((d) => d > 1 && n % d === 0),
);
/** The first 64 bits of the fractional part of a prime's root. Source: FIPS 180-4, sections 4.2.3, 5.3.5. */
function fraction(prime: number, degree: 2n | 3n): bigint {
  const radicand = BigInt(prime) << (64n * degree);
  let root = 0n;
  for (let bit = 1n << 70n; bit > 0n; bit >>= 1n) if ((root + bit) ** degree <= radicand) root += bit;
  return BigInt.asUintN(64, root);
}

test('SHA512H, H2, SU0 and SU1 make the digest of a message', () => {
  const message = 'abc';
  const block = new DataView(new ArrayBuffer(128));
  Buffer.from(message).forEach((byte, i) => block.setUint8(i, byte));
  block.setUint8(message.length, 0x80);
  block.setUint32(124, 8 * message.length);
  for (let n = 0; n < 8; n++) write(n, [block.getBigUint64(16 * n), block.getBigUint64(16 * n + 8)]);
  const initial = PRIMES.slice(0, 8).map((prime) => fraction(prime, 2n));
  // Registers of a and b, c and d, e and f, g and h; and of the operands between them.
  let [ab, cd, ef, gh] = [8, 9, 10, 11] as [number, number, number, number];
  const [fg, de, next] = [12, 13, 14];
  for (const [n, at] of [ab, cd, ef, gh].entries()) write(at, [initial[2 * n]!, initial[2 * n + 1]!]);
  for (let round = 0; round < 40; round++) {
    const schedule = round & 7;
    const after = (n: number): number => (round + n) & 7;
    const [first, second] = sum(read(schedule), [
      fraction(PRIMES[2 * round]!, 3n),
      fraction(PRIMES[2 * round + 1]!, 3n),
    ]);
    write(fg, [read(ef)[1], read(gh)[0]]);
    write(de, [read(cd)[1], read(ef)[0]]);
    write(gh, sum(read(gh), [second, first]));
    execute('SHA512SU0', schedule, after(1));
    write(next, [read(after(4))[1], read(after(5))[0]]);
    execute('SHA512SU1', schedule, after(7), next);
    execute('SHA512H', gh, fg, de);
    const e = sum(read(cd), read(gh));
    execute('SHA512H2', gh, cd, ab);
    write(cd, e);
    [ab, cd, ef, gh] = [gh, ab, cd, ef];
  }
  const digest = [ab, cd, ef, gh].flatMap(read).map((word, i) => BigInt.asUintN(64, word + initial[i]!));
  const hex = digest.map((word) => word.toString(16).padStart(16, '0')).join('');
  expect(hex).toBe(createHash('sha512').update(message).digest('hex'));
});
