/** Two kernels side by side: what a VMM or a guest finds different, and whether a guest can move. */
import type { PsciVersion, RegId } from '@vkvm/uapi';
import { probeKernel } from './kernel.ts';
import type { KernelFacts, FreshKernel } from './kernel.ts';
import { judgeMove } from './verdict.ts';
import type { MoveVerdict } from './verdict.ts';

/** Something that each of the two has its own answer for. */
export interface Difference {
  readonly name: string;
  readonly a: string;
  readonly b: string;
}

/** A guest that was started with the future in mind. */
export interface Pinned {
  /** The newest that both kernels have. */
  readonly psci: PsciVersion;
  /** Services beside PSCI. */
  readonly services: 'all' | 'none';
  readonly pmu: 'as the kernel has it' | 'none';
  readonly verdict: MoveVerdict;
}

/** What differs between kernels A and B. */
export interface Skew {
  readonly a: KernelFacts;
  readonly b: KernelFacts;
  readonly capabilities: readonly Difference[];
  /** Registers that one lists and the other does not. */
  readonly onlyA: readonly RegId[];
  readonly onlyB: readonly RegId[];
  readonly behaviours: readonly Difference[];
  /** A guest saved on A, with what A gives it by default. */
  readonly verdict: MoveVerdict;
  /** Where that guest does not load: how to start one on A that does, or does as far as one can. */
  readonly pinned?: Pinned;
}

/** Capabilities that say who a kernel is, which its name says already. */
const IDENTITY = new Set(['VKVM_CAP_PROFILE', 'VKVM_CAP_ABI_REVISION']);

/** Compares two kernels by asking each, and by trying to move a guest. */
export async function compareKernels(a: FreshKernel, b: FreshKernel): Promise<Skew> {
  const [first, second] = [await probeKernel(a), await probeKernel(b)];
  const verdict = await judgeMove(a, b);
  const psci = first.psci.versions.findLast((version) => second.psci.versions.includes(version));
  const pinned = psci !== undefined && verdict.loads === 'no' && !verdict.impossible;
  return {
    a: first,
    b: second,
    capabilities: differences(first.capabilities, second.capabilities).filter(
      ({ name }) => !IDENTITY.has(name),
    ),
    onlyA: without(first.registers, second.registers),
    onlyB: without(second.registers, first.registers),
    behaviours: differences(first.behaviours, second.behaviours),
    verdict,
    ...(pinned && { pinned: await pin(a, b, psci) }),
  };
}

/** How little a guest may be started with, besides its PSCI: the most first. */
const STARTS = [
  { services: 'all', pmu: 'as the kernel has it' },
  { services: 'all', pmu: 'none' },
  { services: 'none', pmu: 'as the kernel has it' },
] as const;
const LEAST = { services: 'none', pmu: 'none' } as const;

/** Starts a guest with no more than it must, and then with less. */
async function pin(a: FreshKernel, b: FreshKernel, psci: PsciVersion): Promise<Pinned> {
  const judge = ({ services, pmu }: Pick<Pinned, 'services' | 'pmu'>): Promise<MoveVerdict> =>
    judgeMove(a, b, {
      psci,
      ...(pmu === 'none' && { pmu: false }),
      ...(services === 'none' && { services: [] }),
    });
  for (const start of STARTS) {
    const verdict = await judge(start);
    if (verdict.loads !== 'no') return { psci, ...start, verdict };
  }
  return { psci, ...LEAST, verdict: await judge(LEAST) };
}

const differences = (a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): Difference[] =>
  Array.from(a)
    .map(([name, value]) => ({ name, a: value, b: b.get(name) ?? '' }))
    .filter((each) => each.a !== each.b);

const without = (all: readonly RegId[], others: readonly RegId[]): RegId[] => {
  const taken = new Set(others);
  return all.filter((id) => !taken.has(id));
};
