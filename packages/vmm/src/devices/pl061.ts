/** PrimeCell general purpose input and output (PL061): eight pins. Registers: Arm DDI 0190, chapter 3. */
import type { AccessWidth, IrqLine, MmioDevice } from '../bus/device.ts';
import { ID_BASE, readPrimeCellId } from './primecell.ts';

const GPIODATA_END = 0x400; // data: bits 9:2 of the offset say which pins count
const GPIODIR = 0x400; // direction, RW: 1 output
const GPIOIS = 0x404; // interrupt sense, RW: 1 level, 0 edge
const GPIOIBE = 0x408; // both edges, RW
const GPIOIEV = 0x40c; // event, RW: rising edge or high level
const GPIOIE = 0x410; // interrupt mask, RW: 1 enabled
const GPIORIS = 0x414; // raw interrupt status, RO
const GPIOMIS = 0x418; // masked interrupt status, RO
const GPIOIC = 0x41c; // interrupt clear, WO: edges
const GPIOAFSEL = 0x420; // mode control select, RW

const PERIPHERAL_ID = 0x0004_1061;
const PINS = 0xff;

/** What survives a save. */
export interface Pl061State {
  /** What the outputs drive. */
  readonly data: number;
  /** Levels from outside, of all pins. */
  readonly inputs: number;
  readonly direction: number;
  readonly sense: number;
  readonly bothEdges: number;
  readonly event: number;
  readonly mask: number;
  /** Edges that were seen and not cleared. */
  readonly edges: number;
  readonly alternate: number;
}

const RESET: Pl061State = {
  data: 0,
  inputs: 0,
  direction: 0,
  sense: 0,
  bothEdges: 0,
  event: 0,
  mask: 0,
  edges: 0,
  alternate: 0,
};

/** What a PL061 is connected to. */
export interface Pl061Options {
  readonly irq: IrqLine;
  readonly state?: Pl061State;
}

/** Pins that something outside drives by {@link drive}; nobody listens to the outputs. */
export class Pl061 implements MmioDevice {
  readonly #irq: IrqLine;
  readonly #state: { -readonly [K in keyof Pl061State]: number };

  constructor({ irq, state = RESET }: Pl061Options) {
    this.#irq = irq;
    this.#state = { ...state };
  }

  read(offset: number, _width: AccessWidth): number {
    const state = this.#state;
    if (offset < GPIODATA_END) return this.#levels() & (offset >> 2) & PINS;
    switch (offset) {
      case GPIODIR:
        return state.direction;
      case GPIOIS:
        return state.sense;
      case GPIOIBE:
        return state.bothEdges;
      case GPIOIEV:
        return state.event;
      case GPIOIE:
        return state.mask;
      case GPIORIS:
        return this.#raw();
      case GPIOMIS:
        return this.#raw() & state.mask;
      case GPIOAFSEL:
        return state.alternate;
      default:
        return offset >= ID_BASE ? readPrimeCellId(offset, PERIPHERAL_ID) : 0;
    }
  }

  write(offset: number, value: number, _width: AccessWidth): void {
    const state = this.#state;
    const pins = value & PINS;
    const before = this.#levels();
    if (offset < GPIODATA_END) {
      const chosen = (offset >> 2) & state.direction & PINS;
      state.data = (state.data & ~chosen) | (pins & chosen);
    } else {
      this.#configure(offset, pins);
    }
    this.#seeEdges(before);
    this.#update();
  }

  /** @param pin - 0 to 7 @param level - that something outside gives it; it counts while the pin is an input */
  drive(pin: number, level: boolean): void {
    const before = this.#levels();
    const bit = 1 << pin;
    this.#state.inputs = level ? this.#state.inputs | bit : this.#state.inputs & ~bit;
    this.#seeEdges(before);
    this.#update();
  }

  save(): Pl061State {
    return { ...this.#state };
  }

  #configure(offset: number, pins: number): void {
    const state = this.#state;
    switch (offset) {
      case GPIODIR:
        state.direction = pins;
        break;
      case GPIOIS:
        state.sense = pins;
        break;
      case GPIOIBE:
        state.bothEdges = pins;
        break;
      case GPIOIEV:
        state.event = pins;
        break;
      case GPIOIE:
        state.mask = pins;
        break;
      case GPIOIC:
        state.edges &= ~pins;
        break;
      case GPIOAFSEL:
        state.alternate = pins;
        break;
      default:
    }
  }

  /** Levels of all pins. */
  #levels(): number {
    const { direction, data, inputs } = this.#state;
    return (data & direction) | (inputs & ~direction & PINS);
  }

  #seeEdges(before: number): void {
    const state = this.#state;
    const after = this.#levels();
    const rising = after & ~before;
    const falling = before & ~after;
    const wanted =
      ((rising | falling) & state.bothEdges) |
      (rising & ~state.bothEdges & state.event) |
      (falling & ~state.bothEdges & ~state.event);
    state.edges |= wanted & ~state.sense;
  }

  #raw(): number {
    const { sense, event, edges } = this.#state;
    const levels = this.#levels();
    return (edges & ~sense) | (sense & ((levels & event) | (~levels & ~event & PINS)));
  }

  #update(): void {
    this.#irq((this.#raw() & this.#state.mask) !== 0);
  }
}
