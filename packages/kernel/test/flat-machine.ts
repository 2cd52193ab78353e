/** An Engine over a bare memory: RAM, a run page, scripted ports. What interp/ and mmu/ are tested on. */
import { unpackFlags } from '../src/a64/flags.ts';
import { ACCESS_SIZE } from '../src/mmu/access.ts';
import { Engine, createInterpreter, type Interpreter, type Tier } from '../src/engine/engine.ts';
import type { Leave } from '../src/interp/leave.ts';
import { PORT_GO_ON, type Traps } from '../src/interp/traps.ts';
import type { RegionCompiler } from '../src/jit/compiler.ts';
import { Block } from '../src/state/block.ts';
import {
  CPACR_EL1,
  EL,
  FLAG_A,
  FLAG_B,
  FLAG_NZ,
  FAULT_VA,
  PC,
  POOL_LIMIT,
  POOL_SIZE,
  RUN_PAGE,
  SCTLR_EL1,
  SP_SLOT,
  STATE_SIZE,
  SYNDROME,
  V,
  X,
} from '../src/state/vcpu-state.ts';
import {
  MEMSLOTS,
  MEMSLOT_COUNT,
  MEMSLOT_FLAGS,
  MEMSLOT_GPA,
  MEMSLOT_LENGTH,
  MEMSLOT_SIZE,
  MEMSLOT_USER_ADDRESS,
} from '../src/state/vm-state.ts';
import { Words } from '../src/state/words.ts';
import { readGuest, type Guest } from './guest/guest.ts';

/** User addresses, above what is never mapped. */
const RUN_AT = 0x10_0000;
const VM_AT = 0x20_0000;
const VCPU_AT = 0x40_0000;
export const RAM_AT = 0x500_0000;
const KICK = 0xff8;

/** Guest-physical. */
export const RAM = 0x4000_0000;
export const RAM_SIZE = 0x100_0000;
/** No memslot is there. */
export const NOWHERE = 0x0900_0000;
/** Where guests are loaded. */
export const CODE = 0x4000_0000;

const PAGES = (RAM_AT + RAM_SIZE) / 0x1_0000;

const fpAtEveryLevel = 3n << 20n;

export interface Memslot {
  readonly gpa: number;
  readonly length: number;
  readonly user: number;
  readonly flags?: number;
}

const RAM_SLOT: Memslot = { gpa: RAM, length: RAM_SIZE, user: RAM_AT };

/** What {@link FlatMachine.run} saw. */
export interface Outcome {
  readonly leave: Leave;
  readonly retired: number;
  readonly pc: bigint;
  /** As they are when guest code was left: of this leave only where it writes them. */
  readonly syndrome: bigint;
  readonly far: bigint;
}

/** One access that reached a device port. */
export interface PortAccess {
  readonly access: number;
  readonly value?: bigint;
}

/** What the ports answer; by default "go on" with zeros. A test replaces what it cares about. */
export interface Script {
  hypercall: Traps['hypercall'];
  sysreg: Traps['sysreg'];
  mmioRead: Traps['mmioRead'];
  mmioWrite: Traps['mmioWrite'];
}

const interpreters: { [shared: string]: Interpreter } = {};

export class FlatMachine {
  readonly words: Words;
  readonly vm: Block;
  readonly vcpu: Block;
  readonly engine: Engine;
  script: Script = FlatMachine.#silent();

  /**
   * @param shared - whether another thread could kick
   * @param tier - which code is compiled
   * @param compiler - who compiles; absent = this thread
   */
  constructor(shared = false, tier: Tier = 'hot', compiler?: RegionCompiler) {
    this.words = new Words(new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared }));
    this.vm = new Block(this.words, VM_AT);
    this.vcpu = new Block(this.words, VCPU_AT);
    const interpreter = (interpreters[String(shared)] ??= createInterpreter(shared));
    this.engine = new Engine({
      interpreter,
      words: this.words,
      vcpu: VCPU_AT,
      vm: VM_AT,
      traps: {
        hypercall: (smc, immediate) => this.script.hypercall(smc, immediate),
        sysreg: (word) => this.script.sysreg(word),
        mmioRead: (access) => this.script.mmioRead(access),
        mmioWrite: (access) => this.script.mmioWrite(access),
        hearsAll: true,
      },
      plainSysreg: () => -1,
      tier,
      ...(compiler && { compiler }),
    });
    this.engine.format();
    this.reset();
  }

  static #silent(): Script {
    return { hypercall: () => 0, sysreg: () => 0, mmioRead: () => 0, mmioWrite: () => 0 };
  }

  /** A vCPU out of reset at EL1 with the MMU off, one memslot of zeroed RAM, ports that answer "go on". */
  reset(): void {
    this.engine.format();
    this.words.u8.fill(0, RAM_AT, RAM_AT + RAM_SIZE);
    this.words.u8.fill(0, VCPU_AT, VCPU_AT + STATE_SIZE);
    this.words.set32(RUN_AT + KICK, 0);
    this.script = FlatMachine.#silent();
    this.setMemslots([RAM_SLOT]);
    this.vcpu.set32(RUN_PAGE, RUN_AT);
    this.vcpu.set32(POOL_LIMIT, POOL_SIZE);
    this.vcpu.set32(EL, 1);
    this.vcpu.set64(CPACR_EL1, fpAtEveryLevel);
    this.engine.format();
  }

  /** @param slots - sorted by guest-physical address */
  setMemslots(slots: readonly Memslot[]): void {
    this.vm.set32(MEMSLOT_COUNT, slots.length);
    for (const [i, { gpa, length, user, flags = 0 }] of slots.entries()) {
      const slot = MEMSLOTS + i * MEMSLOT_SIZE;
      this.vm.setNumber(slot + MEMSLOT_GPA, gpa);
      this.vm.setNumber(slot + MEMSLOT_LENGTH, length);
      this.vm.set32(slot + MEMSLOT_USER_ADDRESS, user);
      this.vm.set32(slot + MEMSLOT_FLAGS, flags);
    }
    this.engine.flushTlb();
    this.engine.flushCode();
  }

  // ---- registers

  x(n: number): bigint {
    return this.vcpu.get64(X + 8 * n);
  }

  setX(n: number, value: bigint | number): void {
    this.vcpu.set64(X + 8 * n, BigInt.asUintN(64, BigInt(value)));
  }

  setSp(value: bigint | number): void {
    this.vcpu.set64(SP_SLOT, BigInt.asUintN(64, BigInt(value)));
  }

  v(n: number): bigint {
    const low = this.vcpu.get64(V + 16 * n);
    return (this.vcpu.get64(V + 16 * n + 8) << 64n) | low;
  }

  setV(n: number, value: bigint): void {
    this.vcpu.set64(V + 16 * n, BigInt.asUintN(64, value));
    this.vcpu.set64(V + 16 * n + 8, BigInt.asUintN(64, value >> 64n));
  }

  /** All general and vector registers, SP and the pc: to show that nothing changed. */
  registers(): readonly bigint[] {
    return [
      ...Array.from({ length: 31 }, (_, n) => this.x(n)),
      ...Array.from({ length: 32 }, (_, n) => this.v(n)),
      this.vcpu.get64(SP_SLOT),
      this.vcpu.get64(PC),
    ];
  }

  /** Runs from `pc`, and tells all that another machine is to have in common with this one. */
  observe(
    pc: bigint,
    budget: number,
  ): Pick<Outcome, 'leave' | 'retired' | 'pc'> & {
    readonly nzcv: number;
    readonly registers: readonly bigint[];
  } {
    const { leave, retired, pc: at } = this.run(pc, budget);
    return { leave, retired, pc: at, nzcv: this.nzcv, registers: this.registers() };
  }

  /** NZCV in bits 3:0. */
  get nzcv(): number {
    const [nz, a, b] = [FLAG_NZ, FLAG_A, FLAG_B].map((word) => this.vcpu.get64(word));
    return unpackFlags({ nz: nz!, a: a!, b: b! });
  }

  /** Gets another one's flags. */
  takeFlags({ vcpu }: FlatMachine): void {
    for (const word of [FLAG_NZ, FLAG_A, FLAG_B]) this.vcpu.set64(word, vcpu.get64(word));
  }

  /** Writes a system register and what follows from it. @param offset - its place in the vCPU state */
  setSysreg(offset: number, value: bigint): void {
    this.vcpu.set64(offset, BigInt.asUintN(64, value));
    this.engine.regimeChanged();
    this.engine.contextChanged();
  }

  setSctlr(value: bigint): void {
    this.setSysreg(SCTLR_EL1, value);
  }

  setEl(el: 0 | 1): void {
    this.vcpu.set32(EL, el);
    this.engine.contextChanged();
  }

  // ---- memory

  /** @param gpa - in RAM */
  read64(gpa: number): bigint {
    return this.#view.getBigUint64(this.userOf(gpa), true);
  }

  write64(gpa: number, value: bigint | number): void {
    this.#view.setBigUint64(this.userOf(gpa), BigInt.asUintN(64, BigInt(value)), true);
  }

  get #view(): DataView {
    return new DataView(this.words.memory.buffer);
  }

  userOf(gpa: number): number {
    return RAM_AT + (gpa - RAM);
  }

  /** The bytes of a range of RAM, as they are: not a copy. */
  ram(gpa: number, length: number): Uint8Array {
    return this.words.u8.subarray(this.userOf(gpa), this.userOf(gpa) + length);
  }

  // ---- code

  /** Puts words at a multiple of 4 in RAM and drops what was decoded of the place. */
  place(gpa: number, words: readonly number[]): void {
    for (const [i, word] of words.entries()) this.words.set32(this.userOf(gpa) + 4 * i, word);
    this.engine.flushCodeRange(this.userOf(gpa), 4 * words.length);
  }

  /** Loads a guest of test/guest. */
  load(name: string, gpa = CODE): Guest {
    const guest = readGuest(name);
    this.place(gpa, guest.words);
    return guest;
  }

  /** Runs from an address until guest code is left. */
  run(pc: bigint | number, budget = 100_000): Outcome {
    this.vcpu.set64(PC, BigInt.asUintN(64, BigInt(pc)));
    return this.resume(budget);
  }

  /** Goes on at the pc. */
  resume(budget = 100_000): Outcome {
    const leave = this.engine.run(budget);
    return {
      leave,
      retired: this.engine.retired,
      pc: this.vcpu.get64(PC),
      syndrome: this.vcpu.get64(SYNDROME),
      far: this.vcpu.get64(FAULT_VA),
    };
  }

  /** Ports of system registers go on; at their call number `turn` something happens before. */
  changeAt(turn: number, change: (machine: FlatMachine) => void): void {
    let calls = 0;
    this.script.sysreg = () => {
      calls++;
      if (calls === turn) change(this);
      return PORT_GO_ON;
    };
  }

  kick(value = 1): void {
    this.words.set32(RUN_AT + KICK, value);
  }
}

/** log2 of the size of a port's access. */
export const sizeOf = (access: number): number => access & ACCESS_SIZE;
