/** The guest on a whole machine: what it sees of a cell whose owners all answer, or why there is no such machine. */
import { createKernel } from '@vkvm/kernel';
import type { Process, Syscalls } from '@vkvm/uapi';
import { createMachine, createProcess, processSize } from '@vkvm/vmm';
import type { MachineConfig, MachineStop } from '@vkvm/vmm';
import { readFileSync } from 'node:fs';
import type { Cell, Registers } from './cells.ts';

/** Lines are `label:`, or a word in hexadecimal and what it says. */
const lines = readFileSync(new URL('calls.hex', import.meta.url), 'utf8')
  .trim()
  .split('\n');
const isLabel = (line: string): boolean => line.endsWith(':');
const WORDS = lines.filter((line) => !isLabel(line)).map((line) => Number.parseInt(line.slice(0, 8), 16));

/** Index of the word at a label. */
const wordAt = (label: string): number =>
  lines.slice(0, lines.indexOf(`${label}:`)).filter((each) => !isLabel(each)).length;

const SMC = 0xd400_0003;
const MIB = 0x10_0000;
const CALL_SIZE = 32;

function image(calls: readonly Registers[], conduit: Cell['conduit']): Uint8Array {
  const table = 4 * wordAt('calls');
  const bytes = new Uint8Array(table + CALL_SIZE * (calls.length + 1));
  const code = new Uint32Array(bytes.buffer, 0, table / 4);
  code.set(WORDS.slice(0, table / 4));
  if (conduit === 'smc') code[wordAt('call')] = SMC;
  new BigUint64Array(bytes.buffer, table).set(calls.flat());
  return bytes;
}

/** What a guest saw. */
export interface MachineObservation {
  /** x0 of each call that came back, in every run. */
  readonly results: readonly bigint[];
  readonly stop: MachineStop;
}

/** What a test may change of the machine. */
export interface MachineOptions {
  /** Number of vCPUs; default 1. */
  readonly smp?: number;
  /** Resets the machine so often when its guest has ended, and runs it again; default 0. */
  readonly resets?: number;
  /** Stands between VMM and kernel. */
  readonly between?: (syscalls: Syscalls, process: Process) => Syscalls;
}

/**
 * Makes the calls, one after the other, until one does not come back.
 *
 * @throws {AbiMismatchError} there is no such machine
 */
export async function observeMachine(
  { profile, version, owner, conduit }: Cell,
  calls: readonly Registers[],
  { smp = 1, resets = 0, between = (syscalls) => syscalls }: MachineOptions = {},
): Promise<MachineObservation> {
  const printed: number[] = [];
  const config: MachineConfig = {
    kernel: image(calls, conduit),
    memory: 8 * MIB,
    smp,
    psci: version,
    psciOwner: owner,
    psciConduit: conduit,
    output: (bytes) => void printed.push(...bytes),
  };
  const process = createProcess({ size: processSize(config), shared: false });
  const syscalls = between(createKernel({ profile }).attach(process), process);
  using machine = await createMachine({ syscalls, process, config });
  machine.endInput();
  let stop = await machine.run();
  for (let n = 0; n < resets; n += 1) {
    machine.reset();
    stop = await machine.run();
  }
  const view = new DataView(Uint8Array.from(printed).buffer);
  const results = Array.from({ length: printed.length / CALL_SIZE }, (_, n) =>
    view.getBigUint64(n * CALL_SIZE, true),
  );
  return { results, stop };
}
