import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MmioDevice } from './device.ts';
import { MmioBus } from './mmio-bus.ts';

/** Plain memory behind a device's two methods; remembers the accesses. */
function memory(size: number) {
  const bytes = new Uint8Array(size);
  const accesses: string[] = [];
  const device: MmioDevice = {
    read: (offset, width) => {
      accesses.push(`r${width}@${offset}`);
      return bytes.subarray(offset, offset + width).reduceRight((value, byte) => value * 256 + byte, 0);
    },
    write: (offset, value, width) => {
      accesses.push(`w${width}@${offset}`);
      for (let index = 0; index < width; index += 1) bytes[offset + index] = value >>> (index * 8);
    },
  };
  return { bytes, accesses, device };
}

describe('MmioBus', () => {
  test('gives a device offsets from its base', () => {
    const bus = new MmioBus();
    const { device, accesses } = memory(0x1000);
    bus.attach({ name: 'uart', base: 0x900_0000, size: 0x1000, device });
    bus.write(0x900_0018, new Uint8Array([1, 2, 3, 4]));
    bus.read(0x900_0fff, new Uint8Array(1));
    expect(accesses).toEqual(['w4@24', 'r1@4095']);
  });

  test('splits 8 bytes into two accesses of 4, low word first', () => {
    const bus = new MmioBus();
    const { device, accesses, bytes } = memory(16);
    bus.attach({ name: 'm', base: 0x1000, size: 16, device });
    bus.write(0x1008, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 0xff]));
    const data = new Uint8Array(8);
    bus.read(0x1008, data);
    expect([...data]).toEqual([1, 2, 3, 4, 5, 6, 7, 0xff]);
    expect([...bytes.subarray(8)]).toEqual([...data]);
    expect(accesses).toEqual(['w4@8', 'w4@12', 'r4@8', 'r4@12']);
  });

  test('reads back what was written, whatever the width', () => {
    const bus = new MmioBus();
    bus.attach({ name: 'm', base: 0x1000, size: 64, device: memory(64).device });
    const width = fc.constantFrom(1, 2, 4, 8);
    fc.assert(
      fc.property(width, fc.nat(56), fc.uint8Array({ minLength: 8, maxLength: 8 }), (length, at, bytes) => {
        const data = bytes.slice(0, length);
        bus.write(0x1000 + at, data);
        const back = new Uint8Array(length);
        bus.read(0x1000 + at, back);
        expect(back).toEqual(data);
      }),
    );
  });

  test('finds each of many devices, and nothing between them', () => {
    const unmapped: number[] = [];
    const bus = new MmioBus((address) => unmapped.push(address));
    const devices = Array.from({ length: 32 }, (_, index) => ({
      base: 0xa00_0000 + index * 0x400,
      ...memory(0x200),
    }));
    for (const { base, device } of devices.toReversed()) bus.attach({ name: 'v', base, size: 0x200, device });
    for (const { base } of devices) bus.write(base + 4, new Uint8Array([7]));
    expect(devices.map(({ bytes }) => bytes[4])).toEqual(devices.map(() => 7));
    const data = new Uint8Array([9, 9]);
    bus.read(0xa00_0200, data);
    expect([...data]).toEqual([0, 0]);
    expect(unmapped).toEqual([0xa00_0200]);
  });

  test('refuses a range that overlaps another', () => {
    const bus = new MmioBus();
    bus.attach({ name: 'uart', base: 0x1000, size: 0x1000, device: memory(1).device });
    expect(() => bus.attach({ name: 'rtc', base: 0x1ff0, size: 0x1000, device: memory(1).device })).toThrow(
      'rtc at 0x1ff0 overlaps uart',
    );
  });
});
