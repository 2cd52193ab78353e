/** `vkvm run`: boots a kernel and stays until the guest is done. */
import { LoadError } from '../loader/error.ts';
import type { MachineConfig } from '../machine/config.ts';
import { createMachine } from '../machine/machine.ts';
import type { Machine, MachineParts } from '../machine/machine.ts';
import { describeOptions } from './args.ts';
import type { Options } from './args.ts';
import { EscapeFilter } from './escape.ts';
import type { CliHost, ConsoleInput } from './host.ts';
import { MACHINE_OPTIONS, machineParts } from './machine-parts.ts';
import type { SaveMoment } from './save-moment.ts';
import { ProfileRun } from './profile-run.ts';
import { describeStats } from './stats.ts';
import {
  STATUS_CRASH,
  STATUS_FAILURE,
  STATUS_OK,
  STATUS_RESET,
  STATUS_TIMEOUT,
  UsageError,
} from './status.ts';
import { PROFILE_OPTION, TIER_OPTION, kernelChoice, parseSeconds } from './values.ts';

/** What a machine is made of, and how it is run. */
export const RUN_OPTIONS = {
  ...MACHINE_OPTIONS,
  ...PROFILE_OPTION,
  timeout: { value: 'SECONDS', help: 'end with status 124 after this time' },
  'no-reboot': { help: 'end with status 3 when the guest asks for a reset' },
  stats: { help: 'say at the end what the machine did' },
  'profile-out': {
    value: 'FILE',
    help: 'write a page that shows where the guest spent its instructions and vkvm its time, and say it at the end',
  },
  symbols: {
    value: 'FILE',
    help: "names of the guest's functions for the profile: an ELF file, System.map or kallsyms (default: those of --kernel, if it is ELF); Linux needs nokaslr",
  },
  ...TIER_OPTION,
  deterministic: {
    help: 'the same run each time: instructions make the time, seeds are fixed, there is no keyboard',
  },
  input: { value: 'FILE', help: 'what is typed on the console first; with --deterministic all that is' },
} as const;

/** Text of `vkvm run --help`. */
export const RUN_HELP = `Usage: vkvm run --kernel FILE [options]

Boots a guest. Its console is on standard output, the keyboard on standard input;
in a terminal Ctrl-A x quits and Ctrl-A Ctrl-A sends Ctrl-A.

${describeOptions(RUN_OPTIONS)}

Exit status: 0 powered off, 2 wrong usage or unreadable input, 3 reset under --no-reboot,
4 kernel and VMM do not fit, 5 guest or VM crashed, 124 time-out.
`;

/** @returns the exit status */
export async function run(host: CliHost, options: Options<typeof RUN_OPTIONS>): Promise<number> {
  checkKeyboard(host, options);
  return runGuest(host, options);
}

/** Boots the kernel that the options name. @returns the exit status */
export async function runGuest(
  host: CliHost,
  options: Options<typeof RUN_OPTIONS>,
  save?: SaveMoment,
): Promise<number> {
  const { kernel } = options;
  if (kernel === undefined) {
    throw new UsageError('no kernel to boot; give --kernel FILE, or use vkvm start for a ready-made guest');
  }
  const mode = await runMode(host, options);
  const parts = await machineParts(host, { ...options, kernel }, kernelChoice(options));
  const profile = await ProfileRun.of(host, options, parts.config.kernel);
  return runMachine(host, parts, { ...mode, label: options, save, profile });
}

/** @throws {UsageError} the guest would wait for a keyboard that it does not have */
export function checkKeyboard(
  host: CliHost,
  { deterministic, input }: Options<Pick<typeof RUN_OPTIONS, 'deterministic' | 'input'>>,
): void {
  if (!deterministic || input !== undefined || !host.isTerminalInput) return;
  throw new UsageError(
    '--deterministic: what you type would come at another moment each time; ' +
      'give --input FILE with all that is typed (/dev/null for nothing)',
  );
}

/** @throws {UsageError} a value is wrong */
export async function runMode(
  host: CliHost,
  options: Options<Pick<typeof RUN_OPTIONS, 'timeout' | 'no-reboot' | 'stats' | 'deterministic' | 'input'>>,
): Promise<RunMode> {
  const { timeout, deterministic, input } = options;
  return {
    timeout: timeout === undefined ? undefined : parseSeconds('--timeout', timeout),
    noReboot: options['no-reboot'],
    stats: options.stats,
    deterministic,
    input: input === undefined ? undefined : await host.readFile(input),
  };
}

/** How long, how often, and how loud. */
export interface RunMode {
  /** Seconds. */
  readonly timeout?: number | undefined;
  readonly noReboot: boolean;
  readonly stats: boolean;
  /** There is no keyboard. */
  readonly deterministic: boolean;
  /** What is typed first. */
  readonly input: Uint8Array | undefined;
  /** The guest is to be saved. */
  readonly save?: SaveMoment | undefined;
}

/** What a machine is made with. */
export interface BootMode extends RunMode {
  /** Names of the files, for messages about them. */
  readonly label: { readonly kernel?: string | undefined; readonly dtb?: string | undefined };
  /** The run is profiled. */
  readonly profile?: ProfileRun | undefined;
}

/** Builds a machine and runs it to its end. @returns the exit status */
export async function runMachine(host: CliHost, parts: MachineParts, mode: BootMode): Promise<number> {
  const unmapped = new UnmappedAccesses();
  const { deterministic, profile, save } = mode;
  const output: MachineConfig['output'] = (bytes) => {
    parts.config.output(bytes);
    save?.watch(bytes);
  };
  const config = { ...parts.config, deterministic, output, unmapped: unmapped.note };
  const syscalls = profile?.watch(parts.syscalls, parts.process) ?? parts.syscalls;
  using machine = await createMachine({ ...parts, syscalls, config }).catch((error: unknown) => {
    if (!(error instanceof LoadError)) throw error;
    const file = error.subject === 'memory' ? undefined : mode.label[error.subject];
    throw file === undefined ? error : new UsageError(`${file}: ${error.message}`, { cause: error });
  });
  if (save) machine.checkSave(); // before the guest has run for an hour
  profile?.observe(machine);
  const status = await runToEnd(host, machine, { ...mode, unmapped });
  await profile?.write();
  return status;
}

/** Runs a machine until the guest ends, or is saved. @returns the exit status */
export async function runToEnd(
  host: CliHost,
  machine: Machine,
  { unmapped, save, ...mode }: RunMode & { readonly unmapped: UnmappedAccesses },
): Promise<number> {
  const start = host.machineHost.monotonic();
  let status: number | undefined;
  let failure: unknown;
  const end = (how: number): void => {
    status ??= how;
    machine.stop();
  };
  using guards = new DisposableStack();
  if (mode.timeout !== undefined) guards.use(host.after(mode.timeout, () => end(STATUS_TIMEOUT)));
  guards.use(host.onInterrupt(end));
  if (save) guards.use(save.arm(host, machine));
  if (mode.input) machine.receive(mode.input);
  if (mode.deterministic) machine.endInput();
  const escape = new EscapeFilter({ save: save !== undefined });
  const keyboard: ConsoleInput = {
    receive: (input) => {
      const plain = { bytes: input, command: undefined };
      const { bytes, command } = host.isTerminalInput ? escape.feed(input) : plain;
      try {
        machine.receive(bytes);
      } catch (error) {
        failure ??= error; // nobody awaits a key press: it is thrown where the run is
        machine.stop();
      }
      if (command === 'quit') end(STATUS_OK);
      if (command === 'save') save?.reach();
    },
    end: () => machine.endInput(),
    backlog: () => machine.pendingInput,
  };
  if (!mode.deterministic) guards.use(host.openConsole(keyboard));

  for (;;) {
    const stop = await machine.run();
    if (stop.kind === 'reset' && !mode.noReboot && status === undefined) {
      machine.reset();
      continue;
    }
    guards.dispose(); // the terminal is the user's again before vkvm says anything
    if (failure !== undefined) throw failure;
    if (mode.stats) {
      const elapsed = host.machineHost.monotonic() - start;
      for (const line of describeStats(machine, elapsed, unmapped.describe())) host.stderr(line);
    }
    switch (stop.kind) {
      case 'paused':
        await save?.write(host, machine);
        return STATUS_OK;
      case 'shutdown':
        if (save) host.stderr('the guest powered off before it was saved');
        return save ? STATUS_FAILURE : STATUS_OK;
      case 'reset':
        host.stderr('the guest asked for a reset (--no-reboot)');
        return STATUS_RESET;
      case 'crash':
        host.stderr(stop.message);
        return STATUS_CRASH;
      case 'stopped':
        if (status === STATUS_TIMEOUT) {
          host.stderr(`the guest was still running after ${mode.timeout} s (--timeout)`);
        } else if (status === STATUS_OK) {
          host.stderr('quit');
        }
        return status ?? STATUS_OK;
    }
  }
}

/** Counts accesses to addresses where nothing is: a hint at a driver or device tree that is wrong. */
export class UnmappedAccesses {
  #count = 0;
  #first = 0;

  readonly note = (address: number): void => {
    if (this.#count === 0) this.#first = address;
    this.#count += 1;
  };

  describe(): string {
    if (this.#count === 0) return '';
    return `; accesses to nothing: ${this.#count}, the first at 0x${this.#first.toString(16)}`;
  }
}
