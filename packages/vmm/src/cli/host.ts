/** What the command asks of its platform. */
import type { Process, ProfileName, Syscalls } from '@vkvm/uapi';
import type { MachineHost } from '../machine/host.ts';
import type { SnapshotSink } from '../snapshot/writer.ts';

/** A kernel and an initial ramdisk to start; both are paths. */
export interface GuestFiles {
  /** What it is, for people: `Debian's linux-image-6.1.0-56-cloud-arm64`. */
  readonly name: string;
  readonly kernel: string;
  readonly initrd: string;
  /** The first line that the guest prints from user space. */
  readonly marker: string;
  /** What was asked for beside busybox, with what that depends on: `name version`. */
  readonly packages?: readonly string[];
}

/** Which Debian guest is wanted. */
export interface DebianRequest {
  /** `cloud`, `full`, or the name of a package. */
  readonly kernel: string;
  /** Packages for its user space beside busybox; what they depend on comes too. Default: none. */
  readonly with?: readonly string[];
  /** Fetch it even if it is cached. Default: false. */
  readonly refresh?: boolean;
  /** Seconds to wait for the first answer of a mirror. Default: 30. */
  readonly patience?: number;
}

/** Where the keyboard's bytes go. */
export interface ConsoleInput {
  readonly receive: (bytes: Uint8Array) => void;
  /** No more input will come. */
  readonly end: () => void;
  /** Bytes that the guest has not taken yet. */
  readonly backlog: () => number;
}

/** What of the guest's code is compiled: what is hot, nothing, or everything before it runs. */
export const TIERS = ['hot', 'none', 'all', 'evict'] as const;

/** What can be chosen of a kernel. */
export interface KernelChoice {
  /** Its monotonic clock, in nanoseconds. Default: the machine's. */
  readonly now?: () => number;
  /** The kernel it behaves as. Default: the newest. */
  readonly profile?: ProfileName;
  /** The same code is compiled at the same moments each time. Default: false. */
  readonly deterministic?: boolean;
  /** Default: `hot`. */
  readonly tier?: (typeof TIERS)[number];
  /** A guest is going to run: what is to help it may be started before the kernel is there. Default: false. */
  readonly runsGuest?: boolean;
}

/** Files, streams, time, and the two things that cannot be had everywhere: a kernel and Debian. */
export interface CliHost {
  /** @throws {UsageError} it cannot be read; says why */
  readonly readFile: (path: string) => Promise<Uint8Array>;
  /** A file piece by piece. @throws {UsageError} while it is read: it cannot be; says why */
  readonly readStream: (path: string) => AsyncIterable<Uint8Array>;
  /**
   * Writes a file with what `write` hands to its sink. If that fails, there is no such file, or still the one there was.
   *
   * @throws {UsageError} it cannot be written; says why
   */
  readonly writeFile: (path: string, write: (sink: SnapshotSink) => Promise<void>) => Promise<void>;
  /** Names of the files in a folder; undefined: the path is no folder. @throws {UsageError} it cannot be read */
  readonly listFolder: (path: string) => Promise<readonly string[] | undefined>;
  /** Writes to the guest's console, or the command's results. */
  readonly stdout: (data: Uint8Array | string) => void;
  /** Writes a line in vkvm's own name. */
  readonly stderr: (line: string) => void;
  readonly isTerminalInput: boolean;
  readonly isTerminalOutput: boolean;
  /** Gives the keyboard to the guest, raw if it is a terminal. @returns takes it back */
  readonly openConsole: (input: ConsoleInput) => Disposable;
  /** Calls `action` with the status to end with if the command is interrupted from outside. @returns stops listening */
  readonly onInterrupt: (action: (status: number) => void) => Disposable;
  /** Calls `action` once. @returns calls it off */
  readonly after: (seconds: number, action: () => void) => Disposable;
  readonly machineHost: MachineHost;
  /**
   * The kernel's side of the boundary for a process.
   *
   * @param report - takes lines that the kernel has for a developer
   */
  readonly createSyscalls: (
    process: Process,
    report: (line: string) => void,
    choice?: KernelChoice,
  ) => Syscalls | Promise<Syscalls>;
  /**
   * Gets Debian's kernel and our initramfs, from the cache or through apt.
   *
   * @throws {GuestError} apt is missing, unreachable, or has no arm64
   */
  readonly debianGuest: (request: DebianRequest) => Promise<GuestFiles>;
}
