/**
 * What the CPU is: identification and cache registers. Source: Arm DDI 0487, D19.2. Which of their bits user space may
 * change: id-masks.ts.
 *
 * The CPU is Armv8.0-A with AArch64 at EL0 and EL1, and of later extensions what docs/decisions lists. They are the same
 * for all vCPUs of a VM, so the values lie in the VM's block.
 */
import { EBUSY, EINVAL, KVM_DEV_TYPE_ARM_VGIC_V3, SYSREGS, sysregKey } from '@vkvm/uapi';

import { PMUVER_SHIFT, newestVersion } from '../pmu/state.ts';
import { Block } from '../state/block.ts';
import { CCSIDR_CHANGES, CLIDR_EL1, CSSELR, VCPU_ID } from '../state/control.ts';
import { hasPmu } from '../state/features.ts';
import { holds, releases } from '../state/profile.ts';
import { SCTLR_EL1, EL, VM_BLOCK } from '../state/vcpu-state.ts';
import { IRQCHIP, OTHER_ID_REGS, VM_HAS_RUN, WRITABLE_IMP_ID_REGS, idRegister } from '../state/vm-control.ts';
import type { Words } from '../state/words.ts';
import { writableMaskOf } from './id-masks.ts';
import { SYSREG_DONE, SYSREG_TRAP } from './row.ts';
import type { SysregRow, SysregUserAccess } from './row.ts';

/** Implementer 0 (software), architecture 0xF (see the ID registers), part 0x56B. docs/decisions tells why. */
const MIDR = 0x000f_56b0n;
/** Data and instruction lines of 64 bytes, PIPT; IDC: no clean is needed for coherency; not DIC: IC is. */
const CTR = 0x9444_c004n;
/** DC ZVA is allowed and clears 64 bytes. */
const DCZID = 4n;
/** A level of instruction cache, then a unified one; the latter is the point of coherency. */
const CLIDR = 0x0200_0021n;
/** Where user space has taken CTR_EL0.IDC away: one level of two caches, which is the point of all. */
const CLIDR_WITH_CLEAN = 0x0920_0003n;
/** Every cache looks alike: one set, one way, lines of 64 bytes. */
const CCSIDR = 2n;
/** CSSELR values that have a CCSIDR: KVM_REG_ARM_DEMUX. */
const CCSIDR_COUNT = 14;
/** Caches are made up, and user space may change them. Before, they are the machine's. */
const MADE_UP_CACHES = releases({ since: '6.3' });
/** The machine's: two caches of the first level, then a unified one. By CSSELR: data, instructions, the unified one. */
const MACHINE_CLIDR = 0x0200_0023n;
const MACHINE_CCSIDRS = [0x701f_e00an, 0x201f_e012n, 0x70ff_e07an] as const;

/** How many values of CSSELR have a CCSIDR that user space sees. */
export const ccsidrCount = (vcpu: Block): number =>
  holds(vcpu, MADE_UP_CACHES) ? CCSIDR_COUNT : MACHINE_CCSIDRS.length;

/** CCSIDR_EL1 of a CSSELR_EL1; 0 if there is none. */
export function ccsidrOf(vcpu: Block, csselr: number): bigint {
  if (!holds(vcpu, MADE_UP_CACHES)) return MACHINE_CCSIDRS[csselr] ?? 0n;
  const change = csselr < CCSIDR_COUNT ? vcpu.get32(CCSIDR_CHANGES + 4 * csselr) : 0;
  return CCSIDR ^ BigInt(change);
}

/** Lowest bits of CTR_EL0's smallest lines, each as log2 of words of 4 bytes. */
const DMIN_LINE = 16n;
const IMIN_LINE = 0n;
/** CSSELR_EL1.InD: the instruction cache of a level. */
const INSTRUCTIONS = 1;

/**
 * User space changes a CCSIDR. @param csselr - below {@link ccsidrCount}
 * @returns 0 or -EINVAL: a line is shorter than CTR_EL0 says that any is, or it is the machine's
 */
export function setCcsidr(vcpu: Block, csselr: number, value: bigint): number {
  if (!holds(vcpu, MADE_UP_CACHES)) return value === ccsidrOf(vcpu, csselr) ? 0 : -EINVAL;
  const smallest = vmOf(vcpu).get64(CTR_OFFSET) >> ((csselr & INSTRUCTIONS) === 0 ? DMIN_LINE : IMIN_LINE);
  // LineSize is log2 of bytes, less 4.
  if ((value & 7n) + 4n < (smallest & 15n) + 2n) return -EINVAL;
  vcpu.set32(CCSIDR_CHANGES + 4 * csselr, Number(value ^ CCSIDR));
  return 0;
}

/** What KVM resets an architecturally unknown value to. */
const CSSELR_UNKNOWN = 0x1de7_ec7e_dbad_c0den;

const GIC_SHIFT = 24n;

/** Whatever has a profile. */
interface InMemory {
  readonly words: Words;
}

interface IdRegister {
  readonly name: keyof typeof SYSREGS;
  readonly value: bigint | ((memory: InMemory) => bigint);
  /** Of the bits that user space may lower, those that it may not after all: there is no CPU without. */
  readonly needed?: bigint;
  /** Bits that read as zero for a vCPU that has not asked for the feature. */
  readonly hidden?: (vcpu: Block) => bigint;
  /** What a value that user space brings means. */
  readonly normalise?: (value: bigint) => bigint;
}

/** ID_AA64DFR0_EL1.PMUVer: all of its bits set, a PMU of some other kind, which KVM once showed by mistake. */
const PMUVER = 15n << PMUVER_SHIFT;

/** The AArch64 feature registers that are not zero. */
const FEATURE_REGISTERS: readonly IdRegister[] = [
  // EL0, EL1 AArch64 only; FP, AdvSIMD, both with half precision; GICv3 registers; RAS; no branch or data speculation (CSV2 = 3, CSV3 = 1)
  { name: 'ID_AA64PFR0_EL1', value: 0x1300_0000_1111_0011n, needed: 0xffn },
  {
    // Armv8.0 debug, which there is no CPU without: 6 breakpoints, 4 watchpoints, 2 of the breakpoints context-aware; a PMU
    name: 'ID_AA64DFR0_EL1',
    value: (memory) => 0x1030_5006n | (BigInt(newestVersion(memory)) << PMUVER_SHIFT),
    hidden: (vcpu) => (hasPmu(vcpu) ? 0n : PMUVER),
    normalise: (value) => ((value & PMUVER) === PMUVER ? value & ~PMUVER : value),
    needed: 0xfn,
  },
  // AES with PMULL, SHA1, SHA256, SHA512, CRC32, LSE atomics, RDM, SHA3, DotProd, FlagM2
  { name: 'ID_AA64ISAR0_EL1', value: 0x0020_1001_1021_2120n },
  // DC CVAP and CVADP, JSCVT, FCMA, LRCPC2, FRINTTS, SB
  { name: 'ID_AA64ISAR1_EL1', value: 0x0000_0011_0021_1002n },
  // 48-bit physical addresses, 16-bit ASIDs, granules of 4K, 16K and 64K
  { name: 'ID_AA64MMFR0_EL1', value: 0x0010_0025n },
  // E0PD: half of the address space can be kept from EL0 without a table of its own
  { name: 'ID_AA64MMFR2_EL1', value: 0x1000_0000_0000_0000n },
];

/** Registers user space sees among CRm 1 to 7: all 56, whatever they are called. */
const FEATURE_KEYS = Array.from({ length: 56 }, (_, n) => sysregKey(3, 0, 0, 1 + (n >> 3), n & 7));

const valueIn = (memory: InMemory, value: IdRegister['value']): bigint =>
  typeof value === 'function' ? value(memory) : value;

const vmOf = (vcpu: Block): Block => new Block(vcpu.words, vcpu.get32(VM_BLOCK));

/** Each field is at most the one we have; the fields that may not change are equal. */
function isSubset(value: bigint, ours: bigint, writable: bigint): boolean {
  if ((value & ~writable) !== (ours & ~writable)) return false;
  for (let shift = 0n; shift < 64n; shift += 4n) {
    if (((value >> shift) & 15n) > ((ours >> shift) & 15n)) return false;
  }
  return true;
}

/** User space may ask for less than there is. */
const WRITABLE_IDS = releases({ since: '6.7' });

function featureUser(
  key: number,
  offset: number,
  { value: ours, needed = 0n, hidden = () => 0n, normalise = (value) => value }: Omit<IdRegister, 'name'>,
): SysregUserAccess {
  return {
    get: (vcpu) => vmOf(vcpu).get64(offset) & ~hidden(vcpu),
    set(vcpu, wanted) {
      const vm = vmOf(vcpu);
      const value = normalise(wanted);
      if ((vm.get64(offset) & ~hidden(vcpu)) === value) return 0;
      if (!holds(vcpu, WRITABLE_IDS)) return -EINVAL;
      if (vm.get32(VM_HAS_RUN) !== 0) return -EBUSY;
      const most = valueIn(vm, ours) & ~hidden(vcpu);
      if (!isSubset(value, most, writableMaskOf(vcpu, key) & ~needed)) return -EINVAL;
      vm.set64(offset, value);
      return 0;
    },
  };
}

/** MIDR, REVIDR, AIDR: fixed, unless user space has asked to choose them. */
function implementationUser(offset: number, writable: bigint): SysregUserAccess {
  return {
    get: (vcpu) => vmOf(vcpu).get64(offset),
    set(vcpu, value) {
      const vm = vmOf(vcpu);
      if (vm.get64(offset) === value) return 0;
      if (vm.get32(WRITABLE_IMP_ID_REGS) === 0) return -EINVAL;
      if (vm.get32(VM_HAS_RUN) !== 0) return -EBUSY;
      if ((value & ~writable) !== 0n) return -EINVAL;
      vm.set64(offset, value);
      return 0;
    },
  };
}

const inVm =
  (offset: number): NonNullable<SysregRow['read']> =>
  (vcpu, to) => {
    vcpu.set64(to, vmOf(vcpu).get64(offset));
    return SYSREG_DONE;
  };

/** The guest sees what user space sees. */
const readAs =
  ({ get }: SysregUserAccess): NonNullable<SysregRow['read']> =>
  (vcpu, to, { host }) => {
    vcpu.set64(to, get(vcpu, host));
    return SYSREG_DONE;
  };

const AIDR_OFFSET = OTHER_ID_REGS;
const CTR_OFFSET = OTHER_ID_REGS + 8;

/** CTR_EL0.IDC: data is coherent with instructions without a clean to some level. */
const IDC = 1n << 28n;
/** CLIDR_EL1 to its highest field, and lowest bits of those that name a level: 0 = there is none. */
const CLIDR_FIELDS = 0x7fff_ffff_ffffn;
const LOUIS = 21n;
const LOC = 24n;
const LOUU = 27n;

const isCoherent = (vcpu: Block): boolean => (vmOf(vcpu).get64(CTR_OFFSET) & IDC) !== 0n;

function resetClidr(vcpu: Block): bigint {
  if (!holds(vcpu, MADE_UP_CACHES)) return MACHINE_CLIDR;
  return isCoherent(vcpu) ? CLIDR : CLIDR_WITH_CLEAN;
}

/** Caches as user space made them up. Source: Arm DDI 0487, D24.2.27; order of checks as of Linux. */
const clidrUser: SysregUserAccess = {
  get: (vcpu) => vcpu.get64(CLIDR_EL1),
  set(vcpu, value) {
    if (!holds(vcpu, MADE_UP_CACHES)) return value === vcpu.get64(CLIDR_EL1) ? 0 : -EINVAL;
    const level = (shift: bigint): bigint => (value >> shift) & 7n;
    const needsNoClean = level(LOC) === 0n || (level(LOUIS) === 0n && level(LOUU) === 0n);
    if ((value & ~CLIDR_FIELDS) !== 0n || (needsNoClean && !isCoherent(vcpu))) return -EINVAL;
    vcpu.set64(CLIDR_EL1, value);
    return 0;
  },
};

/** SCTLR_EL1.UCT: EL0 may read CTR_EL0. */
const UCT = 1 << 15;

const nameOf = new Map<number, string>(Object.entries(SYSREGS).map(([name, key]) => [key, name]));

const valueOf = (key: number): IdRegister | undefined =>
  FEATURE_REGISTERS.find(({ name }) => SYSREGS[name] === key);

function implementationRow(name: keyof typeof SYSREGS, offset: number, writable: bigint): SysregRow {
  return {
    name,
    key: SYSREGS[name],
    readEl: 1,
    read: inVm(offset),
    user: implementationUser(offset, writable),
  };
}

export const idSysregs: readonly SysregRow[] = [
  implementationRow('MIDR_EL1', idRegister(SYSREGS.MIDR_EL1), 0xffff_ffffn),
  implementationRow('REVIDR_EL1', idRegister(SYSREGS.REVIDR_EL1), 0xffff_ffff_ffff_ffffn),
  implementationRow('AIDR_EL1', AIDR_OFFSET, 0xffff_ffff_ffff_ffffn),
  ...FEATURE_KEYS.map((key): SysregRow => {
    const register: Omit<IdRegister, 'name'> = valueOf(key) ?? { value: 0n };
    const user = featureUser(key, idRegister(key), register);
    return {
      name: nameOf.get(key) ?? 'reserved',
      key,
      readEl: 1,
      read: register.hidden ? readAs(user) : inVm(idRegister(key)),
      user,
    };
  }),
  {
    name: 'CTR_EL0',
    key: SYSREGS.CTR_EL0,
    readEl: 0,
    read(vcpu, to) {
      if (vcpu.get32(EL) === 0 && (vcpu.get32(SCTLR_EL1) & UCT) === 0) return SYSREG_TRAP;
      vcpu.set64(to, vmOf(vcpu).get64(CTR_OFFSET));
      return SYSREG_DONE;
    },
    user: featureUser(SYSREGS.CTR_EL0, CTR_OFFSET, { value: CTR }),
  },
  {
    name: 'DCZID_EL0',
    traps: false,
    key: SYSREGS.DCZID_EL0,
    readEl: 0,
    read(vcpu, to) {
      vcpu.set64(to, DCZID);
      return SYSREG_DONE;
    },
  },
  {
    name: 'CLIDR_EL1',
    key: SYSREGS.CLIDR_EL1,
    readEl: 1,
    offset: CLIDR_EL1,
    reset: resetClidr,
    user: clidrUser,
  },
  {
    name: 'CCSIDR_EL1',
    key: SYSREGS.CCSIDR_EL1,
    readEl: 1,
    read(vcpu, to) {
      vcpu.set64(to, ccsidrOf(vcpu, vcpu.get32(CSSELR) & 15));
      return SYSREG_DONE;
    },
  },
  {
    name: 'CSSELR_EL1',
    key: SYSREGS.CSSELR_EL1,
    readEl: 1,
    writeEl: 1,
    offset: CSSELR,
    reset: CSSELR_UNKNOWN,
    writable: 15n,
    user: 'plain',
  },
  {
    // The vCPU id as affinities: 16 vCPUs to a cluster.
    name: 'MPIDR_EL1',
    key: SYSREGS.MPIDR_EL1,
    readEl: 1,
    stored: true,
    reset: (vcpu) => mpidrOf(vcpu.get32(VCPU_ID)),
    user: 'plain',
  },
];

/** Fills in what a new VM's CPUs are. */
export function initIdRegisters(vm: Block): void {
  vm.set64(idRegister(SYSREGS.MIDR_EL1), MIDR);
  vm.set64(CTR_OFFSET, CTR);
  for (const { name, value } of FEATURE_REGISTERS) vm.set64(idRegister(SYSREGS[name]), valueIn(vm, value));
}

/** The first KVM_RUN of a VM: without a GICv3 its CPUs have no GIC registers. The state lock is held. */
export function finaliseIdRegisters(vm: Block): void {
  if (vm.get32(IRQCHIP) !== KVM_DEV_TYPE_ARM_VGIC_V3) hideGic(vm);
}

/** The CPUs have no GIC registers. */
export function hideGic(vm: Block): void {
  const offset = idRegister(SYSREGS.ID_AA64PFR0_EL1);
  vm.set64(offset, vm.get64(offset) & ~(15n << GIC_SHIFT));
}

/** MPIDR_EL1 of a vCPU id: Aff0 has 4 bits of it, Aff1 and Aff2 eight each. */
export const mpidrOf = (id: number): bigint =>
  BigInt(0x8000_0000 + (id & 15) + (((id >> 4) & 0xff) << 8) + (((id >> 12) & 0xff) << 16));
