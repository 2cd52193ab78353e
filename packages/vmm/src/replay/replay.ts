/** A scenario performed on a kernel, and its answers against a trace. */
import { KVM_CHECK_EXTENSION } from '@vkvm/uapi';
import type { Process, Syscalls } from '@vkvm/uapi';
import { createProcess } from '../kvm/process.ts';
import { ReplayClock } from './clock.ts';
import { compare, meaningful } from './compare.ts';
import type { Difference } from './compare.ts';
import type { Doubt, Excuse } from './doubt.ts';
import { FormatError } from './json.ts';
import { RULES } from './rules.ts';
import type { Scenario, Step } from './scenario.ts';
import { Session } from './session.ts';
import type { Observations } from './session.ts';
import type { Trace } from './trace.ts';

/** Makes a kernel for a process. @param now - its monotonic clock, in nanoseconds */
export type KernelFactory = (process: Process, now: () => number) => Syscalls | Promise<Syscalls>;

/** How a kernel did. */
export type Verdict =
  | { readonly verdict: 'ok' }
  /** Everything that differs is the machine's. */
  | { readonly verdict: 'machine'; readonly reasons: readonly string[] }
  /** The first difference that is not. */
  | {
      readonly verdict: 'failed';
      readonly step: number;
      readonly op: string;
      readonly difference: Difference;
    };

/** Address space of a scenario: enough for as many vCPUs as any has; the host backs what is touched. */
const PROCESS_SIZE = 0x1_0000_0000;

/** What a step is seen to do that needs something an earlier step did not get. */
const IMPOSSIBLE = 'impossible';

/**
 * Performs a scenario on a new kernel and compares step by step.
 *
 * @throws {FormatError} the trace is of another scenario
 */
export async function replay(
  scenario: Scenario,
  trace: Trace,
  createKernel: KernelFactory,
): Promise<Verdict> {
  if (trace.skipped !== undefined) return { verdict: 'machine', reasons: [`not recorded: ${trace.skipped}`] };
  if (trace.steps.length !== scenario.steps.length || trace.name !== scenario.name) {
    throw new FormatError(
      `the trace of ${trace.name} has ${trace.steps.length} steps, ${scenario.name} has ${scenario.steps.length}`,
    );
  }
  const process = createProcess({ size: PROCESS_SIZE, shared: false });
  const clock = new ReplayClock();
  const session = new Session(await createKernel(process, clock.now), process, clock);
  const excuses = new Excuses();
  for (const [index, step] of scenario.steps.entries()) {
    const { op, out } = trace.steps[index] ?? { op: '', out: {} };
    if (op !== step.operation.name) throw new FormatError(`step ${index} of the trace is ${op}`);
    const got = perform(step, session);
    excuses.begin(step);
    const expected = meaningful(out, trace.kernel);
    for (const difference of compare(expected, got)) {
      const doubt = { session, scenario, step, expected, got, difference, capability: ask(session) };
      if (!excuses.find(doubt)) return { verdict: 'failed', step: index, op, difference };
    }
  }
  const { reasons } = excuses;
  return reasons.length === 0 ? { verdict: 'ok' } : { verdict: 'machine', reasons };
}

function perform({ operation, inputs }: Step, session: Session): Observations {
  try {
    return operation.perform(session, inputs);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ScenarioError') throw error;
    return { [IMPOSSIBLE]: error.message };
  }
}

/** Asks `/dev/kvm` for capabilities, whatever the scenario has open. */
function ask({ syscalls }: Session): Doubt['capability'] {
  return (number) => {
    const fd = syscalls.open('/dev/kvm');
    const value = syscalls.ioctl(fd, KVM_CHECK_EXTENSION, number);
    syscalls.close(fd);
    return value;
  };
}

/** The excuses of one scenario, and the VMs that cannot be compared any more. */
class Excuses {
  readonly #reasons = new Set<string>();
  /** Role of a VM → why it is not what the trace's is. */
  readonly #lost = new Map<string, Excuse>();
  /** Role of a vCPU or device → role of its VM. */
  readonly #vmOf = new Map<string, string>();

  get reasons(): readonly string[] {
    return [...this.#reasons];
  }

  /** Keeps track of which roles belong to which VM. */
  begin({ operation: { name }, inputs: { fd, as, id } }: Step): void {
    if (name === 'CREATE_VM') this.#lost.delete(String(as));
    if (name === 'CREATE_VCPU') this.#vmOf.set(String(as ?? `vcpu${String(id)}`), String(fd));
    if (name === 'CREATE_DEVICE') this.#vmOf.set(String(as), String(fd));
  }

  /** @returns whether there is one */
  find(doubt: Doubt): boolean {
    const vm = this.#vm(doubt.step);
    const lost = vm === undefined ? [...this.#lost.values()][0] : this.#lost.get(vm);
    if (lost) return true;
    for (const rule of RULES) {
      const excuse = rule(doubt);
      if (!excuse) continue;
      this.#reasons.add(excuse.reason);
      if (excuse.onward) this.#lost.set(vm ?? '', excuse);
      return true;
    }
    return false;
  }

  /** Role of the VM that a step is about; undefined where it is about none. */
  #vm({ operation: { name }, inputs: { fd, as } }: Step): string | undefined {
    if (name === 'CREATE_VM') return String(as);
    return fd === undefined ? undefined : (this.#vmOf.get(String(fd)) ?? String(fd));
  }
}
