/** The kernels of the benchmark guest (`guest/bench.c`), and what the guest prints about them. */

/** One row per kernel, in the order in which the guest runs them. */
export const KERNELS = [
  { name: 'sieve', checksum: '0000000000190834', tlbBound: false },
  { name: 'crc32', checksum: '000000004c0568af', tlbBound: false },
  { name: 'sort', checksum: '0000000493466a12', tlbBound: false },
  { name: 'matmul', checksum: '00000000be2ca800', tlbBound: false },
  { name: 'memcpy', checksum: '0000000000000009', tlbBound: false },
  { name: 'chase', checksum: '0000000000000000', tlbBound: true },
  { name: 'fib', checksum: '00000000003bf128', tlbBound: false },
  { name: 'sha256', checksum: '0274c6e075b4d15d', tlbBound: false },
  { name: 'vm', checksum: '4ecc85fcfbb9a9a3', tlbBound: false },
  { name: 'strops', checksum: '1d7d187083bf2018', tlbBound: false },
  { name: 'mmu', checksum: 'c83319ab1a1ae000', tlbBound: true },
  { name: 'sysreg', checksum: '00001c1fffc40000', tlbBound: false },
  // 1 638 400 calls of PSCI_VERSION, added up: this is PSCI 1.1, which both machines are told to offer.
  { name: 'psci-hvc', checksum: '0000001900190000', tlbBound: false },
  { name: 'mmio-read', checksum: '0000000000000000', tlbBound: false },
] as const satisfies readonly KernelRow[];

interface KernelRow {
  readonly name: string;
  /** As the guest prints it: 16 hexadecimal digits. */
  readonly checksum: string;
  /** Its time is that of the TLB's misses; the second geometric mean leaves it out. */
  readonly tlbBound: boolean;
}

export type KernelName = (typeof KERNELS)[number]['name'];

/** What the guest printed about one kernel. */
export interface KernelResult {
  readonly name: string;
  readonly checksum: string;
  /** By the guest's own counter, `CNTVCT_EL0`. */
  readonly microseconds: number;
}

/** @returns the kernel that a line of the guest's console is about, or `undefined` for any other line */
export function parseKernelLine(line: string): KernelResult | undefined {
  const match = /^([\w-]+) ([0-9a-f]{16}) us=(\d+)\s*$/.exec(line);
  if (match === null) return undefined;
  const [, name = '', checksum = '', microseconds = ''] = match;
  return { name, checksum, microseconds: Number(microseconds) };
}

/** @returns one sentence for each kernel of `wanted` that is missing or whose checksum is not the expected one */
export function faultsOf(results: readonly KernelResult[], wanted: readonly KernelName[]): string[] {
  return KERNELS.filter(({ name }) => wanted.includes(name)).flatMap(({ name, checksum }) => {
    const result = results.find((candidate) => candidate.name === name);
    if (result === undefined) return [`${name}: the guest printed no result`];
    return result.checksum === checksum ? [] : [`${name}: checksum ${result.checksum}, expected ${checksum}`];
  });
}
