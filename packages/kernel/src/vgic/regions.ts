/**
 * Register rows of the memory-mapped frames, and access to them.
 *
 * What no row covers, or a row does not allow at that width or alignment, reads as zero and ignores writes, for guests
 * and for user space. Handlers see whole words of 32 bits; the vGIC lock is held.
 */
import { holds } from '../state/profile.ts';
import type { Releases } from '../state/profile.ts';
import { interruptCount } from './interrupts.ts';
import type { Gic } from './interrupts.ts';

/** Widths a row allows: a set of byte counts, which are powers of two. */
export const WIDTH_8 = 1;
export const WIDTH_32 = 4;
export const WIDTH_64 = 8;

/**
 * @param vcpu - address of the block of the vCPU whose frame it is; for the distributor, of the one that accesses it; for
 *   an ITS, of its own
 * @param word - number of the word in the row
 */
export type ReadWord = (gic: Gic, vcpu: number, word: number) => number;
/** @returns for user space: 0 or -errno */
export type WriteWord = (gic: Gic, vcpu: number, word: number, value: number) => number;

export interface RegisterRow {
  readonly name: string;
  /** Bytes from the start of the frames. */
  readonly offset: number;
  /** Bytes; absent = follows from `bits` and the number of interrupts there are. */
  readonly length?: number;
  /** Bits an interrupt has in it. */
  readonly bits?: number;
  readonly widths: number;
  /** In which profiles there is one. */
  readonly releases?: Releases;
  /** Zeros have no effect, so the bytes around one that is written are not read. */
  readonly onesOnly?: true;
  readonly read: ReadWord;
  readonly write: WriteWord;
  /** What user space sees instead. */
  readonly userRead?: ReadWord;
  readonly userWrite?: WriteWord;
}

export const zero = (): number => 0;
export const ignore = (): number => 0;

const lengthOf = (gic: Gic, { length, bits }: RegisterRow): number =>
  length ?? (interruptCount(gic) * bits!) / 8;

/** The row that allows an access. */
export function findRow(
  gic: Gic,
  rows: readonly RegisterRow[],
  offset: number,
  bytes: number,
): RegisterRow | undefined {
  if (offset % bytes !== 0) return undefined;
  const row = rows.find((each) => offset >= each.offset && offset < each.offset + lengthOf(gic, each));
  if (row === undefined || (row.widths & bytes) === 0) return undefined;
  return row.releases === undefined || holds(gic, row.releases) ? row : undefined;
}

/** A guest's load or store. */
export interface FrameAccess {
  /** 1, 2, 4 or 8. */
  readonly bytes: number;
  readonly write: boolean;
  /** Byte address of eight bytes: the value that is stored, or where the loaded one goes, zero-extended. */
  readonly data: number;
}

/** Makes a guest's access, `offset` bytes into the frames that `rows` describe. */
export function accessRegister(
  gic: Gic,
  rows: readonly RegisterRow[],
  vcpu: number,
  offset: number,
  { bytes, write, data }: FrameAccess,
): void {
  const { words } = gic;
  const row = findRow(gic, rows, offset, bytes);
  if (row === undefined) {
    if (!write) words.set64(data, 0n);
    return;
  }
  const word = (offset - row.offset) >>> 2;
  const shift = (offset & 3) * 8;
  const value = words.get32(data);
  if (!write) {
    const read = row.read(gic, vcpu, word);
    words.set32(data, bytes === WIDTH_8 ? (read >>> shift) & 0xff : read);
    words.set32(data + 4, bytes === WIDTH_64 ? row.read(gic, vcpu, word + 1) : 0);
  } else if (bytes === WIDTH_8) {
    const others = row.onesOnly ? 0 : row.read(gic, vcpu, word) & ~(0xff << shift);
    row.write(gic, vcpu, word, others | ((value & 0xff) << shift));
  } else {
    row.write(gic, vcpu, word, value);
    if (bytes === WIDTH_64) row.write(gic, vcpu, word + 1, words.get32(data + 4));
  }
}

/** User space's read of a word. */
export function userReadRegister(
  gic: Gic,
  rows: readonly RegisterRow[],
  vcpu: number,
  offset: number,
): number {
  const row = findRow(gic, rows, offset, WIDTH_32);
  if (row === undefined) return 0;
  return (row.userRead ?? row.read)(gic, vcpu, (offset - row.offset) >>> 2) >>> 0;
}

/** User space's write of a word. @returns 0 or -errno */
export function userWriteRegister(
  gic: Gic,
  rows: readonly RegisterRow[],
  vcpu: number,
  offset: number,
  value: number,
): number {
  const row = findRow(gic, rows, offset, WIDTH_32);
  if (row === undefined) return 0;
  return (row.userWrite ?? row.write)(gic, vcpu, (offset - row.offset) >>> 2, value);
}
