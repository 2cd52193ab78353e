/** PrimeCell real-time clock (PL031). Registers: Arm DDI 0224, chapter 3. Unit of time: seconds since the epoch. */
import type { AccessWidth, IrqLine, MmioDevice } from '../bus/device.ts';
import { ID_BASE, readPrimeCellId } from './primecell.ts';

const RTCDR = 0x000; // data, RO
const RTCMR = 0x004; // match, RW
const RTCLR = 0x008; // load, RW
const RTCCR = 0x00c; // control, RW: 1 once started
const RTCIMSC = 0x010; // interrupt mask, RW
const RTCRIS = 0x014; // raw interrupt status, RO
const RTCMIS = 0x018; // masked interrupt status, RO
const RTCICR = 0x01c; // interrupt clear, WO

const PERIPHERAL_ID = 0x0004_1031;

/** What survives a save. */
export interface Pl031State {
  /** Guest time minus host time. */
  readonly skew: number;
  readonly match: number;
  /** Whether `match` is an alarm that has not rung yet. */
  readonly armed: boolean;
  readonly load: number;
  readonly mask: number;
  readonly raw: number;
}

const RESET: Pl031State = { skew: 0, match: 0, armed: false, load: 0, mask: 0, raw: 0 };

/** What a PL031 is connected to. */
export interface Pl031Options {
  /** Seconds since the epoch. */
  readonly now: () => number;
  readonly irq: IrqLine;
  readonly state?: Pl031State;
}

/** A running clock with one alarm. It has no thread of its own: {@link poll} makes the alarm ring. */
export class Pl031 implements MmioDevice {
  readonly #now: () => number;
  readonly #irq: IrqLine;
  #skew: number;
  #match: number;
  #armed: boolean;
  #load: number;
  #mask: number;
  #raw: number;

  constructor({ now, irq, state = RESET }: Pl031Options) {
    this.#now = now;
    this.#irq = irq;
    this.#skew = state.skew;
    this.#match = state.match;
    this.#armed = state.armed;
    this.#load = state.load;
    this.#mask = state.mask;
    this.#raw = state.raw;
  }

  read(offset: number, _width: AccessWidth): number {
    switch (offset) {
      case RTCDR:
        return this.#time();
      case RTCMR:
        return this.#match;
      case RTCLR:
        return this.#load;
      case RTCCR:
        return 1;
      case RTCIMSC:
        return this.#mask;
      case RTCRIS:
        return this.#raw;
      case RTCMIS:
        return this.#raw & this.#mask;
      default:
        return offset >= ID_BASE ? readPrimeCellId(offset, PERIPHERAL_ID) : 0;
    }
  }

  write(offset: number, value: number, _width: AccessWidth): void {
    switch (offset) {
      case RTCMR:
        this.#match = value;
        this.#armed = true;
        break;
      case RTCLR:
        this.#load = value;
        this.#skew = value - Math.floor(this.#now());
        break;
      case RTCIMSC:
        this.#mask = value & 1;
        break;
      case RTCICR:
        this.#raw &= ~value;
        break;
      default:
        return; // RTCCR cannot be stopped once started, the rest is read-only
    }
    this.#update();
  }

  /** Seconds until the alarm, 0 if it is due; `Infinity` when none is set or it would interrupt nobody. */
  secondsToAlarm(): number {
    if (!this.#armed || !this.#mask) return Infinity;
    return Math.max(0, (this.#match - this.#time()) | 0);
  }

  /** Rings the alarm if its second has come. */
  poll(): void {
    if (!this.#armed || ((this.#match - this.#time()) | 0) > 0) return;
    this.#armed = false;
    this.#raw = 1;
    this.#update();
  }

  save(): Pl031State {
    return {
      skew: this.#skew,
      match: this.#match,
      armed: this.#armed,
      load: this.#load,
      mask: this.#mask,
      raw: this.#raw,
    };
  }

  #time(): number {
    return (Math.floor(this.#now()) + this.#skew) >>> 0;
  }

  #update(): void {
    this.#irq((this.#raw & this.#mask) !== 0);
  }
}
