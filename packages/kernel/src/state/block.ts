/** A VM's or vCPU's block: words at offsets from its start. A view, never the owner. */
import type { Words } from './words.ts';

export class Block {
  readonly words: Words;
  /** Byte address of the block, a multiple of 4096. */
  readonly base: number;

  constructor(words: Words, base: number) {
    this.words = words;
    this.base = base;
  }

  get32(offset: number): number {
    return this.words.get32(this.base + offset);
  }

  set32(offset: number, value: number): void {
    this.words.set32(this.base + offset, value);
  }

  get64(offset: number): bigint {
    return this.words.get64(this.base + offset);
  }

  set64(offset: number, value: bigint): void {
    this.words.set64(this.base + offset, value);
  }

  /** See {@link Words.getNumber}. */
  getNumber(offset: number): number {
    return this.words.getNumber(this.base + offset);
  }

  setNumber(offset: number, value: number): void {
    this.words.setNumber(this.base + offset, value);
  }
}
