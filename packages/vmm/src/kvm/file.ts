/** What the four kinds of descriptor have in common. */
import { IOCTLS } from '@vkvm/uapi';
import type { FileClass, UserAddress } from '@vkvm/uapi';
import { KvmError } from './error.ts';
import type { UserSpace } from './process.ts';

/** An open descriptor. It is closed by `dispose`, once. */
export class KvmFile implements Disposable {
  readonly fd: number;
  protected readonly user: UserSpace;
  readonly #kind: FileClass;
  #open = true;

  protected constructor(user: UserSpace, fd: number, kind: FileClass) {
    this.user = user;
    this.fd = fd;
    this.#kind = kind;
  }

  /**
   * @returns what the kernel answered, not negative
   * @throws {KvmError} named after the request
   */
  ioctl(request: number, arg: number = 0): number {
    const result = this.user.syscalls.ioctl(this.fd, request, arg);
    if (result < 0) throw this.failure(request, result);
    return result;
  }

  /** The error for a request of this descriptor that answered `result`. */
  protected failure(request: number, result: number): KvmError {
    const kind = this.#kind;
    const row = IOCTLS.find(
      ({ number, files }) => number === request && (files as readonly FileClass[]).includes(kind),
    );
    return new KvmError(row?.name ?? `ioctl 0x${request.toString(16)}`, result);
  }

  /** Where to put the argument of the next ioctl. */
  protected get scratch(): UserAddress {
    return this.user.scratch;
  }

  /** Gives back what belongs to the descriptor beside it. Called once. */
  protected release(): void {}

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    this.release();
    this.user.syscalls.close(this.fd);
  }
}
