/** The devices of the machine and their wiring. */
import type { IrqLine } from '../bus/device.ts';
import { createSpiLine } from '../bus/irq-line.ts';
import { MmioBus } from '../bus/mmio-bus.ts';
import { Pl011 } from '../devices/pl011.ts';
import { Pl031 } from '../devices/pl031.ts';
import { PowerControl } from '../devices/power-control.ts';
import type { PowerRequest } from '../devices/power-control.ts';
import type { Vm } from '../kvm/vm.ts';
import type { MachineConfig } from './config.ts';
import type { MachineHost } from './host.ts';
import { PL011, PL031, POWER } from './layout.ts';

/** Characters that are collected before they are handed on in one piece. */
const OUTPUT_SIZE = 4096;

/** What the devices are connected to. */
export interface BoardOptions {
  readonly vm: Vm;
  readonly host: MachineHost;
  readonly output: MachineConfig['output'];
  readonly unmapped?: MachineConfig['unmapped'];
  /** Called when the guest uses the power control; absent: the machine has none. */
  readonly power?: (request: PowerRequest) => void;
}

/** Everything on the bus. */
export class Board {
  readonly #options: BoardOptions;
  readonly #uartLine: IrqLine;
  readonly #rtcLine: IrqLine;
  readonly #outgoing = new Uint8Array(OUTPUT_SIZE);
  #outgoingLength = 0;
  #bus: MmioBus;
  #uart: Pl011;
  #rtc: Pl031;

  constructor(options: BoardOptions) {
    this.#options = options;
    this.#uartLine = createSpiLine(options.vm, PL011.spi);
    this.#rtcLine = createSpiLine(options.vm, PL031.spi);
    this.#uart = this.#createUart();
    this.#rtc = this.#createRtc();
    this.#bus = this.#createBus();
  }

  get bus(): MmioBus {
    return this.#bus;
  }

  /** Puts the devices back to what they are after power-on. Input that the guest has not taken yet is kept. */
  reset(): void {
    const { fifo, queue } = this.#uart.save();
    this.#uartLine(false);
    this.#rtcLine(false);
    this.#uart = this.#createUart();
    this.#rtc = this.#createRtc();
    this.#bus = this.#createBus();
    this.#uart.receive([...fifo, ...queue]);
  }

  /** Types on the guest's console. */
  receive(bytes: Uint8Array): void {
    this.#uart.receive(bytes);
  }

  /** Bytes of input that the guest has not taken yet. */
  get pendingInput(): number {
    return this.#uart.pending;
  }

  /** Lets time pass for the devices, and hands on what they have put out. */
  tick(): void {
    this.#rtc.poll();
    this.flush();
  }

  /** Monotonic nanoseconds at which {@link tick} is due next. */
  nextTick(): number {
    const seconds = this.#rtc.secondsToAlarm();
    return seconds === Infinity ? Infinity : this.#options.host.monotonic() + Math.max(seconds, 0.1) * 1e9;
  }

  /** Whether a device will interrupt without input from outside. */
  get hasAlarm(): boolean {
    return this.#rtc.secondsToAlarm() !== Infinity;
  }

  /** Hands on the console output that has been collected. */
  flush(): void {
    if (this.#outgoingLength === 0) return;
    this.#options.output(this.#outgoing.subarray(0, this.#outgoingLength));
    this.#outgoingLength = 0;
  }

  #createUart(): Pl011 {
    const transmit = (byte: number): void => {
      this.#outgoing[this.#outgoingLength++] = byte;
      if (this.#outgoingLength === OUTPUT_SIZE) this.flush();
    };
    return new Pl011({ transmit, irq: this.#uartLine });
  }

  #createRtc(): Pl031 {
    return new Pl031({ now: this.#options.host.wallClock, irq: this.#rtcLine });
  }

  #createBus(): MmioBus {
    const bus = new MmioBus(this.#options.unmapped);
    bus.attach({ name: 'pl011', base: PL011.base, size: PL011.size, device: this.#uart });
    bus.attach({ name: 'pl031', base: PL031.base, size: PL031.size, device: this.#rtc });
    const { power } = this.#options;
    if (power) bus.attach({ name: 'power control', ...POWER, device: new PowerControl(power) });
    return bus;
  }
}
