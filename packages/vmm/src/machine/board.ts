/** The devices of the machine and their wiring. */
import { SpiLine } from '../bus/irq-line.ts';
import { MmioBus } from '../bus/mmio-bus.ts';
import { Pl011 } from '../devices/pl011.ts';
import type { Pl011State } from '../devices/pl011.ts';
import { Pl031 } from '../devices/pl031.ts';
import type { Pl031State } from '../devices/pl031.ts';
import { Pl061 } from '../devices/pl061.ts';
import type { Pl061State } from '../devices/pl061.ts';
import { PowerControl } from '../devices/power-control.ts';
import type { PowerRequest } from '../devices/power-control.ts';
import type { Vm } from '../kvm/vm.ts';
import type { MachineConfig } from './config.ts';
import type { MachineHost } from './host.ts';
import { PL011, PL031, PL061, POWER, POWER_KEY_PIN } from './layout.ts';

/** Characters that are collected before they are handed on in one piece. */
const OUTPUT_SIZE = 4096;
/** How long the power key is held, nanoseconds: longer than what a guest's driver takes for bouncing. */
const KEY_PRESS = 100_000_000;

/** What survives a save: each device's state, and the level of its interrupt line. */
export interface BoardState {
  readonly pl011: Pl011State;
  readonly pl031: Pl031State;
  readonly pl061: Pl061State;
  readonly lines: { readonly pl011: boolean; readonly pl031: boolean; readonly pl061: boolean };
}

/** What the devices are connected to. */
export interface BoardOptions {
  readonly vm: Vm;
  readonly host: MachineHost;
  readonly output: MachineConfig['output'];
  readonly unmapped?: MachineConfig['unmapped'];
  /** Called when the guest uses the power control; absent: the machine has none. */
  readonly power?: (request: PowerRequest) => void;
  /** What {@link Board.save} gave; absent: power-on. The kernel knows the levels of the lines already. */
  readonly state?: BoardState | undefined;
}

/** Everything on the bus. */
export class Board {
  readonly #options: BoardOptions;
  readonly #uartLine: SpiLine;
  readonly #rtcLine: SpiLine;
  readonly #gpioLine: SpiLine;
  readonly #outgoing = new Uint8Array(OUTPUT_SIZE);
  #outgoingLength = 0;
  #bus: MmioBus;
  #uart: Pl011;
  #rtc: Pl031;
  #gpio: Pl061;
  /** When the power key is let go, monotonic nanoseconds; `Infinity` = it is not pressed. */
  #keyRelease = Infinity;

  constructor(options: BoardOptions) {
    this.#options = options;
    const { vm, state } = options;
    this.#uartLine = new SpiLine(vm, PL011.spi, state?.lines.pl011);
    this.#rtcLine = new SpiLine(vm, PL031.spi, state?.lines.pl031);
    this.#gpioLine = new SpiLine(vm, PL061.spi, state?.lines.pl061);
    this.#uart = this.#createUart(state?.pl011);
    this.#rtc = this.#createRtc(state?.pl031);
    this.#gpio = this.#createGpio(state?.pl061);
    if (state && (state.pl061.inputs & (1 << POWER_KEY_PIN)) !== 0) this.#keyRelease = 0;
    this.#bus = this.#createBus();
  }

  get bus(): MmioBus {
    return this.#bus;
  }

  /** Puts the devices back to what they are after power-on. Input that the guest has not taken yet is kept. */
  reset(): void {
    const { fifo, queue } = this.#uart.save();
    this.#uartLine.drive(false);
    this.#rtcLine.drive(false);
    this.#gpioLine.drive(false);
    this.#keyRelease = Infinity;
    this.#uart = this.#createUart();
    this.#rtc = this.#createRtc();
    this.#gpio = this.#createGpio();
    this.#bus = this.#createBus();
    this.#uart.receive([...fifo, ...queue]);
  }

  save(): BoardState {
    return {
      pl011: this.#uart.save(),
      pl031: this.#rtc.save(),
      pl061: this.#gpio.save(),
      lines: {
        pl011: this.#uartLine.level,
        pl031: this.#rtcLine.level,
        pl061: this.#gpioLine.level,
      },
    };
  }

  /** Types on the guest's console. */
  receive(bytes: Uint8Array): void {
    this.#uart.receive(bytes);
  }

  /** Bytes of input that the guest has not taken yet. */
  get pendingInput(): number {
    return this.#uart.pending;
  }

  /** Presses the power key, and lets it go after a while. */
  pressPowerKey(): void {
    this.#gpio.drive(POWER_KEY_PIN, true);
    this.#keyRelease = this.#options.host.monotonic() + KEY_PRESS;
  }

  /** Lets time pass for the devices, and hands on what they have put out. */
  tick(): void {
    this.#rtc.poll();
    if (this.#keyRelease !== Infinity && this.#keyRelease <= this.#options.host.monotonic()) {
      this.#keyRelease = Infinity;
      this.#gpio.drive(POWER_KEY_PIN, false);
    }
    this.flush();
  }

  /** Monotonic nanoseconds at which {@link tick} is due next. */
  nextTick(): number {
    const seconds = this.#rtc.secondsToAlarm();
    const alarm =
      seconds === Infinity ? Infinity : this.#options.host.monotonic() + Math.max(seconds, 0.1) * 1e9;
    return Math.min(alarm, this.#keyRelease);
  }

  /** Whether a device will interrupt without input from outside. */
  get hasAlarm(): boolean {
    return this.#rtc.secondsToAlarm() !== Infinity || this.#keyRelease !== Infinity;
  }

  /** Hands on the console output that has been collected. */
  flush(): void {
    if (this.#outgoingLength === 0) return;
    this.#options.output(this.#outgoing.subarray(0, this.#outgoingLength));
    this.#outgoingLength = 0;
  }

  #createUart(state?: Pl011State): Pl011 {
    const transmit = (byte: number): void => {
      this.#outgoing[this.#outgoingLength++] = byte;
      if (this.#outgoingLength === OUTPUT_SIZE) this.flush();
    };
    return new Pl011({ transmit, irq: this.#uartLine.drive, ...(state && { state }) });
  }

  #createRtc(state?: Pl031State): Pl031 {
    const { wallClock } = this.#options.host;
    return new Pl031({ now: wallClock, irq: this.#rtcLine.drive, ...(state && { state }) });
  }

  #createGpio(state?: Pl061State): Pl061 {
    return new Pl061({ irq: this.#gpioLine.drive, ...(state && { state }) });
  }

  #createBus(): MmioBus {
    const bus = new MmioBus(this.#options.unmapped);
    bus.attach({ name: 'pl011', base: PL011.base, size: PL011.size, device: this.#uart });
    bus.attach({ name: 'pl031', base: PL031.base, size: PL031.size, device: this.#rtc });
    bus.attach({ name: 'pl061', base: PL061.base, size: PL061.size, device: this.#gpio });
    const { power } = this.#options;
    if (power) bus.attach({ name: 'power control', ...POWER, device: new PowerControl(power) });
    return bus;
  }
}
