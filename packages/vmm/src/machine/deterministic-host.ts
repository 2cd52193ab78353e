/** The place of a machine whose guest finds the same each time: its time is the VM's, its chance is none. */
import type { Vm } from '../kvm/vm.ts';
import type { MachineConfig } from './config.ts';
import { createMachineHost } from './host.ts';
import type { MachineHost } from './host.ts';

/** Wall-clock time at power-on, seconds since 1970: 2026-01-01. */
export const DETERMINISTIC_EPOCH = 1_767_225_600;

/** Seeds are expanded from this one: xorshift32. Source: G. Marsaglia, Xorshift RNGs (2003). */
const SEED = 0x766b_766d;

/** The place that a machine runs in. @param host - the real one. Default: what every JavaScript platform has */
export const hostOf = (
  { deterministic }: Pick<MachineConfig, 'deterministic'>,
  vm: Vm,
  host: MachineHost = createMachineHost(),
): MachineHost => (deterministic ? createDeterministicHost(host, vm) : host);

/** @param host - the real one; what happens there, such as a time-out, can end a run but is not seen by the guest */
function createDeterministicHost(host: MachineHost, vm: Vm): MachineHost {
  let state = SEED;
  return {
    monotonic: () => vm.clock,
    wallClock: () => DETERMINISTIC_EPOCH + vm.clock / 1e9,
    random(bytes) {
      for (const index of bytes.keys()) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        bytes[index] = state;
      }
    },
    breathe: host.breathe,
    async waitUntil(deadline) {
      if (deadline === Infinity) return host.waitUntil(Infinity);
      vm.advanceClock(deadline);
      return host.breathe();
    },
    wake: host.wake,
  };
}
