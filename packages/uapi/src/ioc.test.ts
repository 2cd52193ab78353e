import { expect, test } from 'vitest';
import { io, iocDirection, iocNr, iocSize, iocType, ior, iow, iowr } from './ioc.ts';
import { IOCTLS, KVMIO } from './ioctls.ts';

test('a request is built as the C macros build it', () => {
  expect(io(KVMIO, 0x80)).toBe(0xae80);
  expect(iow(KVMIO, 0x46, 32)).toBe(0x4020_ae46);
  expect(ior(KVMIO, 0x98, 4)).toBe(0x8004_ae98);
  expect(iowr(KVMIO, 0xe0, 12)).toBe(0xc00c_aee0);
});

test('every request can be taken apart and put together again', () => {
  const build = [io, iow, ior, iowr];
  const broken = IOCTLS.filter(({ number }) => {
    const again = build[iocDirection(number)]?.(iocType(number), iocNr(number), iocSize(number));
    // Requests of empty structs have a direction and no size, which _IO does not.
    return iocSize(number) > 0 && again !== number;
  });
  expect(broken).toEqual([]);
});
