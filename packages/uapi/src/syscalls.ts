/** Everything that crosses between kernel and VMM: integers, and one shared memory they index. */
export interface Syscalls {
  /** @returns a file descriptor, or `-errno`. The others answer alike; none of them throws. */
  open(path: '/dev/kvm'): number;
  close(fd: number): number;
  /** @param arg - a scalar, or the user address of the struct that `request` names */
  ioctl(fd: number, request: number, arg?: number): number;
  /** @param fd - a file page such as a vCPU's `kvm_run`, or -1 for zeroed memory @returns its user address */
  mmap(fd: number, length: number, prot: number, offset: number): number;
  munmap(address: number, length: number): number;
  eventfd(initial: number, flags: number): number;
  read(fd: number, address: number, length: number): number;
  write(fd: number, address: number, length: number): number;
}

/** The caller's address space. A user address is an offset into `memory`. */
export interface Process {
  readonly memory: WebAssembly.Memory;
}
