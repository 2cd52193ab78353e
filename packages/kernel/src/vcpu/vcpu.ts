/** One vCPU as seen by one thread: its words, and its engine, made when it is first needed. */
import type { Engine, EngineOptions } from '../engine/engine.ts';
import { Block } from '../state/block.ts';
import { FORMATTED, GENERATION } from '../state/control.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import type { SysregEngine } from '../sysreg/row.ts';
import { SYSREG_TABLE } from './sysregs.ts';
import { VcpuTraps } from './traps.ts';
import type { TrapsThread } from './traps.ts';

export type VcpuEngine = SysregEngine &
  Pick<Engine, 'run' | 'resume' | 'completeAccess' | 'step' | 'wordAtPc' | 'retired' | 'format'>;
export type EngineFactory = (options: Omit<EngineOptions, 'interpreter'>) => VcpuEngine;

export interface VcpuThread extends TrapsThread {
  readonly createEngine: EngineFactory;
  /** Tells the developer of a cause once. */
  readonly reportOnce: (cause: string) => void;
}

export class Vcpu {
  readonly block: Block;
  readonly vm: Block;
  readonly thread: VcpuThread;
  readonly engine: VcpuEngine;
  readonly traps: VcpuTraps;
  readonly #generation: number;
  /** Instructions this thread may run before it looks at the clock again. */
  untilClock = 0;

  constructor(block: Block, thread: VcpuThread) {
    const { words, host, createEngine, reportOnce } = thread;
    const vm = new Block(words, block.get32(VM_BLOCK));
    this.block = block;
    this.#generation = block.get32(GENERATION);
    this.vm = vm;
    this.thread = thread;
    // The ports run only while the engine does, so they may name it before it exists.
    const env = { host, engine: undefined as unknown as VcpuEngine };
    this.traps = new VcpuTraps(block, vm, thread, env, reportOnce);
    this.engine = createEngine({
      words,
      vcpu: block.base,
      vm: vm.base,
      traps: this.traps,
      now: () => host.now(),
      plainSysreg: (key, direction) => SYSREG_TABLE.plainSysreg(key, direction),
    });
    env.engine = this.engine;
    if (block.get32(FORMATTED) === 0) {
      this.engine.format();
      block.set32(FORMATTED, 1);
    }
  }

  /** Whether the block is still this vCPU's. */
  get isCurrent(): boolean {
    return this.block.get32(GENERATION) === this.#generation;
  }
}

/** The vCPUs that this thread has run. One that was destroyed is told from its successor in the same block. */
export class VcpuCache {
  readonly #thread: VcpuThread;
  readonly #vcpus = new Map<number, Vcpu>();
  #last: Vcpu | undefined;

  constructor(thread: VcpuThread) {
    this.#thread = thread;
  }

  /** The vCPU that was asked for last, if that is the one in this block. */
  latest(base: number): Vcpu | undefined {
    const last = this.#last;
    return last?.block.base === base && last.isCurrent ? last : undefined;
  }

  /** @param base - address of the vCPU's block */
  get(base: number): Vcpu {
    const latest = this.latest(base);
    if (latest) return latest;
    let vcpu = this.#vcpus.get(base);
    if (!vcpu?.isCurrent) {
      vcpu = new Vcpu(new Block(this.#thread.words, base), this.#thread);
      this.#vcpus.set(base, vcpu);
    }
    this.#last = vcpu;
    return vcpu;
  }
}
