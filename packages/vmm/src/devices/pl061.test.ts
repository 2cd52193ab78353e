import { describe, expect, test } from 'vitest';
import { Pl061 } from './pl061.ts';
import type { Pl061State } from './pl061.ts';

const DATA_ALL = 0x3fc;
const DIR = 0x400;
const IS = 0x404;
const IBE = 0x408;
const IEV = 0x40c;
const IE = 0x410;
const RIS = 0x414;
const MIS = 0x418;
const IC = 0x41c;

function gpio(state?: Pl061State) {
  const line = { level: false };
  const device = new Pl061({ irq: (level) => void (line.level = level), ...(state && { state }) });
  return { device, line };
}

describe('data', () => {
  test('is masked by the offset, when read and when written', () => {
    const { device } = gpio();
    device.write(DIR, 0xff, 4);
    device.write(DATA_ALL, 0xff, 4);
    device.write(0x0f << 2, 0, 4);
    expect([device.read(DATA_ALL, 4), device.read(0x30 << 2, 4)]).toEqual([0xf0, 0x30]);
  });

  test('of an input comes from outside, of an output from the guest', () => {
    const { device } = gpio();
    device.write(DIR, 0x01, 4);
    device.write(DATA_ALL, 0xff, 4);
    device.drive(0, false);
    device.drive(3, true);
    expect(device.read(DATA_ALL, 4)).toBe(0x09);
  });
});

describe('the interrupt', () => {
  test.each([
    ['a rising edge', { ibe: 0, iev: 8 }, [true, false]],
    ['a falling edge', { ibe: 0, iev: 0 }, [false, true]],
    ['either edge', { ibe: 8, iev: 0 }, [true, true]],
  ])('of %s stays until it is cleared', (_, { ibe, iev }, expected) => {
    const { device, line } = gpio();
    device.write(IBE, ibe, 4);
    device.write(IEV, iev, 4);
    device.write(IE, 8, 4);
    const seen = [true, false].map((level) => {
      device.drive(3, level);
      const { level: raised } = line;
      device.write(IC, 8, 4);
      expect(line.level).toBe(false);
      return raised;
    });
    expect(seen).toEqual(expected);
  });

  test('of a level follows the pin', () => {
    const { device, line } = gpio();
    device.write(IS, 8, 4);
    device.write(IEV, 8, 4);
    device.write(IE, 8, 4);
    device.drive(3, true);
    device.write(IC, 8, 4);
    expect([line.level, device.read(RIS, 4), device.read(MIS, 4)]).toEqual([true, 8, 8]);
    device.drive(3, false);
    expect(line.level).toBe(false);
  });

  test('is masked, not forgotten', () => {
    const { device, line } = gpio();
    device.write(IEV, 8, 4);
    device.drive(3, true);
    expect([line.level, device.read(RIS, 4), device.read(MIS, 4)]).toEqual([false, 8, 0]);
    device.write(IE, 8, 4);
    expect(line.level).toBe(true);
  });
});

test('says that it is a PL061', () => {
  const { device } = gpio();
  const id = [0xfe0, 0xfe4, 0xfe8, 0xfec, 0xff0, 0xff4, 0xff8, 0xffc].map((offset) => device.read(offset, 4));
  expect(id).toEqual([0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
});

test('goes on as it was saved', () => {
  const { device } = gpio();
  device.write(IBE, 8, 4);
  device.write(IE, 8, 4);
  device.drive(3, true);
  const { device: copy, line } = gpio(device.save());
  copy.drive(3, false);
  expect([line.level, copy.read(MIS, 4)]).toEqual([true, 8]);
});
