/**
 * A stage-1 walk in plain TypeScript, after the Arm pseudocode and not after mmu/walk.ts: what that is tested against.
 * Source: Arm DDI 0487, J1.3 (aarch64/translation: S1Translate, S1Walk, S1DirectBasePermissions).
 */

export interface WalkRegisters {
  readonly SCTLR: bigint;
  readonly TCR: bigint;
  readonly TTBR0: bigint;
  readonly TTBR1: bigint;
  readonly MAIR: bigint;
}

export interface WalkAccess {
  readonly va: bigint;
  readonly kind: 'read' | 'write' | 'fetch';
  /** EL0's permissions apply. */
  readonly user: boolean;
}

/** What the walk reads: a descriptor, or nothing where no memory is. */
export type ReadDescriptor = (address: bigint) => bigint | undefined;

export type WalkResult =
  | { readonly pa: bigint; readonly descriptor: bigint; readonly device: boolean; readonly size: number }
  | { readonly status: number };

/** PARange of the CPU. */
const PA_SIZE = 48;
const IPS = [32, 36, 40, 42, 44, 48, 52, 56];

const bits = (value: bigint, high: number, low: number): bigint =>
  (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
const flag = (value: bigint, at: number): boolean => bits(value, at, at) === 1n;

const isDevice = (attribute: bigint): boolean => bits(attribute, 7, 4) === 0n;

interface Tables {
  readonly writeDenied: boolean;
  readonly userDenied: boolean;
  readonly uxn: boolean;
  readonly pxn: boolean;
}

function isPermitted(descriptor: bigint, tables: Tables, wxn: boolean, { kind, user }: WalkAccess): boolean {
  // AP[2:1]: privileged and unprivileged, read and write.
  const readOnly = flag(descriptor, 7) || tables.writeDenied;
  const unprivileged = flag(descriptor, 6) && !tables.userDenied;
  const [ur, uw, pw] = [unprivileged, unprivileged && !readOnly, !readOnly];
  let px = !(flag(descriptor, 53) || tables.pxn || uw);
  let ux = !(flag(descriptor, 54) || tables.uxn);
  if (wxn) {
    px &&= !pw;
    ux &&= !uw;
  }
  if (kind === 'fetch') return user ? ux : px;
  if (kind === 'write') return user ? uw : pw;
  return user ? ur : true;
}

export function referenceWalk(
  access: WalkAccess,
  registers: WalkRegisters,
  read: ReadDescriptor,
): WalkResult {
  const { va } = access;
  const { SCTLR, TCR, TTBR0, TTBR1, MAIR } = registers;
  const upper = flag(va, 55);
  const topByteIgnored = flag(TCR, upper ? 38 : 37);
  const top = topByteIgnored ? 55 : 63;
  if (!flag(SCTLR, 0)) {
    if (bits(va, top, PA_SIZE) !== 0n) return { status: 0 };
    return { pa: bits(va, PA_SIZE - 1, 0), descriptor: 0n, device: true, size: 12 };
  }
  const tsz = Math.min(Math.max(Number(upper ? bits(TCR, 21, 16) : bits(TCR, 5, 0)), 16), 39);
  const granuleField = Number(upper ? bits(TCR, 31, 30) : bits(TCR, 15, 14));
  const granule = (upper ? [12, 14, 12, 16] : [12, 16, 14, 12])[granuleField]!;
  const inputSize = 64 - tsz;
  const outputSize = Math.min(IPS[Number(bits(TCR, 34, 32))]!, PA_SIZE);
  const sameAs55 = bits(va, top, inputSize) === (upper ? bits(-1n, top, inputSize) : 0n);
  const keptFromEl0 = access.user && flag(TCR, upper ? 56 : 55); // E0PDn
  if (!sameAs55 || keptFromEl0 || flag(TCR, upper ? 23 : 7)) return { status: 0x04 };

  const stride = granule - 3;
  let level = 4 - Math.ceil((inputSize - granule) / stride);
  const tableLog = inputSize - ((3 - level) * stride + granule) + 3;
  let base = bits(upper ? TTBR1 : TTBR0, 47, 0) & -(1n << BigInt(tableLog));
  if (base >> BigInt(outputSize) !== 0n) return { status: 0x00 };
  let [high, tables] = [
    inputSize - 1,
    { writeDenied: false, userDenied: false, uxn: false, pxn: false } as Tables,
  ];
  for (;;) {
    const low = (3 - level) * stride + granule;
    const descriptor = read(base + (bits(va, high, low) << 3n));
    if (descriptor === undefined) return { status: 0x14 + level };
    if (!flag(descriptor, 0)) return { status: 0x04 + level };
    const isTable = level < 3 && flag(descriptor, 1);
    const isLeaf =
      level === 3 ? flag(descriptor, 1) : !isTable && (level === 2 || (level === 1 && granule === 12));
    if (!isTable && !isLeaf) return { status: 0x04 + level };
    const output = bits(descriptor, 47, isTable ? granule : low) << BigInt(isTable ? granule : low);
    if (output >> BigInt(outputSize) !== 0n) return { status: 0x00 + level };
    if (isLeaf) {
      if (!flag(descriptor, 10)) return { status: 0x08 + level };
      if (!isPermitted(descriptor, tables, flag(SCTLR, 19), access)) return { status: 0x0c + level };
      const index = bits(descriptor, 4, 2);
      const device = isDevice((MAIR >> (8n * index)) & 0xffn);
      return { pa: output | bits(va, low - 1, 0), descriptor, device, size: low };
    }
    tables = {
      writeDenied: tables.writeDenied || flag(descriptor, 62),
      userDenied: tables.userDenied || flag(descriptor, 61),
      uxn: tables.uxn || flag(descriptor, 60),
      pxn: tables.pxn || flag(descriptor, 59),
    };
    base = output;
    high = low - 1;
    level += 1;
  }
}
