/** A platform for the command that lies in memory: files, streams and time are the test's. */
import type { CliHost, ConsoleInput } from '../src/cli/host.ts';
import { UsageError } from '../src/cli/status.ts';
import { FakeKernel } from './fake-kernel.ts';
import type { RunStep } from './fake-kernel.ts';

export class FakeHost implements CliHost {
  readonly files = new Map<string, Uint8Array>();
  /** What every `KVM_RUN` of the machine answers, in order. */
  readonly script: RunStep[] = [];
  /** What it answers after them; absent: idle for ever. */
  rest: RunStep | undefined;
  isTerminalInput = false;
  isTerminalOutput = false;
  out = '';
  err = '';
  bytes: Uint8Array | undefined;
  /** The guest's keyboard, while it is the guest's. */
  keyboard: ConsoleInput | undefined;
  interrupt: ((status: number) => void) | undefined;
  timeouts: { seconds: number; action: () => void }[] = [];
  kernel: FakeKernel | undefined;
  debianGuest: CliHost['debianGuest'] = async () => {
    throw Object.assign(new Error('apt is not there'), { name: 'GuestError' });
  };
  #now = 0;

  readonly machineHost: CliHost['machineHost'] = {
    monotonic: () => (this.#now += 1000),
    wallClock: () => 1_700_000_000,
    random: (bytes) => void bytes.fill(1),
    breathe: async () => {},
    waitUntil: async () => {},
    wake: () => {},
  };

  readonly createSyscalls: CliHost['createSyscalls'] = (process) => {
    this.kernel = new FakeKernel({ process });
    this.kernel.script.push(...this.script);
    if (this.rest) this.kernel.rest = this.rest;
    return this.kernel;
  };

  readonly readFile = async (path: string): Promise<Uint8Array> => {
    const file = this.files.get(path);
    if (!file) throw new UsageError(`${path}: there is no such file`);
    return file;
  };

  readonly listFolder = async (path: string): Promise<readonly string[] | undefined> => {
    if (this.files.has(path)) return undefined;
    const names = [...this.files.keys()].filter((each) => each.startsWith(`${path}/`));
    if (names.length === 0) throw new UsageError(`${path}: there is no such file`);
    return names.map((each) => each.slice(path.length + 1)).filter((each) => !each.includes('/'));
  };

  async *readStream(path: string): AsyncGenerator<Uint8Array> {
    yield this.readFile(path);
  }

  readonly writeFile: CliHost['writeFile'] = async (path, write) => {
    const parts: Uint8Array[] = [];
    await write((bytes) => void parts.push(bytes));
    this.files.set(path, await new Blob(parts as Uint8Array<ArrayBuffer>[]).bytes());
  };

  readonly stdout = (data: Uint8Array | string): void => {
    this.out += typeof data === 'string' ? data : new TextDecoder('latin1').decode(data);
    if (typeof data !== 'string') this.bytes = data;
  };

  readonly stderr = (line: string): void => {
    this.err += `${line}\n`;
  };

  readonly openConsole = (input: ConsoleInput): Disposable => {
    this.keyboard = input;
    return { [Symbol.dispose]: () => void (this.keyboard = undefined) };
  };

  readonly onInterrupt = (action: (status: number) => void): Disposable => {
    this.interrupt = action;
    return { [Symbol.dispose]: () => void (this.interrupt = undefined) };
  };

  readonly after = (seconds: number, action: () => void): Disposable => {
    const timeout = { seconds, action };
    this.timeouts.push(timeout);
    return {
      [Symbol.dispose]: () => void (this.timeouts = this.timeouts.filter((each) => each !== timeout)),
    };
  };
}
