/** What is done about each exit. */
import type { VcpuExit } from '../kvm/exit.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import { handleFailEntry, handleInternalError } from './failure.ts';
import type { ExitAction, ExitHandler, ExitMachine } from './handler.ts';
import { handleArmNisv, handleMemoryFault, handleMmio } from './mmio.ts';
import { handleHypercall, handlePsci } from './psci.ts';
import { handleSystemEvent } from './system-event.ts';
import { crash } from './stop.ts';

/** One handler for each reason; a missing one does not compile. */
export const exitHandlers: { readonly [R in VcpuExit['reason']]: ExitHandler<R> } = {
  mmio: handleMmio,
  system_event: handleSystemEvent,
  intr: () => 'yield',
  idle: () => 'yield',
  hypercall: handleHypercall,
  psci: handlePsci,
  debug: ({ hsr }, _, vcpu) =>
    crash(vcpu, `a debug exit (ESR_EL2 0x${hsr.toString(16)}) that nobody asked for`),
  fail_entry: handleFailEntry,
  internal_error: handleInternalError,
  arm_nisv: handleArmNisv,
  memory_fault: handleMemoryFault,
  unsupported: ({ exitReason }, _, vcpu) =>
    crash(vcpu, `exit reason ${exitReason}, which this VMM does not know; use a newer @vkvm/vmm`),
};

/** Runs the handler of `exit`. */
export function handleExit(exit: VcpuExit, machine: ExitMachine, vcpu: Vcpu): ExitAction {
  // Nearly all of them are this one, and a call by name is many times that of a function.
  if (exit.reason === 'mmio') return handleMmio(exit, machine, vcpu);
  const handler = exitHandlers[exit.reason] as ExitHandler<VcpuExit['reason']>;
  return handler(exit, machine, vcpu);
}
