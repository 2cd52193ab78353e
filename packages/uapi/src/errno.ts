/** The errno values that vkvm answers, numbered as on Linux. Source: include/uapi/asm-generic/errno-base.h, errno.h. */

/** Operation not permitted. */
export const EPERM = 1;
/** No such thing: slot, register, attribute. */
export const ENOENT = 2;
/** Interrupted by a signal, a kick or immediate_exit. */
export const EINTR = 4;
/** The VM is dead, or belongs to another process. */
export const EIO = 5;
/** No such device or address. */
export const ENXIO = 6;
/** List too long, or beyond the IPA size. */
export const E2BIG = 7;
/** The vCPU is not initialised. */
export const ENOEXEC = 8;
/** Not a descriptor, or of the wrong kind. */
export const EBADF = 9;
/** Try again; would block. */
export const EAGAIN = 11;
/** Out of memory. */
export const ENOMEM = 12;
/** Permission denied. */
export const EACCES = 13;
/** Bad user address. */
export const EFAULT = 14;
/** In use, or frozen since the VM ran. */
export const EBUSY = 16;
/** Exists already, or overlaps. */
export const EEXIST = 17;
/** No such device. */
export const ENODEV = 19;
/** Invalid argument or unknown request. */
export const EINVAL = 22;
/** Too many files in the system. */
export const ENFILE = 23;
/** Too many files of this process. */
export const EMFILE = 24;
/** Not a request of this descriptor. */
export const ENOTTY = 25;
/** Too big. */
export const EFBIG = 27;
/** No room. */
export const ENOSPC = 28;
/** Not seekable. */
export const ESPIPE = 29;
/** Read-only. */
export const EROFS = 30;
/** Result too large. */
export const ERANGE = 34;
/** This thread may not wait. */
export const EDEADLK = 35;
/** Not implemented. */
export const ENOSYS = 38;
/** Value too large. */
export const EOVERFLOW = 75;
/** Not supported. */
export const EOPNOTSUPP = 95;
/** Timed out. */
export const ETIMEDOUT = 110;
/** Memory has a hardware error. */
export const EHWPOISON = 133;

/** Every errno by its name. */
export const ERRNOS = {
  EPERM,
  ENOENT,
  EINTR,
  EIO,
  ENXIO,
  E2BIG,
  ENOEXEC,
  EBADF,
  EAGAIN,
  ENOMEM,
  EACCES,
  EFAULT,
  EBUSY,
  EEXIST,
  ENODEV,
  EINVAL,
  ENFILE,
  EMFILE,
  ENOTTY,
  EFBIG,
  ENOSPC,
  ESPIPE,
  EROFS,
  ERANGE,
  EDEADLK,
  ENOSYS,
  EOVERFLOW,
  EOPNOTSUPP,
  ETIMEDOUT,
  EHWPOISON,
} as const;

/** Name of an errno. */
export type Errno = keyof typeof ERRNOS;

const names = new Map(Object.entries(ERRNOS).map(([name, number]) => [number as number, name as Errno]));

/** @param errno - positive, as in `-result` @returns its name, or undefined if vkvm never answers it */
export const errnoName = (errno: number): Errno | undefined => names.get(errno);
