import { describe, expect, test } from 'vitest';
import { Pl031 } from './pl031.ts';

const [DR, MR, LR, CR, IMSC, RIS, MIS, ICR] = [0x00, 0x04, 0x08, 0x0c, 0x10, 0x14, 0x18, 0x1c];

function rtc(seconds = 1_700_000_000) {
  const clock = { seconds };
  const line = { level: false };
  const options = { now: () => clock.seconds, irq: (level: boolean) => void (line.level = level) };
  const pl031 = new Pl031(options);
  const read = (offset: number) => pl031.read(offset, 4);
  const write = (offset: number, value: number) => pl031.write(offset, value, 4);
  return { pl031, clock, line, options, read, write };
}

describe('Pl031', () => {
  test('tells the time of its clock in whole seconds', () => {
    const { clock, read } = rtc(1_700_000_000.9);
    expect(read(DR)).toBe(1_700_000_000);
    clock.seconds += 2;
    expect(read(DR)).toBe(1_700_000_002);
    expect(read(CR)).toBe(1);
  });

  test('keeps the time it was set to', () => {
    const { clock, read, write } = rtc();
    write(LR, 1000);
    clock.seconds += 5;
    expect(read(DR)).toBe(1005);
    expect(read(LR)).toBe(1000);
  });

  test('rings at the alarm, once, until it is cleared', () => {
    const { pl031, clock, line, read, write } = rtc();
    write(IMSC, 1);
    write(MR, clock.seconds + 10);
    expect(pl031.secondsToAlarm()).toBe(10);
    pl031.poll();
    expect(line.level).toBe(false);
    clock.seconds += 12; // nobody looked in the very second
    pl031.poll();
    expect(line.level).toBe(true);
    expect([read(RIS), read(MIS)]).toEqual([1, 1]);
    write(ICR, 1);
    pl031.poll();
    expect(line.level).toBe(false);
    expect(pl031.secondsToAlarm()).toBe(Infinity);
  });

  test('goes on after save and restore where it was', () => {
    const { pl031, options, write } = rtc();
    write(LR, 5);
    write(MR, 50);
    write(IMSC, 1);
    const copy = new Pl031({ ...options, state: structuredClone(pl031.save()) });
    expect(copy.save()).toEqual(pl031.save());
    expect(copy.read(DR, 4)).toBe(5);
    expect(copy.secondsToAlarm()).toBe(45);
  });

  test('identifies itself', () => {
    const { read } = rtc();
    const id = Array.from({ length: 8 }, (_, index) => read(0xfe0 + index * 4));
    expect(id).toEqual([0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
  });
});
