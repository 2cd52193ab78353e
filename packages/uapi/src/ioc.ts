/**
 * Request numbers of `ioctl`: direction in bits 31–30, size of the argument in 29–16, type in 15–8, number in 7–0.
 * Source: include/uapi/asm-generic/ioctl.h.
 *
 * In KVM the direction is only a hint, and numbers are shared between kinds of descriptor: compare all 32 bits, and
 * the kind of descriptor.
 */

/** Direction bits: there is no argument, or a scalar one. */
export const IOC_NONE = 0;
/** Direction bit: user space writes, the kernel reads. */
export const IOC_WRITE = 1;
/** Direction bit: the kernel writes, user space reads. */
export const IOC_READ = 2;

const encode = (direction: number, type: number, nr: number, size: number): number =>
  ((direction << 30) | (size << 16) | (type << 8) | nr) >>> 0;

/** A request without an argument in memory: `_IO`. */
export const io = (type: number, nr: number): number => encode(IOC_NONE, type, nr, 0);
/** A request whose argument of `size` bytes user space reads: `_IOR`. */
export const ior = (type: number, nr: number, size: number): number => encode(IOC_READ, type, nr, size);
/** A request whose argument of `size` bytes user space writes: `_IOW`. */
export const iow = (type: number, nr: number, size: number): number => encode(IOC_WRITE, type, nr, size);
/** A request whose argument of `size` bytes goes both ways: `_IOWR`. */
export const iowr = (type: number, nr: number, size: number): number =>
  encode(IOC_READ | IOC_WRITE, type, nr, size);

/** Direction bits of a request. */
export const iocDirection = (request: number): number => request >>> 30;
/** Length in bytes of a request's argument. */
export const iocSize = (request: number): number => (request >>> 16) & 0x3fff;
/** Type of a request: `KVMIO` or `VKVMIO`. */
export const iocType = (request: number): number => (request >>> 8) & 0xff;
/** Number of a request within its type. */
export const iocNr = (request: number): number => request & 0xff;
