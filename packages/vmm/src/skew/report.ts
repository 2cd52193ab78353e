/** A comparison of kernels in words, and as JSON. */
import type { PsciVersion } from '@vkvm/uapi';
import { formatRegId, registerName } from '../kvm/register-name.ts';
import { formatPsci } from '../machine/hardware.ts';
import { describeMisfit } from '../snapshot/fit.ts';
import type { Misfit } from '../snapshot/fit.ts';
import { hex } from '../snapshot/json.ts';
import type { KernelFacts } from './kernel.ts';
import type { Difference, Skew } from './skew.ts';
import type { MoveVerdict } from './verdict.ts';

/** Names of the two, as the user gave them. */
export interface SkewNames {
  readonly a: string;
  readonly b: string;
}

const psciOf = (version: PsciVersion | undefined): string =>
  version === undefined ? 'not told' : formatPsci(version);

/** What is said of each kernel where they differ. */
const FACTS: readonly { readonly name: string; readonly of: (facts: KernelFacts) => string }[] = [
  { name: 'PSCI by default', of: ({ psci }) => psciOf(psci.byDefault) },
  { name: 'PSCI versions', of: ({ psci }) => psci.versions.map((version) => formatPsci(version)).join(' ') },
  { name: 'system event', of: ({ systemEvent }) => `type, ${systemEvent}` },
  { name: 'registers of a vCPU', of: ({ registers }) => String(registers.length) },
];

/** Lines of a table with a heading for each kernel; one line where nothing differs. */
function table(title: string, { a, b }: SkewNames, rows: readonly Difference[]): string[] {
  if (rows.length === 0) return [`${title}: no difference`, ''];
  const lines = [{ name: title, a, b }, ...rows.map((row) => ({ ...row, name: `  ${row.name}` }))];
  const [first, second] = [
    Math.max(...lines.map(({ name }) => name.length)),
    Math.max(...lines.map((line) => line.a.length)),
  ];
  return [
    ...lines.map((line) => `${line.name.padEnd(first)}  ${line.a.padEnd(second)}  ${line.b}`.trimEnd()),
    '',
  ];
}

/** The verdict as one paragraph. @param start - what the guest was started with */
function describeVerdict(
  { loads, changes, obstacles, impossible }: MoveVerdict,
  { a, b }: SkewNames,
  start: string,
): string[] {
  const list = (misfits: readonly Misfit[], detail: (misfit: Misfit) => string): string[] =>
    misfits.map((misfit) => `  ${describeMisfit(misfit)}${detail(misfit)}`);
  const drops = list(changes, ({ droppable }) => `: ${droppable}`);
  const head = `A guest saved on ${a}${start} loads on ${b}: ${loads}`;
  switch (loads) {
    case 'yes':
      return [head];
    case 'with changes':
      return [`${head}; vkvm restore --drop-safe leaves out`, ...drops];
    case 'no': {
      if (impossible) {
        const kernel = impossible.where === 'source' ? a : b;
        return [`${head}, because of ${kernel}`, `  ${impossible.message}`];
      }
      const rest = drops.length === 0 ? [] : ['it could do without', ...drops];
      return [`${head}, because ${b} does not take`, ...list(obstacles, () => ''), ...rest];
    }
  }
}

/** The report for people. */
export function describeSkew(skew: Skew, names: SkewNames): string {
  const { a, b, capabilities, behaviours, onlyA, onlyB, verdict, pinned } = skew;
  const facts = FACTS.map(({ name, of }) => ({ name, a: of(a), b: of(b) })).filter((row) => row.a !== row.b);
  const registers = [
    ...onlyA.map((id) => ({ name: `${registerName(id)} (${formatRegId(id)})`, a: 'yes', b: '-' })),
    ...onlyB.map((id) => ({ name: `${registerName(id)} (${formatRegId(id)})`, a: '-', b: 'yes' })),
  ];
  return [
    `${names.a} is ${a.name}`,
    `${names.b} is ${b.name}`,
    '',
    ...table('facts', names, facts),
    ...table('capabilities', names, capabilities),
    ...table('listed registers', names, registers),
    ...table('what a VMM may do', names, behaviours),
    ...describeVerdict(verdict, names, ''),
    ...(pinned
      ? [
          '',
          ...describeVerdict(
            pinned.verdict,
            names,
            `, started there with --psci ${formatPsci(pinned.psci)}${pinned.services === 'none' ? ' --services none' : ''}${pinned.pmu === 'none' ? ' --no-pmu' : ''},`,
          ),
        ]
      : []),
    '',
  ].join('\n');
}

const misfitJson = ({ name, id, value, how, droppable }: Misfit) => ({
  name,
  ...(id !== undefined && { id: formatRegId(id) }),
  value: hex(value),
  how,
  ...(droppable !== undefined && { droppable }),
});

const verdictJson = ({ loads, changes, obstacles, impossible }: MoveVerdict) => ({
  loads,
  changes: changes.map(misfitJson),
  obstacles: obstacles.map(misfitJson),
  ...(impossible && { impossible }),
});

const factsJson = ({ name, psci, systemEvent, registers }: KernelFacts) => ({
  name,
  psci: {
    default: psci.byDefault === undefined ? null : formatPsci(psci.byDefault),
    versions: psci.versions.map((version) => formatPsci(version)),
  },
  systemEvent,
  registers: registers.length,
});

const registerJson = (id: bigint) => ({ name: registerName(id), id: formatRegId(id) });

/** The report for programs. */
export const skewJson = (
  { a, b, onlyA, onlyB, pinned, verdict, capabilities, behaviours }: Skew,
  names: SkewNames,
) => ({
  a: { profile: names.a, ...factsJson(a) },
  b: { profile: names.b, ...factsJson(b) },
  capabilities,
  registers: { onlyA: onlyA.map(registerJson), onlyB: onlyB.map(registerJson) },
  behaviours,
  verdict: verdictJson(verdict),
  ...(pinned && {
    pinned: {
      psci: formatPsci(pinned.psci),
      services: pinned.services,
      pmu: pinned.pmu,
      verdict: verdictJson(pinned.verdict),
    },
  }),
});
