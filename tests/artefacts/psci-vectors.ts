/** PSCI calls and what becomes of them, recorded from the kernel: `@vkvm/uapi/artefacts/psci-vectors.json`. */
import {
  ARM_SMCCC_VERSION_FUNC_ID,
  KVM_SYSTEM_EVENT_RESET,
  KVM_SYSTEM_EVENT_SHUTDOWN,
  KVM_SYSTEM_EVENT_SUSPEND,
  PSCI_0_1_FUNCTIONS,
  PSCI_FUNCTIONS,
  PSCI_VERSIONS,
} from '@vkvm/uapi';
import type { PsciVersion } from '@vkvm/uapi';
import { showVersion } from '../psci-matrix/cells.ts';
import type { Cell, Registers } from '../psci-matrix/cells.ts';
import { KernelGuest, ProfileKernel } from '../psci-matrix/kernel-guest.ts';
import type { Observation } from '../psci-matrix/kernel-guest.ts';

/** The newest profile: it has every version. */
const PROFILE = 'linux-7.3';

const OWNERS = ['exit', 'user'] as const;

/** A call by name. */
type NamedCall = readonly [name: string, call: Registers];

const ids: readonly (readonly [name: string, id: number])[] = [
  ...PSCI_FUNCTIONS.flatMap(({ name, smc32, smc64 }) =>
    [smc32, smc64].flatMap((id) => (id === undefined ? [] : [[name, id] as const])),
  ),
  ...PSCI_0_1_FUNCTIONS.map(({ name, id }) => [`${name} of 0.1`, id] as const),
  ['SMCCC_VERSION', ARM_SMCCC_VERSION_FUNC_ID],
];

const registers = (x0: number, [x1 = 0n, x2 = 0n, x3 = 0n]: readonly bigint[]): Registers => [
  BigInt(x0),
  x1,
  x2,
  x3,
];

/** Arguments that decide the answer, besides 1, 2, 3, which each function is called with. */
const ARGUMENTS: readonly (readonly [name: string, ...args: readonly (readonly bigint[])[]])[] = [
  ['CPU_ON', [0n], [2n], [0x8000_0001n], [0x1_0000_0001n], [0x100_0000_0001n]],
  ['CPU_ON of 0.1', [0n], [2n]],
  ['AFFINITY_INFO', [0n], [1n], [2n], [0n, 1n], [0x100n, 1n], [0n, 3n], [0n, 4n], [0n, 0x1_0000_0000n]],
  ['SYSTEM_RESET2', [0n, 7n], [0x7fff_ffffn], [0x8000_0000n, 7n], [0x1_0000_0000n]],
  ['SYSTEM_OFF2', [0n], [1n], [2n], [1n, 1n], [0x1_0000_0001n]],
];

const CALLS: readonly NamedCall[] = [
  ...ids.map(([name, id]): NamedCall => [name, registers(id, [1n, 2n, 3n])]),
  ...ids.flatMap(([name, id]) =>
    ((ARGUMENTS.find(([of]) => of === name)?.slice(1) as (readonly bigint[])[] | undefined) ?? []).map(
      (args): NamedCall => [name, registers(id, args)],
    ),
  ),
  ...ids.map(([name, id]): NamedCall => [
    `PSCI_FEATURES of ${name}`,
    registers(PSCI_FUNCTIONS.find((row) => row.name === 'PSCI_FEATURES')?.smc32 ?? 0, [BigInt(id)]),
  ]),
  ['no function', registers(0x8400_001f, [1n, 2n, 3n])],
  ['no function', registers(0xc400_0000, [1n, 2n, 3n])],
];

const EVENTS: Readonly<Record<number, string>> = {
  [KVM_SYSTEM_EVENT_SHUTDOWN]: 'shutdown',
  [KVM_SYSTEM_EVENT_RESET]: 'reset',
  [KVM_SYSTEM_EVENT_SUSPEND]: 'suspend',
};

const hex = (value: bigint): string => `0x${value.toString(16)}`;

function whatItDoes({ exit }: Observation): string {
  if (exit.reason === 'system_event') return EVENTS[exit.type] ?? `event ${exit.type}`;
  if (exit.reason === 'idle') return exit.isOff ? 'stops' : 'waits';
  return 'returns';
}

function isPsciExit({ exit }: Observation, [x0, ...args]: Registers): boolean {
  if (exit.reason !== 'psci') return false;
  const isSame = BigInt(exit.fn) === x0 && args.every((value, n) => exit.args[n] === value);
  if (!isSame) throw new Error(`the exit of ${hex(x0)} carries another call`);
  return true;
}

/** The vectors of one version. */
function vectorsOf(kernel: ProfileKernel, version: PsciVersion): object {
  const options = { smp: 2, systemSuspend: true };
  const cell = (owner: Cell['owner']): Cell => ({ profile: PROFILE, version, owner, conduit: 'hvc' });
  using served = new KernelGuest(kernel, cell('kernel'), options);
  using exit = new KernelGuest(kernel, cell('exit'), options);
  using user = new KernelGuest(kernel, cell('user'), options);
  const others = { exit, user };
  const vectors = CALLS.map(([name, call]) => {
    const seen = served.call(call);
    return {
      name,
      call: call.map(hex),
      results: seen.registers.map(hex),
      does: whatItDoes(seen),
      ...(seen.exit.reason === 'system_event' && {
        event: { type: seen.exit.type, data: seen.exit.data.map(hex) },
      }),
      mp_state: served.mpStates,
      psci_exit: OWNERS.filter((owner) => isPsciExit(others[owner].call(call), call)),
    };
  });
  return { psci: showVersion(version), number: version, vectors };
}

/** The whole file. One vector is one line, so that a difference can be read. */
export function psciVectors(): string {
  using kernel = new ProfileKernel(PROFILE);
  const sets = PSCI_VERSIONS.map((version) => vectorsOf(kernel, version));
  const lines = JSON.stringify({ format: 1, profile: PROFILE, vcpus: 2, sets }, null, 1)
    // An object of a vector begins at depth 4; what is inside of it goes onto its line.
    .replace(/^ {4}\{\n([\s\S]*?)^ {4}\}/gm, (vector) => `    ${JSON.stringify(JSON.parse(vector))}`);
  return `${lines}\n`;
}
