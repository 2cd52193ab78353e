/** PrimeCell UART (PL011 r1p3). Registers: Arm DDI 0183, chapter 3. Characters take no time to send. */
import type { AccessWidth, IrqLine, MmioDevice } from '../bus/device.ts';
import { ID_BASE, readPrimeCellId } from './primecell.ts';

const UARTDR = 0x000; // data, RW
const UARTRSR_ECR = 0x004; // receive status, RO; error clear, WO
const UARTFR = 0x018; // flags, RO
const UARTILPR = 0x020; // IrDA low-power counter, RW
const UARTIBRD = 0x024; // integer baud rate, RW
const UARTFBRD = 0x028; // fractional baud rate, RW
const UARTLCR_H = 0x02c; // line control, RW
const UARTCR = 0x030; // control, RW
const UARTIFLS = 0x034; // interrupt FIFO levels, RW
const UARTIMSC = 0x038; // interrupt mask, RW
const UARTRIS = 0x03c; // raw interrupt status, RO
const UARTMIS = 0x040; // masked interrupt status, RO
const UARTICR = 0x044; // interrupt clear, WO
const UARTDMACR = 0x048; // DMA control, RW

const FR_CTS = 1 << 0;
const FR_DSR = 1 << 1;
const FR_DCD = 1 << 2;
const FR_RXFE = 1 << 4;
const FR_RXFF = 1 << 6;
const FR_TXFE = 1 << 7;

const LCR_H_FEN = 1 << 4;

const CR_UARTEN = 1 << 0;
const CR_LBE = 1 << 7;
const CR_TXE = 1 << 8;
const CR_RXE = 1 << 9;

const INT_RX = 1 << 4;
const INT_TX = 1 << 5;
const INT_RT = 1 << 6; // receive timeout

/** Depth of each FIFO in revision r1p3. */
const FIFO_DEPTH = 16;
/** Receive interrupt levels of UARTIFLS.RXIFLSEL: 1/8, 1/4, 1/2, 3/4, 7/8 full; the rest is reserved. */
const RX_LEVELS = [2, 4, 8, 12, 14, 14, 14, 14] as const;
const PERIPHERAL_ID = 0x0014_1011;

/** Reads of UARTFR in a row, with no other access between them, that only a guest waiting for input makes. */
const POLLS = 32;

/** What survives a save. */
export interface Pl011State {
  readonly ilpr: number;
  readonly ibrd: number;
  readonly fbrd: number;
  readonly lcrH: number;
  readonly cr: number;
  readonly ifls: number;
  readonly imsc: number;
  readonly ris: number;
  readonly dmacr: number;
  /** Characters in the receive FIFO. */
  readonly fifo: readonly number[];
  /** Characters that wait for room in it. */
  readonly queue: readonly number[];
}

const RESET: Pl011State = {
  ilpr: 0,
  ibrd: 0,
  fbrd: 0,
  lcrH: 0,
  cr: CR_TXE | CR_RXE,
  ifls: 0x12,
  imsc: 0,
  ris: 0,
  dmacr: 0,
  fifo: [],
  queue: [],
};

/** What a PL011 is connected to. */
export interface Pl011Options {
  readonly transmit: (byte: number) => void;
  readonly irq: IrqLine;
  readonly state?: Pl011State;
}

/**
 * A serial port whose input is never lost: what does not fit into the receive FIFO waits in a queue.
 *
 * The queue flows only while the guest wants characters, that is while a receive interrupt is unmasked or the
 * guest polls for one. Drivers empty the FIFO when they start (Linux reads up to 32 characters away), and what
 * was typed or piped in before that must survive it.
 */
export class Pl011 implements MmioDevice {
  readonly #transmit: (byte: number) => void;
  readonly #irq: IrqLine;
  #ilpr: number;
  #ibrd: number;
  #fbrd: number;
  #lcrH: number;
  #cr: number;
  #ifls: number;
  #imsc: number;
  #ris: number;
  #dmacr: number;
  readonly #fifo: number[];
  #queue: number[];
  /** Index of the first character in the queue; what lies before it is gone. */
  #head = 0;
  #polls = 0;

  constructor({ transmit, irq, state = RESET }: Pl011Options) {
    this.#transmit = transmit;
    this.#irq = irq;
    this.#ilpr = state.ilpr;
    this.#ibrd = state.ibrd;
    this.#fbrd = state.fbrd;
    this.#lcrH = state.lcrH;
    this.#cr = state.cr;
    this.#ifls = state.ifls;
    this.#imsc = state.imsc;
    this.#ris = state.ris;
    this.#dmacr = state.dmacr;
    this.#fifo = [...state.fifo];
    this.#queue = [...state.queue];
  }

  read(offset: number, _width: AccessWidth): number {
    if (offset === UARTFR) return this.#readFlags();
    this.#polls = 0;
    switch (offset) {
      case UARTDR:
        return this.#readData();
      case UARTRSR_ECR:
        return 0; // characters come without errors
      case UARTILPR:
        return this.#ilpr;
      case UARTIBRD:
        return this.#ibrd;
      case UARTFBRD:
        return this.#fbrd;
      case UARTLCR_H:
        return this.#lcrH;
      case UARTCR:
        return this.#cr;
      case UARTIFLS:
        return this.#ifls;
      case UARTIMSC:
        return this.#imsc;
      case UARTRIS:
        return this.#ris;
      case UARTMIS:
        return this.#ris & this.#imsc;
      case UARTDMACR:
        return this.#dmacr;
      default:
        return offset >= ID_BASE ? readPrimeCellId(offset, PERIPHERAL_ID) : 0;
    }
  }

  write(offset: number, value: number, _width: AccessWidth): void {
    this.#polls = 0;
    switch (offset) {
      case UARTDR:
        this.#writeData(value & 0xff);
        break;
      case UARTILPR:
        this.#ilpr = value & 0xff;
        break;
      case UARTIBRD:
        this.#ibrd = value & 0xffff;
        break;
      case UARTFBRD:
        this.#fbrd = value & 0x3f;
        break;
      case UARTLCR_H:
        this.#lcrH = value & 0xff;
        break;
      case UARTCR:
        this.#cr = value & 0xffff;
        break;
      case UARTIFLS:
        this.#ifls = value & 0x3f;
        break;
      case UARTIMSC:
        this.#imsc = value & 0x7ff;
        break;
      case UARTICR:
        this.#ris &= ~value;
        break;
      case UARTDMACR:
        this.#dmacr = value & 7;
        break;
      default:
        return; // read-only, or an error flag that is never set
    }
    this.#fill(this.#wantsInput() ? this.#depth() : 0);
    this.#update();
  }

  /** Puts characters on the receive line. */
  receive(bytes: Iterable<number>): void {
    for (const byte of bytes) this.#queue.push(byte & 0xff);
    this.#fill(this.#wantsInput() ? this.#depth() : 0);
    this.#update();
  }

  /** Characters that the guest has not taken yet. */
  get pending(): number {
    return this.#queue.length - this.#head + this.#fifo.length;
  }

  save(): Pl011State {
    return {
      ilpr: this.#ilpr,
      ibrd: this.#ibrd,
      fbrd: this.#fbrd,
      lcrH: this.#lcrH,
      cr: this.#cr,
      ifls: this.#ifls,
      imsc: this.#imsc,
      ris: this.#ris,
      dmacr: this.#dmacr,
      fifo: [...this.#fifo],
      queue: this.#queue.slice(this.#head),
    };
  }

  #readFlags(): number {
    this.#polls += 1;
    if (this.#polls >= POLLS && this.#fifo.length === 0 && this.#head < this.#queue.length) {
      this.#fill(1); // one at a time: a driver that starts later throws away what lies in the FIFO
      this.#update();
    }
    const { length } = this.#fifo;
    return (
      FR_CTS |
      FR_DSR |
      FR_DCD |
      FR_TXFE |
      (length === 0 ? FR_RXFE : 0) |
      (length >= this.#depth() ? FR_RXFF : 0)
    );
  }

  #readData(): number {
    const byte = this.#fifo.shift() ?? 0;
    if (this.#wantsInput()) this.#fill(this.#depth());
    if (this.#fifo.length < this.#rxLevel()) this.#ris &= ~INT_RX;
    if (this.#fifo.length === 0) this.#ris &= ~INT_RT;
    this.#update();
    return byte;
  }

  #writeData(byte: number): void {
    if (!(this.#cr & CR_LBE)) this.#transmit(byte);
    else if (this.#fifo.length < this.#depth()) this.#accept(byte); // a full FIFO overruns: the character is lost
    this.#ris |= INT_TX; // the FIFO has passed its level on the way to empty
  }

  #accept(byte: number): void {
    this.#fifo.push(byte);
    if (this.#fifo.length >= this.#rxLevel()) this.#ris |= INT_RX;
  }

  /** Moves characters from the queue into the FIFO until it holds `limit`, and raises what that raises. */
  #fill(limit: number): void {
    if (!(this.#cr & CR_UARTEN) || !(this.#cr & CR_RXE)) return;
    const end = Math.min(this.#head + limit - this.#fifo.length, this.#queue.length);
    if (end <= this.#head) return;
    while (this.#head < end) this.#accept(this.#queue[this.#head++] as number);
    if (this.#head < this.#queue.length) return;
    // Nothing more to come for now: the line falls silent, which is what the timeout waits for.
    this.#queue = [];
    this.#head = 0;
    this.#ris |= INT_RT;
  }

  #wantsInput(): boolean {
    return (this.#imsc & (INT_RX | INT_RT)) !== 0 && !(this.#cr & CR_LBE);
  }

  #depth(): number {
    return this.#lcrH & LCR_H_FEN ? FIFO_DEPTH : 1;
  }

  #rxLevel(): number {
    return this.#lcrH & LCR_H_FEN ? (RX_LEVELS[(this.#ifls >> 3) & 7] as number) : 1;
  }

  #update(): void {
    this.#irq((this.#ris & this.#imsc) !== 0);
  }
}
