/** The kernels of the benchmark guests (`guest/bench.c`, `guest/fp.c`), and what these print about them. */

/** One row per kernel, in the order in which its guest runs them. */
export const KERNELS = [
  { guest: 'bench', name: 'sieve', checksum: '0000000000190834', tlbBound: false },
  { guest: 'bench', name: 'crc32', checksum: '000000004c0568af', tlbBound: false },
  { guest: 'bench', name: 'sort', checksum: '0000000493466a12', tlbBound: false },
  { guest: 'bench', name: 'matmul', checksum: '00000000be2ca800', tlbBound: false },
  { guest: 'bench', name: 'memcpy', checksum: '0000000000000009', tlbBound: false },
  { guest: 'bench', name: 'chase', checksum: '0000000000000000', tlbBound: true },
  { guest: 'bench', name: 'fib', checksum: '00000000003bf128', tlbBound: false },
  { guest: 'bench', name: 'sha256', checksum: '0274c6e075b4d15d', tlbBound: false },
  { guest: 'bench', name: 'vm', checksum: '4ecc85fcfbb9a9a3', tlbBound: false },
  { guest: 'bench', name: 'strops', checksum: '1d7d187083bf2018', tlbBound: false },
  { guest: 'bench', name: 'mmu', checksum: 'c83319ab1a1ae000', tlbBound: true },
  { guest: 'bench', name: 'sysreg', checksum: '00001c1fffc40000', tlbBound: false },
  // 1 638 400 calls of PSCI_VERSION, added up: this is PSCI 1.1, which both machines are told to offer.
  { guest: 'bench', name: 'psci-hvc', checksum: '0000001900190000', tlbBound: false },
  { guest: 'bench', name: 'mmio-read', checksum: '0000000000000000', tlbBound: false },
  { guest: 'fp', name: 'exact', checksum: '00000000000035e8', tlbBound: false },
  { guest: 'fp', name: 'nbody', checksum: 'c012b473e2cca7ff', tlbBound: false },
  { guest: 'fp', name: 'mandel', checksum: '0000000000814b38', tlbBound: false },
  { guest: 'fp', name: 'matmulf', checksum: '40d5e55000000000', tlbBound: false },
  { guest: 'fp', name: 'saxpy', checksum: '4058fb81d7dbf488', tlbBound: false },
  { guest: 'fp', name: 'fft', checksum: '3ffdcede187db074', tlbBound: false },
  { guest: 'fp', name: 'spectral', checksum: '3ee27267bb96e7dc', tlbBound: false },
  { guest: 'fp', name: 'lu', checksum: '40d2c04d418037b6', tlbBound: false },
  { guest: 'fp', name: 'perlin', checksum: '00000000c10a3b96', tlbBound: false },
  { guest: 'fp', name: 'softmax', checksum: '000000003e15e77b', tlbBound: false },
  { guest: 'fp', name: 'convert', checksum: 'c13a96c980000000', tlbBound: false },
  { guest: 'fp', name: 'argmax', checksum: '0000000000382e6c', tlbBound: false },
  { guest: 'fp', name: 'horner', checksum: '41616a75d3f96945', tlbBound: false },
  { guest: 'fp', name: 'blend', checksum: '00000000000013b9', tlbBound: false },
] as const satisfies readonly KernelRow[];

interface KernelRow {
  /** The file in `guest/`: integers and the system, or floating point and vectors. */
  readonly guest: 'bench' | 'fp';
  readonly name: string;
  /** As the guest prints it: 16 hexadecimal digits. */
  readonly checksum: string;
  /** Its time is that of the TLB's misses; the second geometric mean leaves it out. */
  readonly tlbBound: boolean;
}

export type KernelName = (typeof KERNELS)[number]['name'];
export type GuestName = KernelRow['guest'];

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
