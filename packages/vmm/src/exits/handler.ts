/** The shape of an exit handler. */
import type { MmioBus } from '../bus/mmio-bus.ts';
import type { VcpuExit } from '../kvm/exit.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import type { UserPsci } from '../smccc/user-psci.ts';
import type { MachineStop } from './stop.ts';

/** Run the same vCPU on, let others have their turn, or stop the machine. */
export type ExitAction = 'resume' | 'yield' | MachineStop;

/** What a handler sees of the machine. */
export interface ExitMachine {
  readonly bus: MmioBus;
  /** Serves the PSCI calls that are not the kernel's. */
  readonly psci: UserPsci;
}

/** Serves one kind of exit. `exit` is overwritten by the next one. */
export type ExitHandler<R extends VcpuExit['reason']> = (
  exit: Extract<VcpuExit, { reason: R }>,
  machine: ExitMachine,
  vcpu: Vcpu,
) => ExitAction;
