/**
 * A register that turns the machine off or resets it, for guests without a PSCI that can. Linux drives it as a syscon.
 * Source: Linux Documentation/devicetree/bindings/power/reset/syscon-poweroff.yaml, syscon-reboot.yaml.
 */
import type { AccessWidth, MmioDevice } from '../bus/device.ts';

/** Offset of the one register; it reads as zero. */
export const POWER_CONTROL = 0x0;
/** Written: power off. */
export const POWER_CONTROL_OFF = 0x5555;
/** Written: reset. */
export const POWER_CONTROL_RESET = 0x7777;

/** What the guest asks for. */
export type PowerRequest = 'shutdown' | 'reset';

/** Has no state: what it is told, it does. */
export class PowerControl implements MmioDevice {
  readonly #request: (request: PowerRequest) => void;

  constructor(request: (request: PowerRequest) => void) {
    this.#request = request;
  }

  read(_offset: number, _width: AccessWidth): number {
    return 0;
  }

  write(offset: number, value: number, _width: AccessWidth): void {
    if (offset !== POWER_CONTROL) return;
    if (value === POWER_CONTROL_OFF) this.#request('shutdown');
    if (value === POWER_CONTROL_RESET) this.#request('reset');
  }
}
