/** Guest memory, piece by piece: pages that are all zero are left out, the others are deflated. */
import { PAGE_SIZE, bytes, struct, u32, u64n } from '@vkvm/uapi';
import type { RamRange } from '../loader/ram.ts';
import { deflate, inflate } from './deflate.ts';
import { SnapshotError } from './error.ts';
import { MEMORY_PIECE, SECTION } from './format.ts';
import type { SectionType } from './format.ts';
import type { SnapshotWriter } from './writer.ts';

const BITMAP = MEMORY_PIECE / PAGE_SIZE / 8;

/** What a piece starts with; the deflated pages follow. */
const memoryPiece = struct('vkvm_snapshot_memory', 16 + BITMAP, {
  address: u64n(0), // guest-physical, a multiple of MEMORY_PIECE
  length: u32(8), // bytes that the piece covers: MEMORY_PIECE, or less at the end of RAM
  pages: u32(12), // how many of them follow
  present: bytes(16, BITMAP), // bit n of byte m: page 8m + n follows
});

/** Pieces that are deflated at a time: platforms do it on other threads. */
const AT_ONCE = 4;

/** RAM of the guest, or of its secure runtime, and where it is for whom it is. */
export interface GuestMemory {
  /** Bytes of the process memory, at a page boundary. */
  readonly ram: Uint8Array;
  readonly range: RamRange;
}

/** Writes all of it. Beside it there are never more than a few pieces in memory. */
export async function saveMemory(
  { ram, range }: GuestMemory,
  writer: SnapshotWriter,
  type: SectionType = SECTION.memory,
): Promise<void> {
  for (let offset = 0; offset < ram.length; offset += AT_ONCE * MEMORY_PIECE) {
    const batch = Array.from({ length: AT_ONCE }, (_, index) => offset + index * MEMORY_PIECE)
      .filter((at) => at < ram.length)
      .map((at) => encodePiece(ram.subarray(at, at + MEMORY_PIECE), range.base + at));
    for (const payload of await Promise.all(batch)) {
      if (payload) await writer.section(type, payload);
    }
  }
}

/** @returns undefined for a piece that is all zero */
async function encodePiece(piece: Uint8Array, address: number): Promise<Uint8Array | undefined> {
  const present = new Uint8Array(BITMAP);
  const packed = new Uint8Array(piece.length);
  const words = new Int32Array(piece.buffer, piece.byteOffset, piece.length / 4);
  const pageWords = PAGE_SIZE / 4;
  let pages = 0;
  for (let page = 0; page < piece.length / PAGE_SIZE; page += 1) {
    if (isZero(words, page * pageWords, pageWords)) continue;
    packed.set(piece.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE), pages * PAGE_SIZE);
    present[page >> 3]! |= 1 << (page & 7);
    pages += 1;
  }
  if (pages === 0) return undefined;
  const data = await deflate(packed.subarray(0, pages * PAGE_SIZE));
  const payload = new Uint8Array(memoryPiece.size + data.length);
  memoryPiece.write(payload.buffer, 0, { address, length: piece.length, pages, present });
  payload.set(data, memoryPiece.size);
  return payload;
}

function isZero(words: Int32Array, start: number, length: number): boolean {
  for (let index = start; index < start + length; index += 1) {
    if (words[index] !== 0) return false;
  }
  return true;
}

/**
 * Puts one piece into RAM that is all zero.
 *
 * @throws {SnapshotError} the piece contradicts itself, or lies outside of RAM
 */
export async function restoreMemory({ ram, range }: GuestMemory, payload: Uint8Array): Promise<void> {
  if (payload.length < memoryPiece.size) throw contradiction('a piece of memory is too short');
  const { address, length, pages, present } = memoryPiece.read(payload.buffer, payload.byteOffset);
  const at = address - range.base;
  if (at < 0 || at % MEMORY_PIECE !== 0 || length !== Math.min(MEMORY_PIECE, ram.length - at)) {
    throw contradiction(`memory at 0x${address.toString(16)} is outside of the guest's RAM`);
  }
  const count = length / PAGE_SIZE;
  const wanted = Array.from({ length: BITMAP * 8 }, (_, page) => page).filter(
    (page) => (present[page >> 3]! >> (page & 7)) & 1,
  );
  const packed = await inflate(payload.subarray(memoryPiece.size), MEMORY_PIECE);
  if (
    wanted.length !== pages ||
    wanted.some((page) => page >= count) ||
    packed.length !== pages * PAGE_SIZE
  ) {
    throw contradiction(`the pages at 0x${address.toString(16)} are not the ones it lists`);
  }
  wanted.forEach((page, index) => {
    ram.set(packed.subarray(index * PAGE_SIZE, (index + 1) * PAGE_SIZE), at + page * PAGE_SIZE);
  });
}

const contradiction = (what: string): SnapshotError =>
  new SnapshotError('damaged', `the snapshot contradicts itself: ${what}; save the guest again`);
