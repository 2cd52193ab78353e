/** Extensions that the reference's `max` has and vkvm does not announce: there each of their words is undefined. */
import type { Random } from '../../packages/kernel/test/cpu-state.ts';

interface Encoding {
  readonly name: string;
  readonly mask: number;
  readonly value: number;
}

/** `0`, `1` or `x` for each bit, most significant first; spaces do not count. */
function encoding(name: string, diagram: string): Encoding {
  const bits = diagram.replaceAll(' ', '');
  if (bits.length !== 32) throw new RangeError(`${name}: the diagram has ${bits.length} bits`);
  const number = (one: RegExp): number => parseInt(bits.replaceAll(one, '1').replaceAll(/[^1]/g, '0'), 2);
  return { name, mask: number(/[01]/g), value: number(/1/g) };
}

/** Source: Arm DDI 0487, C4.1, by feature. */
const UNANNOUNCED: readonly Encoding[] = [
  encoding('MTE: ADDG, SUBG', '1x0 100011 0 xxxxxx xx xxxx xxxxx xxxxx'),
  encoding('MTE: SUBP, SUBPS', '1 0 x 11010110 xxxxx 000000 xxxxx xxxxx'),
  encoding('MTE: IRG, GMI', '1 0 0 11010110 xxxxx 00010x xxxxx xxxxx'),
  encoding('MTE: STG, LDG, …', '11011001 xx 1 xxxxxxxxx xx xxxxx xxxxx'),
  encoding('MTE: STGP', '0110100xx0 xxxxxxx xxxxx xxxxx xxxxx'),
  encoding('LOR: LDLAR, STLLR', 'xx 001000 1 x 0 xxxxx 0 xxxxx xxxxx xxxxx'),
  encoding('SM3: TT1A, …', '11001110 010 xxxxx 10 xx xx xxxxx xxxxx'),
  encoding('SM3: SS1', '11001110 010 xxxxx 0 xxxxx xxxxx xxxxx'),
  encoding('SM3: PARTW1, PARTW2, SM4: EKEY', '11001110 011 xxxxx 1100 xx xxxxx xxxxx'),
  encoding('SM4: E', '11001110 110 00000 1000 01 xxxxx xxxxx'),
  encoding('FHM: FMLAL, FMLSL', '0 x 0 01110 x0 1 xxxxx 111011 xxxxx xxxxx'),
  encoding('FHM: FMLAL2, FMLSL2', '0 x 1 01110 x0 1 xxxxx 110011 xxxxx xxxxx'),
  encoding('FHM: FMLAL, FMLSL (by element)', '0 x 0 01111 10 xx xxxx 0x00 x 0 xxxxx xxxxx'),
  encoding('FHM: FMLAL2, FMLSL2 (by element)', '0 x 1 01111 10 xx xxxx 1x00 x 0 xxxxx xxxxx'),
  encoding('BF16: BFDOT, BFMLAL', '0 x 1 01110 x1 0 xxxxx 111111 xxxxx xxxxx'),
  encoding('BF16: BFMMLA', '0 1 1 01110 01 0 xxxxx 111011 xxxxx xxxxx'),
  encoding('BF16: BFDOT, BFMLAL (by element)', '0 x 0 01111 x1 xx xxxx 1111 x 0 xxxxx xxxxx'),
  encoding('BF16: BFCVT', '0 0 0 11110 01 1 000110 10000 xxxxx xxxxx'),
  encoding('BF16: BFCVTN', '0 x 0 01110 10 10000 10110 10 xxxxx xxxxx'),
  encoding('I8MM: SMMLA, UMMLA', '0 1 x 01110 10 0 xxxxx 101001 xxxxx xxxxx'),
  encoding('I8MM: USMMLA', '0 1 0 01110 10 0 xxxxx 101011 xxxxx xxxxx'),
  encoding('I8MM: USDOT', '0 x 0 01110 10 0 xxxxx 100111 xxxxx xxxxx'),
  encoding('I8MM: USDOT, SUDOT (by element)', '0 x 0 01111 x0 xx xxxx 1111 x 0 xxxxx xxxxx'),
];

export const isUnannounced = (word: number): boolean =>
  UNANNOUNCED.some(({ mask, value }) => (word & mask) >>> 0 === value >>> 0);

/** A random word of one of the encodings. */
export function chooseUnannounced(random: Random): number {
  const { mask, value } = random.pick(UNANNOUNCED);
  return (value | (random.next() & ~mask)) >>> 0;
}
