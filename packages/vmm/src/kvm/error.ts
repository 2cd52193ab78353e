import { errnoName } from '@vkvm/uapi';
import type { Errno } from '@vkvm/uapi';

/** A request that the kernel refused. Thrown by the vmm wrappers; the kernel itself returns `-errno`. */
export class KvmError extends Error {
  override readonly name = 'KvmError';
  /** Name of the request: `KVM_CREATE_VM`, `mmap`. */
  readonly request: string;
  /** Name of the errno, or its number where vkvm knows no name for it. */
  readonly errno: Errno | `errno ${number}`;

  /** @param result - what the system call answered, `-errno` */
  constructor(request: string, result: number, options?: ErrorOptions & { readonly hint?: string }) {
    const errno = errnoName(-result) ?? (`errno ${-result}` as const);
    super(`${request}: ${errno}${options?.hint ? ` (${options.hint})` : ''}`, options);
    this.request = request;
    this.errno = errno;
  }
}

/** Kernel and VMM do not fit together; found before the first `KVM_RUN`. The message names both and the remedy. */
export class AbiMismatchError extends Error {
  override readonly name = 'AbiMismatchError';
}

/** The host does not give the memory a machine needs. */
export class ProcessError extends Error {
  override readonly name = 'ProcessError';
}
