/** Which guests can move between which kernels: every pair is tried, and what stands in the way is told. */
import { createKernel } from '@vkvm/kernel';
import { PROFILES } from '@vkvm/uapi';
import type { ProfileName } from '@vkvm/uapi';
import { compareKernels, createProcess, processSize } from '@vkvm/vmm';
import type { FreshKernel, MoveVerdict, Skew } from '@vkvm/vmm';

/** A comparison builds small machines on both kernels, each in a process of its own. */
const size = processSize({ memory: 8 * 1024 * 1024, smp: 2 });
const kernel =
  (profile: ProfileName): FreshKernel =>
  async () => {
    const process = createProcess({ size, shared: false });
    return { process, syscalls: createKernel({ profile }).attach(process) };
  };

const profiles = PROFILES.map(({ name }) => name);
const version = (psci: number): string => `${psci >> 16}.${psci & 0xffff}`;

/** `yes`; `drop 2`: without two registers; `1.1`: only if it was started with that PSCI; `bare`: and no services; `no PMU`; `no`. */
function cell({ verdict, pinned }: Skew): string {
  const short = ({ loads, changes }: MoveVerdict): string =>
    loads === 'yes' ? 'yes' : `drop ${changes.length}`;
  if (verdict.loads !== 'no') return short(verdict);
  if (!pinned || pinned.verdict.loads === 'no') return 'no';
  const start = [
    version(pinned.psci),
    ...(pinned.services === 'none' ? ['bare'] : []),
    ...(pinned.pmu === 'none' ? ['no PMU'] : []),
  ].join(' ');
  return `${start}, ${short(pinned.verdict)}`;
}

const print = (cells: readonly string[]): void =>
  console.log(
    cells
      .map((text) => text.padEnd(26))
      .join('')
      .trimEnd(),
  );

const obstacles: string[] = [];
console.log('A guest saved on (row) loads on (column):\n');
print(['', ...profiles]);
for (const from of profiles) {
  const row = [];
  for (const to of profiles) {
    const skew = await compareKernels(kernel(from), kernel(to));
    row.push(cell(skew));
    const last = skew.pinned?.verdict ?? skew.verdict;
    if (last.loads !== 'no') continue;
    const what = last.impossible?.message ?? last.obstacles.map(({ name }) => name).join(', ');
    obstacles.push(`${from} to ${to}: ${what}`);
  }
  print([from, ...row]);
}
console.log(`\nWhat stands in the way:\n${obstacles.map((line) => `  ${line}`).join('\n')}`);
