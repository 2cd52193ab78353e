/** A VM's or vCPU's block: words at offsets from its start. A view, never the owner. */
import type { Words } from './words.ts';

export class Block {
  readonly words: Words;
  /** Byte address of the block, a multiple of 4096. */
  readonly base: number;
  /** From the start of the block on: a word is one indexed load, and most of what an exit to user space does is words. */
  readonly #u32: Uint32Array;

  constructor(words: Words, base: number) {
    this.words = words;
    this.base = base;
    this.#u32 = words.from(base);
  }

  get32(offset: number): number {
    return this.#u32[offset >>> 2]!;
  }

  set32(offset: number, value: number): void {
    this.#u32[offset >>> 2] = value;
  }

  get64(offset: number): bigint {
    return this.words.get64(this.base + offset);
  }

  set64(offset: number, value: bigint): void {
    this.words.set64(this.base + offset, value);
  }

  /** See {@link Words.getNumber}. */
  getNumber(offset: number): number {
    return this.#u32[(offset >>> 2) + 1]! * 0x1_0000_0000 + this.#u32[offset >>> 2]!;
  }

  /** See {@link Words.setNumber}. */
  setNumber(offset: number, value: number): void {
    this.#u32[offset >>> 2] = value;
    this.#u32[(offset >>> 2) + 1] = value / 0x1_0000_0000;
  }
}
