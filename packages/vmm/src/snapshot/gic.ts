/**
 * The in-kernel GIC in a snapshot, register by register through its attributes. Which registers, and in which order they
 * are written: Linux Documentation/virt/kvm/devices/arm-vgic-v3.rst and arm-vgic.rst.
 */
import {
  KVM_DEV_ARM_VGIC_GRP_CPU_REGS,
  KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
  KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
  KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO,
  KVM_DEV_ARM_VGIC_GRP_REDIST_REGS,
  KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT,
  SYSREGS,
  VGIC_LEVEL_INFO_LINE_LEVEL,
} from '@vkvm/uapi';
import type { KvmDevice } from '../kvm/device.ts';
import { Json, hex } from './json.ts';
import { attempt } from './vcpu.ts';

/** What is saved of the GIC: words of each register, by its name; private ones for each vCPU. */
export interface GicState {
  readonly version: 2 | 3;
  readonly shared: ReadonlyMap<string, readonly bigint[]>;
  readonly private: readonly ReadonlyMap<string, readonly bigint[]>[];
}

/** The machine that the GIC is in. */
export interface GicContext {
  readonly device: KvmDevice;
  readonly version: 2 | 3;
  /** Interrupts, private ones included. */
  readonly interrupts: number;
  /** How attributes name the vCPUs: by affinity with version 3, by id with version 2. */
  readonly vcpus: readonly number[];
}

interface GicRow {
  readonly name: string;
  readonly group: number;
  /** Offset or encoding of the first word. */
  readonly at: number;
  /** Distance from a word to the next one. */
  readonly step: number;
  /** First word to take. */
  readonly first: number;
  /** Words, the ones before `first` included. */
  readonly end: number;
  readonly size: 4 | 8;
  /** Where all ones are written first, to clear what the register can only set. */
  readonly clear?: number;
  /** Written only where it reads differently: the kernel changes what is written, even to what it resets it to. */
  readonly cautious?: true;
}

/** Interrupts whose state a redistributor, or a GICv2 for each CPU, holds. */
const PRIVATE = 32;
const ALL = 0xffff_ffffn;
/** Second frame of a redistributor. */
const SGI_FRAME = 0x1_0000;
const LEVELS = VGIC_LEVEL_INFO_LINE_LEVEL << KVM_DEV_ARM_VGIC_LINE_LEVEL_INFO_SHIFT;

/** Words of registers with `bits` for each of the interrupts from `from` to `to`. */
interface Block {
  readonly group: number;
  readonly base: number;
  readonly from: number;
  readonly to: number;
}

const perInterrupt =
  ({ group, base, from, to }: Block) =>
  (name: string, offset: number, bits: number, clear?: number): GicRow => ({
    name,
    group,
    at: base + offset,
    step: 4,
    first: (from * bits) / 32,
    end: (to * bits) / 32,
    size: 4,
    ...(clear !== undefined && { clear: base + clear }),
  });

const single = (name: string, group: number, at: number, words = 1): GicRow => ({
  name,
  group,
  at,
  step: 4,
  first: 0,
  end: words,
  size: 4,
});

/** Configuration before pending state, because that depends on it; lines before the latches. */
const interruptRows = (block: Block, levels: boolean): GicRow[] => {
  const row = perInterrupt(block);
  return [
    row('IGROUPR', 0x080, 1),
    row('ICFGR', 0xc00, 2),
    row('ISENABLER', 0x100, 1, 0x180),
    row('IPRIORITYR', 0x400, 8),
    ...(levels
      ? [{ ...row('LEVEL', 0, 1), group: KVM_DEV_ARM_VGIC_GRP_LEVEL_INFO, at: LEVELS, step: 32 }]
      : []),
    row('ISPENDR', 0x200, 1),
    row('ISACTIVER', 0x300, 1, 0x380),
  ];
};

const sysreg = (name: keyof typeof SYSREGS): GicRow => ({
  name,
  group: KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
  at: SYSREGS[name],
  step: 0,
  first: 0,
  end: 1,
  size: 8,
});

interface GicTable {
  /** Written before all others. */
  readonly early: readonly GicRow[];
  readonly private: readonly GicRow[];
  readonly shared: readonly GicRow[];
  /** Private ones that come last. */
  readonly late: readonly GicRow[];
}

function tableOf({ version, interrupts }: Pick<GicContext, 'version' | 'interrupts'>): GicTable {
  const DIST = KVM_DEV_ARM_VGIC_GRP_DIST_REGS;
  const REDIST = KVM_DEV_ARM_VGIC_GRP_REDIST_REGS;
  const spis: Block = { group: DIST, base: 0, from: PRIVATE, to: interrupts };
  // The revision decides what other registers do, so it comes first.
  const early = [single('GICD_IIDR', DIST, 0x008), single('GICD_CTLR', DIST, 0x000)];
  if (version === 3) {
    const own: Block = { group: REDIST, base: SGI_FRAME, from: 0, to: PRIVATE };
    return {
      early,
      private: [
        { ...single('GICR_PROPBASER', REDIST, 0x070, 2), cautious: true },
        { ...single('GICR_PENDBASER', REDIST, 0x078, 2), cautious: true },
        single('GICR_CTLR', REDIST, 0x000),
        ...interruptRows(own, true),
      ],
      shared: [{ ...perInterrupt(spis)('IROUTER', 0x6000, 64) }, ...interruptRows(spis, true)],
      late: [
        sysreg('ICC_SRE_EL1'),
        sysreg('ICC_CTLR_EL1'),
        sysreg('ICC_PMR_EL1'),
        sysreg('ICC_BPR0_EL1'),
        sysreg('ICC_BPR1_EL1'),
        sysreg('ICC_AP0R0_EL1'),
        sysreg('ICC_AP1R0_EL1'),
        sysreg('ICC_IGRPEN0_EL1'),
        sysreg('ICC_IGRPEN1_EL1'),
      ],
    };
  }
  const own: Block = { group: DIST, base: 0, from: 0, to: PRIVATE };
  const CPU = KVM_DEV_ARM_VGIC_GRP_CPU_REGS;
  const targets = perInterrupt(spis)('ITARGETSR', 0x800, 8);
  return {
    early,
    private: [...interruptRows(own, false), { ...single('SPENDSGIR', DIST, 0xf20, 4), clear: 0xf10 }],
    shared: [targets, ...interruptRows(spis, false)],
    late: [
      single('GICC_CTLR', CPU, 0x00),
      single('GICC_PMR', CPU, 0x04),
      single('GICC_BPR', CPU, 0x08),
      single('GICC_ABPR', CPU, 0x1c),
      single('GICC_APR', CPU, 0xd0, 4),
    ],
  };
}

const words = ({ first, end }: GicRow): number[] =>
  Array.from({ length: end - first }, (_, index) => first + index);

/** @param vcpu - as attributes name it; 0 for a register that all share */
const attribute = ({ group, at, step, size }: GicRow, vcpu: number, word: number, from = at) => ({
  group,
  attr: (BigInt(vcpu) << 32n) | BigInt(from + word * step),
  size,
});

function read(device: KvmDevice, rows: readonly GicRow[], vcpu: number): Map<string, bigint[]> {
  return new Map(
    rows.map((row) => [row.name, words(row).map((word) => device.getAttr(attribute(row, vcpu, word)))]),
  );
}

/** @throws {KvmError} `EBUSY` a vCPU runs */
export function saveGic({ device, vcpus, ...context }: GicContext): GicState {
  const table = tableOf(context);
  return {
    version: context.version,
    shared: read(device, [...table.early, ...table.shared], vcpus[0] ?? 0),
    private: vcpus.map((vcpu) => read(device, [...table.private, ...table.late], vcpu)),
  };
}

/** A register of the GIC whose value the kernel did not take. */
export interface GicRefusal {
  readonly name: string;
  readonly value: bigint;
  readonly errno: string;
}

/** Writes everything into a GIC that is initialised. @returns what was refused */
export function restoreGic({ device, vcpus, ...context }: GicContext, state: GicState): GicRefusal[] {
  const table = tableOf(context);
  const refusals: GicRefusal[] = [];
  const set = (row: GicRow, vcpu: number, values: readonly bigint[]): void => {
    words(row).forEach((word, index) => {
      const value = values[index] as bigint;
      const errno = attempt(() => {
        if (row.cautious && device.getAttr(attribute(row, vcpu, word)) === value) return;
        if (row.clear !== undefined) device.setAttr(attribute(row, vcpu, word, row.clear), ALL);
        device.setAttr(attribute(row, vcpu, word), value);
      });
      if (errno !== undefined) refusals.push({ name: row.name, value, errno });
    });
  };
  const shared = (rows: readonly GicRow[]): void => {
    for (const row of rows) set(row, vcpus[0] ?? 0, state.shared.get(row.name) as readonly bigint[]);
  };
  const own = (rows: readonly GicRow[]): void => {
    vcpus.forEach((vcpu, index) => {
      for (const row of rows) set(row, vcpu, state.private[index]?.get(row.name) as readonly bigint[]);
    });
  };
  shared(table.early);
  own(table.private);
  shared(table.shared);
  own(table.late);
  return refusals;
}

const encodeWords = (registers: ReadonlyMap<string, readonly bigint[]>): unknown =>
  Object.fromEntries(Array.from(registers, ([name, values]) => [name, values.map(hex)]));

export const encodeGic = (state: GicState): unknown => ({
  version: state.version,
  shared: encodeWords(state.shared),
  vcpus: state.private.map(encodeWords),
});

/** @throws {SnapshotError} it is not what {@link encodeGic} makes of a machine like this one */
export function decodeGic(
  payload: Uint8Array,
  context: Pick<GicContext, 'version' | 'interrupts' | 'vcpus'>,
): GicState {
  const table = tableOf(context);
  const json = Json.parse(payload, 'the GIC');
  const registers = (part: Json, rows: readonly GicRow[]) =>
    new Map(
      rows.map((row) => [
        row.name,
        part
          .get(row.name)
          .list(words(row).length)
          .map((word) => word.word(8 * row.size)),
      ]),
    );
  return {
    version: json.get('version').integer(context.version) as 2 | 3,
    shared: registers(json.get('shared'), [...table.early, ...table.shared]),
    private: json
      .get('vcpus')
      .list(context.vcpus.length)
      .map((part) => registers(part, [...table.private, ...table.late])),
  };
}
