/** All vCPUs on one thread, by slices. */
import { VKVM_IDLE_STOPPED } from '@vkvm/uapi';
import type { ExitAction } from '../exits/handler.ts';
import { crash, findVectorLoop } from '../exits/stop.ts';
import type { MachineStop } from '../exits/stop.ts';
import type { KvmError } from '../kvm/error.ts';
import type { VcpuExit } from '../kvm/exit.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import type { MachineHost } from '../machine/host.ts';

/** How long vCPUs run before events get their turn. Nanoseconds. */
const QUANTUM = 4_000_000;
/** Exits that are served in a row before the clock is looked at. */
const EXITS_PER_LOOK = 64;
/** How often a vCPU is looked at for a loop it cannot leave. Nanoseconds. */
const WATCH_INTERVAL = 250_000_000;

/** What a machine did. */
export interface RunStats {
  /** Number of exits, by reason. */
  readonly exits: Record<VcpuExit['reason'], number>;
  /** Nanoseconds in which no vCPU had anything to do. */
  idle: number;
}

/** Counters at zero. One shape for all machines: they are counted up at every exit. */
export const createRunStats = (): RunStats => ({
  exits: {
    mmio: 0,
    intr: 0,
    idle: 0,
    system_event: 0,
    hypercall: 0,
    psci: 0,
    debug: 0,
    fail_entry: 0,
    internal_error: 0,
    arm_nisv: 0,
    memory_fault: 0,
    unsupported: 0,
  },
  idle: 0,
});

/** What the loop works for. */
export interface CooperativeOptions {
  readonly vcpus: readonly Vcpu[];
  readonly host: MachineHost;
  readonly handle: (exit: VcpuExit, vcpu: Vcpu) => ExitAction;
  /** Called between quanta, before the loop may wait: time for devices and output. */
  readonly tick: () => void;
  /** Monotonic nanoseconds at which {@link CooperativeOptions.tick} has something to do though no vCPU runs. */
  readonly nextTick: () => number;
  /** Whether anything outside of the vCPUs can still interrupt them. */
  readonly canBeWoken: () => boolean;
  /** Not undefined: the run ends with it. */
  readonly stopped: () => MachineStop | undefined;
  readonly stats: RunStats;
}

/**
 * Runs vCPUs in turns until the machine stops. `KVM_RUN` comes back at the end of a slice or when the vCPU has
 * nothing to do, so one that waits for another never blocks it.
 */
export async function runCooperatively(options: CooperativeOptions): Promise<MachineStop> {
  const { vcpus, host, tick, nextTick, canBeWoken, stopped, stats } = options;
  const turns = vcpus.map((vcpu) => new Turn(vcpu, options));
  for (;;) {
    let now = host.monotonic();
    const end = now + QUANTUM;
    let busy: boolean;
    do {
      busy = false;
      for (const turn of turns) {
        if (!turn.isDue(now)) continue;
        const stop = turn.take(end);
        if (stop) return stop;
        busy ||= turn.deadline === 0;
      }
      now = host.monotonic();
    } while (busy && now < end);
    tick();
    const stop = stopped();
    if (stop) return stop;
    if (busy) {
      await host.breathe();
      continue;
    }
    if (turns.some((turn) => turn.isDue(now))) continue;
    const deadline = Math.min(nextTick(), ...turns.map((turn) => turn.deadline));
    if (deadline === Infinity && !canBeWoken()) return nothingLeft(turns);
    const start = host.monotonic();
    await host.waitUntil(deadline);
    stats.idle += host.monotonic() - start;
  }
}

/** One vCPU's share of the thread. */
class Turn {
  /** When the vCPU wants to run again: 0 = at once, `Infinity` = when an interrupt comes. Monotonic nanoseconds. */
  deadline = 0;
  /** Whether the vCPU was powered off when it became idle. */
  isOff = false;
  readonly #vcpu: Vcpu;
  readonly #options: CooperativeOptions;
  #watchAt: number;
  #suspicion: string | undefined;

  constructor(vcpu: Vcpu, options: CooperativeOptions) {
    this.#vcpu = vcpu;
    this.#options = options;
    this.#watchAt = options.host.monotonic() + WATCH_INTERVAL;
  }

  /**
   * Whether the vCPU has something to do. One that became idle before another one sent it an interrupt, or turned it
   * on, has a request in its kick word.
   */
  isDue(now: number): boolean {
    return this.deadline <= now || this.#vcpu.isKicked;
  }

  /** Runs the vCPU until it yields, or until about `end`. */
  take(end: number): MachineStop | undefined {
    const { handle, host, stats } = this.#options;
    const counts = stats.exits;
    const vcpu = this.#vcpu;
    this.deadline = 0;
    try {
      for (let exits = 1; ; exits += 1) {
        const exit = vcpu.run();
        if (exit.reason === 'mmio') counts.mmio += 1;
        else counts[exit.reason] += 1;
        const action = handle(exit, vcpu);
        if (action === 'yield') {
          if (exit.reason === 'idle') {
            this.deadline = exit.deadline;
            this.isOff = exit.why === VKVM_IDLE_STOPPED;
          }
          return this.#watch(host.monotonic());
        }
        if (action !== 'resume') return action;
        if (exits % EXITS_PER_LOOK === 0 && host.monotonic() > end) return undefined;
      }
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'KvmError') throw error;
      return crash(vcpu, describeRunError(error as KvmError));
    }
  }

  /** Ends a run that would go on for ever: the vCPU is caught in its own exception vector at two looks. */
  #watch(now: number): MachineStop | undefined {
    if (this.deadline !== 0 || now < this.#watchAt) return undefined;
    this.#watchAt = now + WATCH_INTERVAL;
    const found = findVectorLoop(this.#vcpu);
    if (found && found.message === this.#suspicion) return found;
    this.#suspicion = found?.message;
    return undefined;
  }
}

/** What errors of `KVM_RUN` say about the guest. */
function describeRunError(error: KvmError): string {
  switch (error.errno) {
    case 'ENOSYS':
      return (
        'an access outside of RAM by an instruction that cannot be emulated (KVM_RUN: ENOSYS); ' +
        'the guest used a wrong address, or a device with more than a plain load or store'
      );
    case 'EFAULT':
      return 'an access to guest memory that could not be served (KVM_RUN: EFAULT)';
    default:
      return `${error.message}; the machine cannot go on`;
  }
}

function nothingLeft(turns: readonly Turn[]): MachineStop {
  if (turns.every(({ isOff }) => isOff)) {
    const what = turns.length === 1 ? 'its vCPU' : 'every vCPU';
    return {
      kind: 'crash',
      message: `the guest turned off ${what} (PSCI CPU_OFF) and so can do nothing more`,
    };
  }
  const all = turns.length === 1 ? 'its vCPU waits' : `all ${turns.length} vCPUs wait`;
  return {
    kind: 'crash',
    message: `the guest has halted without powering off: ${all} and no interrupt can come any more`,
  };
}
