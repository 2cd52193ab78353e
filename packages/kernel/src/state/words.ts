/** Typed views of the process memory. It never grows (docs/architecture.md), so they are made once a thread. */
export class Words {
  readonly memory: WebAssembly.Memory;
  /** Whether there can be another thread. Without one, words need no atomics. */
  readonly isShared: boolean;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly i64: BigInt64Array;
  readonly u64: BigUint64Array;
  /** By where they begin. There are as many as blocks. */
  readonly #views = new Map<number, Uint32Array>();

  constructor(memory: WebAssembly.Memory) {
    const { buffer } = memory;
    this.memory = memory;
    this.isShared = !(buffer instanceof ArrayBuffer);
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.u64 = new BigUint64Array(buffer);
  }

  /** The words from a block on. @param base - its byte address */
  from(base: number): Uint32Array {
    let view = this.#views.get(base);
    if (!view) {
      view = this.u32.subarray(base >>> 2);
      this.#views.set(base, view);
    }
    return view;
  }

  /** @param address - byte address, a multiple of 4 */
  get32(address: number): number {
    return this.u32[address >>> 2]!;
  }

  set32(address: number, value: number): void {
    this.u32[address >>> 2] = value;
  }

  /** @param address - byte address, a multiple of 8 */
  get64(address: number): bigint {
    return this.u64[address >>> 3]!;
  }

  set64(address: number, value: bigint): void {
    this.u64[address >>> 3] = value;
  }

  /** A 64-bit word whose value is known to be below 2⁵³, such as a guest-physical address. */
  getNumber(address: number): number {
    return this.u32[(address >>> 2) + 1]! * 0x1_0000_0000 + this.u32[address >>> 2]!;
  }

  /** @param value - a whole number, 0 ≤ value < 2⁵³ */
  setNumber(address: number, value: number): void {
    this.u32[address >>> 2] = value;
    this.u32[(address >>> 2) + 1] = value / 0x1_0000_0000;
  }
}
