/** A machine that can be moved: its clocks are the test's, and it goes on in another process at each stop. */
import { createKernel } from '@vkvm/kernel';
import {
  KVM_CREATE_VCPU,
  KVM_GET_MP_STATE,
  KVM_SET_MP_STATE,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
} from '@vkvm/uapi';
import type { ProfileName, Syscalls, Process } from '@vkvm/uapi';
import { createMachine, createProcess, openSnapshot, processSize, restoreMachine } from '@vkvm/vmm';
import type { Machine, MachineConfig, MachineHost, MachineStop } from '@vkvm/vmm';
import { readFileSync } from 'node:fs';

const MIB = 1024 * 1024;
/** What a look at the clock takes, in nanoseconds, while the clock runs. */
const LOOK = 2000;

/** Words of a guest program beside this file. */
export function readGuest(name: string): Uint8Array {
  const text = readFileSync(new URL(`${name}.hex`, import.meta.url), 'utf8');
  const words = text.match(/^[0-9a-f]{8}(?= )/gm) ?? [];
  return new Uint8Array(Uint32Array.from(words, (word) => Number.parseInt(word, 16)).buffer);
}

/** The sections of a snapshot, as docs/snapshot.md describes them: a reader that is not vkvm's. */
export function sectionsOf(snapshot: Uint8Array): { type: string; payload: Uint8Array }[] {
  const view = new DataView(snapshot.buffer, snapshot.byteOffset);
  const sections = [];
  for (let at = 32; at < snapshot.length;) {
    const start = at + 24;
    const type = String.fromCharCode(...snapshot.subarray(at, at + 4));
    const end = start + view.getUint32(at + 12, true);
    sections.push({ type, payload: snapshot.subarray(start, end) });
    at = end;
  }
  return sections;
}

/** A machine with the kernel it lies on. */
export interface Place {
  readonly machine: Machine;
  readonly syscalls: Syscalls;
  readonly process: Process;
}

/** How a guest starts. */
export interface Start extends Pick<
  MachineConfig,
  'psci' | 'psciOwner' | 'services' | 'pmu' | 'secureRuntime'
> {
  readonly profile?: ProfileName;
}

/** How a guest goes on. */
export interface Move {
  /** Nanoseconds that have passed meanwhile. */
  readonly later?: number;
  /** The kernel it goes on with; default: the one it was on. */
  readonly profile?: ProfileName | undefined;
  readonly dropSafe?: boolean;
}

/** One guest, wherever it is. */
export class Traveller {
  output = '';
  place!: Place;
  #profile: ProfileName | undefined;
  #vcpuFds: number[] = [];
  #now = 1e9;
  #frozen = false;

  readonly #host: MachineHost = {
    monotonic: () => this.#look(),
    wallClock: () => 1_700_000_000,
    random: (bytes) => void bytes.fill(7),
    breathe: async () => {},
    waitUntil: async (deadline) => {
      if (Number.isFinite(deadline)) this.#now = Math.max(this.#now, deadline);
    },
    wake: () => {},
  };

  private constructor(profile: ProfileName | undefined) {
    this.#profile = profile;
  }

  static async start(kernel: Uint8Array, { profile, ...options }: Start = {}): Promise<Traveller> {
    const traveller = new Traveller(profile);
    const config = { kernel, memory: 8 * MIB, smp: 2, output: traveller.#print, ...options };
    const { syscalls, process } = traveller.#system(config);
    const machine = await createMachine({ syscalls, process, host: traveller.#host, config });
    traveller.place = { machine, syscalls, process };
    return traveller;
  }

  readonly #print = (bytes: Uint8Array): void => {
    this.output += String.fromCharCode(...bytes);
  };

  #look(): number {
    if (!this.#frozen) this.#now += LOOK;
    return this.#now;
  }

  #system(config: Parameters<typeof processSize>[0]): Pick<Place, 'syscalls' | 'process'> {
    const process = createProcess({ size: processSize(config), shared: false });
    const kernel = createKernel({
      host: { now: () => this.#look() },
      ...(this.#profile && { profile: this.#profile }),
    });
    this.#vcpuFds = [];
    return { syscalls: this.#observe(kernel.attach(process)), process };
  }

  /** Remembers the descriptors of vCPUs. */
  #observe(syscalls: Syscalls): Syscalls {
    const ioctl: Syscalls['ioctl'] = (fd, request, arg) => {
      const result = syscalls.ioctl(fd, request, arg);
      if (request === KVM_CREATE_VCPU && result >= 0) this.#vcpuFds.push(result);
      return result;
    };
    return new Proxy(syscalls, {
      get: (target, name: keyof Syscalls) => (name === 'ioctl' ? ioctl : target[name].bind(target)),
    });
  }

  /** Descriptors of the vCPUs where the guest is now. */
  get vcpuFds(): readonly number[] {
    return this.#vcpuFds;
  }

  /** Lets the guest run until the machine looks around. */
  async step(): Promise<MachineStop> {
    this.place.machine.pause();
    return this.place.machine.run();
  }

  /** The snapshot of the guest as it is. Meanwhile the clock stands still. */
  async save(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    this.#frozen = true;
    await this.place.machine.save((bytes) => void parts.push(bytes));
    this.#frozen = false;
    return new Blob(parts as Uint8Array<ArrayBuffer>[]).bytes();
  }

  /** Goes on from a snapshot, in a process of its own. */
  async goOn(
    snapshot: Uint8Array,
    { later = 0, profile = this.#profile, dropSafe = false }: Move = {},
  ): Promise<void> {
    this.place.machine[Symbol.dispose]();
    this.#now += later;
    this.#profile = profile;
    this.#frozen = true;
    try {
      await using opened = await openSnapshot([snapshot]);
      const system = this.#system(opened.config);
      const machine = await restoreMachine({
        ...system,
        snapshot: opened,
        host: this.#host,
        output: this.#print,
        dropSafe,
      });
      this.place = { machine, ...system };
    } finally {
      this.#frozen = false;
    }
  }
}

/** MP_STATE of the vCPUs of a machine, past the VMM. */
export class PowerStates {
  readonly #place: Place;
  readonly #fds: readonly number[];
  readonly #address: number;

  constructor({ place, vcpuFds }: Traveller) {
    this.#place = place;
    this.#fds = vcpuFds;
    this.#address = place.syscalls.mmap(-1, PAGE_SIZE, PROT_READ | PROT_WRITE, 0);
  }

  get(vcpu: number): number {
    this.#ask(vcpu, KVM_GET_MP_STATE);
    return this.#word[0]!;
  }

  set(vcpu: number, state: number): void {
    this.#word[0] = state;
    this.#ask(vcpu, KVM_SET_MP_STATE);
  }

  #ask(vcpu: number, request: number): void {
    const result = this.#place.syscalls.ioctl(this.#fds[vcpu]!, request, this.#address);
    if (result !== 0) throw new Error(`MP_STATE of vCPU ${vcpu}: ${result}`);
  }

  get #word(): Uint32Array {
    return new Uint32Array(this.#place.process.memory.buffer, this.#address, 1);
  }
}
