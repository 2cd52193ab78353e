/** A scenario performed on a kernel. */
import type { Process, Syscalls } from '@vkvm/uapi';
import { createProcess } from '../kvm/process.ts';
import { ReplayClock } from './clock.ts';
import type { Scenario } from './scenario.ts';
import { Session } from './session.ts';
import type { Observations } from './session.ts';

/** Makes a kernel for a process. @param now - its monotonic clock, in nanoseconds */
export type KernelFactory = (process: Process, now: () => number) => Syscalls | Promise<Syscalls>;

/** Address space of a scenario: enough for as many vCPUs as any has; the host backs what is touched. */
const PROCESS_SIZE = 0x1_0000_0000;

/** A new kernel with nothing open. */
export async function startSession(createKernel: KernelFactory): Promise<Session> {
  const process = createProcess({ size: PROCESS_SIZE, shared: false });
  const clock = new ReplayClock();
  return new Session(await createKernel(process, clock.now), process, clock);
}

/** Performs every step on a kernel of its own. @returns what each one saw */
export async function performScenario(
  { steps }: Scenario,
  createKernel: KernelFactory,
): Promise<readonly Observations[]> {
  const session = await startSession(createKernel);
  return steps.map(({ operation, inputs }): Observations => {
    try {
      return operation.perform(session, inputs);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'ScenarioError') throw error;
      // An earlier step did not make what this one needs: another kernel than the recorded one.
      return { impossible: error.message };
    }
  });
}
