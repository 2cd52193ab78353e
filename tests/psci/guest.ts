/** The bare-metal PSCI guest on a whole machine: what it sees, as text. */
import { readFileSync } from 'node:fs';
import { createKernel } from '@vkvm/kernel';
import { PSCI_0_1, PSCI_0_1_FUNCTIONS } from '@vkvm/uapi';
import type { PsciFunctionName } from '@vkvm/uapi';
import { createMachine, createProcess, processSize } from '@vkvm/vmm';
import type { MachineConfig, MachineStop } from '@vkvm/vmm';

/** Lines are `label:`, or a word in hexadecimal and what it says. */
const lines = readFileSync(new URL('../../packages/kernel/test/guest/psci.hex', import.meta.url), 'utf8')
  .trim()
  .split('\n');
const isLabel = (line: string): boolean => line.endsWith(':');
const WORDS = lines.filter((line) => !isLabel(line)).map((line) => Number.parseInt(line.slice(0, 8), 16));

/** Index of the word at a label. */
function wordAt(label: string): number {
  const line = lines.indexOf(`${label}:`);
  if (line < 0) throw new RangeError(`the guest has no label ${label}`);
  return lines.slice(0, line).filter((each) => !isLabel(each)).length;
}

const SMC = 0xd400_0003;
const MIB = 0x10_0000;

/** Guest-physical address of a label. */
export const addressOf = (label: string): number => 0x4000_0000 + 4 * wordAt(label);

/** The call that ends the guest: function id, x1, x2. */
export type LastCall = readonly [id: number, x1?: number, x2?: number];

export interface GuestOptions extends Pick<
  MachineConfig,
  'psci' | 'psciOwner' | 'psciRoutes' | 'smcccFilters' | 'psciConduit' | 'dtb' | 'secureRuntime'
> {
  readonly last?: LastCall;
}

export interface Observation {
  readonly stop: MachineStop;
  /** What the guest printed: a line for each call, function id and x0 to x3. */
  readonly text: string;
  /** Number of exits, by reason; only those of hypercalls. */
  readonly exits: { readonly system_event: number; readonly hypercall: number; readonly psci: number };
}

const id01 = (wanted: PsciFunctionName): number =>
  PSCI_0_1_FUNCTIONS.find(({ name }) => name === wanted)?.id ?? 0;

function image({ psci, psciConduit, last }: GuestOptions): Uint8Array {
  const words = Uint32Array.from(WORDS);
  const put = (label: string, offset: number, value: number): void => {
    words[wordAt(label) + offset] = value;
  };
  if (psci === PSCI_0_1) {
    put('ids', 0, id01('CPU_SUSPEND'));
    put('ids', 1, id01('CPU_OFF'));
    put('second_64', 0, id01('CPU_ON'));
    put('second_32', 0, id01('CPU_ON'));
    // There is no call of the 32-bit convention here: the upper half of x1 counts.
    put('second_32', 3, 0);
  }
  if (psciConduit === 'smc') put('call', 0, SMC);
  last?.forEach((value, n) => put('last', 2 * n, value ?? 0));
  return new Uint8Array(words.buffer);
}

/** Runs the guest on a new machine of two vCPUs, to its end. */
export async function observe({ last, ...options }: GuestOptions): Promise<Observation> {
  let text = '';
  const decoder = new TextDecoder();
  const config: MachineConfig = {
    kernel: image({ ...options, ...(last && { last }) }),
    memory: 16 * MIB,
    smp: 2,
    ...options,
    output: (bytes) => void (text += decoder.decode(bytes, { stream: true })),
  };
  const process = createProcess({ size: processSize(config), shared: false });
  using machine = await createMachine({ syscalls: createKernel().attach(process), process, config });
  machine.endInput();
  const stop = await machine.run();
  const { system_event, hypercall, psci } = machine.stats.exits;
  return { stop, text, exits: { system_event, hypercall, psci } };
}
