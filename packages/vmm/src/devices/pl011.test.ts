import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Pl011 } from './pl011.ts';

const [DR, FR, LCR_H, CR, IFLS, IMSC, RIS, MIS, ICR] = [0x00, 0x18, 0x2c, 0x30, 0x34, 0x38, 0x3c, 0x40, 0x44];
const FEN = 0x10;
const RXFE = 1 << 4;
const RXFF = 1 << 6;
const RX = 1 << 4;
const TX = 1 << 5;
const RT = 1 << 6;

function uart() {
  const sent: number[] = [];
  const line = { level: false };
  const options = {
    transmit: (byte: number) => void sent.push(byte),
    irq: (level: boolean) => void (line.level = level),
  };
  const pl011 = new Pl011(options);
  const read = (offset: number) => pl011.read(offset, 4);
  const write = (offset: number, value: number) => pl011.write(offset, value, 4);
  return { pl011, sent, line, options, read, write };
}

/** As a driver leaves it: FIFOs on, transmitter and receiver on, receive interrupts unmasked. */
function started() {
  const all = uart();
  all.write(LCR_H, 0x70);
  all.write(CR, 0x301);
  all.write(IMSC, RX | RT);
  return all;
}

const ascii = (value: string) => new TextEncoder().encode(value);

describe('the transmitter', () => {
  test('sends at once, and is always empty and never busy', () => {
    const { sent, read, write } = uart();
    write(DR, 0x141);
    expect(sent).toEqual([0x41]);
    expect(read(FR) & 0xa8).toBe(0x80); // TXFE, not TXFF, not BUSY
  });

  test('interrupts after each character until it is cleared or masked', () => {
    const { line, read, write } = uart();
    write(IMSC, TX);
    expect(line.level).toBe(false);
    write(DR, 0x41);
    expect(line.level).toBe(true);
    expect(read(MIS)).toBe(TX);
    write(ICR, TX);
    expect(line.level).toBe(false);
    write(DR, 0x42);
    write(IMSC, 0);
    expect(line.level).toBe(false);
    expect(read(RIS)).toBe(TX);
  });

  test('sends to the receiver in loopback, which loses what its FIFO cannot hold', () => {
    const { pl011, sent, read, write } = uart();
    write(LCR_H, FEN);
    write(CR, 0x381);
    for (let byte = 0; byte < 100; byte += 1) write(DR, byte);
    expect(sent).toEqual([]);
    expect(pl011.pending).toBe(16);
    expect([read(DR), read(DR)]).toEqual([0, 1]);
  });
});

describe('the receiver', () => {
  test('raises the receive interrupt at the FIFO level, the timeout when the line falls silent', () => {
    const { pl011, line, read, write } = started();
    write(IFLS, 0x12); // half full: 8
    pl011.receive(ascii('1234567'));
    expect(read(RIS)).toBe(RT);
    pl011.receive(ascii('8'));
    expect(read(RIS)).toBe(RX | RT);
    read(DR);
    expect(read(RIS)).toBe(RT);
    expect(line.level).toBe(true);
    for (let index = 0; index < 7; index += 1) read(DR);
    expect(read(RIS)).toBe(0);
    expect(line.level).toBe(false);
  });

  test.each([
    [0, 2],
    [1, 4],
    [2, 8],
    [3, 12],
    [4, 14],
  ])('level %i of UARTIFLS is %i characters', (level, count) => {
    const { pl011, read, write } = started();
    write(IFLS, level << 3);
    pl011.receive(new Uint8Array(count - 1));
    expect(read(RIS) & RX).toBe(0);
    pl011.receive([0]);
    expect(read(RIS) & RX).toBe(RX);
  });

  test('holds one character while the FIFOs are off', () => {
    const { pl011, read, write } = started();
    write(LCR_H, 0);
    pl011.receive(ascii('ab'));
    expect(read(FR) & (RXFE | RXFF)).toBe(RXFF);
    expect(read(RIS) & RX).toBe(RX);
    expect(read(DR)).toBe(0x61);
    expect(read(DR)).toBe(0x62);
    expect(read(FR) & (RXFE | RXFF)).toBe(RXFE);
  });

  test('hands over any amount of pasted text, in order', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 5 }), (pastes) => {
        const { pl011, read } = started();
        const got: number[] = [];
        for (const paste of pastes) {
          pl011.receive(paste);
          for (let index = 0; index < 30 && !(read(FR) & RXFE); index += 1) got.push(read(DR));
        }
        while (!(read(FR) & RXFE)) got.push(read(DR));
        expect(got).toEqual(pastes.flatMap((paste) => [...paste]));
        expect(pl011.pending).toBe(0);
      }),
    );
  });

  test('keeps early input from a driver that empties the FIFO when it starts', () => {
    const { pl011, read, write } = uart();
    pl011.receive(ascii('ls\n'));
    write(LCR_H, FEN);
    write(CR, 0x301);
    write(ICR, RX | RT);
    for (let index = 0; index < 32 && !(read(FR) & RXFE); index += 1) read(DR);
    write(IMSC, RX | RT);
    expect([read(DR), read(DR), read(DR)]).toEqual([...ascii('ls\n')]);
  });

  test('gives characters to a guest that polls without interrupts', () => {
    const { pl011, read, write } = uart();
    write(CR, 0x301);
    pl011.receive(ascii('hi'));
    const next = () => {
      for (let polls = 0; polls < 100; polls += 1) if (!(read(FR) & RXFE)) return read(DR);
      return undefined;
    };
    expect([next(), next(), next()]).toEqual([0x68, 0x69, undefined]);
  });

  test('does not take console output, which reads the flags too, for polling', () => {
    const { pl011, read, write } = uart();
    write(CR, 0x301);
    pl011.receive(ascii('x'));
    for (let index = 0; index < 100; index += 1) {
      read(FR);
      write(DR, 0x2e);
    }
    expect(read(FR) & RXFE).toBe(RXFE);
  });

  test('waits while it is disabled', () => {
    const { pl011, read, write } = started();
    write(CR, 0x101);
    pl011.receive(ascii('x'));
    expect(read(FR) & RXFE).toBe(RXFE);
    write(CR, 0x301);
    expect(read(DR)).toBe(0x78);
  });
});

test('identifies itself as the PL011 that Linux drives with 16-character FIFOs', () => {
  const { read } = uart();
  const id = Array.from({ length: 8 }, (_, index) => read(0xfe0 + index * 4));
  expect(id).toEqual([0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
});

test('goes on after save and restore where it was', () => {
  const { pl011, options, line } = started();
  pl011.receive(ascii('a'.repeat(20)));
  pl011.read(DR, 4);
  const copy = new Pl011({ ...options, state: structuredClone(pl011.save()) });
  expect(copy.save()).toEqual(pl011.save());
  for (let index = 0; index < 19; index += 1) expect(copy.read(DR, 4)).toBe(0x61);
  expect(line.level).toBe(false);
});

test('takes any accesses a guest can make', () => {
  const width = fc.constantFrom(1 as const, 2 as const, 4 as const);
  const access = fc.tuple(fc.nat(0xfff), width, fc.option(fc.nat(0xffff_ffff)));
  fc.assert(
    fc.property(fc.array(access), fc.string(), (accesses, typed) => {
      const { pl011 } = uart();
      for (const [offset, size, value] of accesses) {
        if (value === null) expect(pl011.read(offset, size)).toBeGreaterThanOrEqual(0);
        else pl011.write(offset, value, size);
        pl011.receive(ascii(typed));
      }
      expect(pl011.pending).toBeLessThanOrEqual(ascii(typed).length * accesses.length + 16);
    }),
  );
});

test('reserved registers read as zero and ignore writes', () => {
  const { read, write } = uart();
  const reset = [0x04, 0x08, 0x50, 0xffc - 0x40].map((offset) => {
    write(offset, 0xffff_ffff);
    return read(offset);
  });
  expect(reset).toEqual([0, 0, 0, 0]);
});
