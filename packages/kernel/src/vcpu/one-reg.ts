/**
 * KVM_GET_ONE_REG, KVM_SET_ONE_REG, KVM_GET_REG_LIST over the register tables. Errno and order of checks: Linux
 * arch/arm64/kvm/guest.c, sys_regs.c, hypercalls.c.
 */
import {
  EFAULT,
  EINVAL,
  ENOENT,
  KVM_REG_ARM64,
  KVM_REG_ARM64_SYSREG,
  KVM_REG_ARM_COPROC_MASK,
  KVM_REG_ARM_CORE,
  KVM_REG_ARM_DEMUX,
  KVM_REG_ARM_FW,
  KVM_REG_ARM_FW_FEAT_BMAP,
  KVM_REG_SIZE_MASK,
  SYSREGS,
  ccsidrId,
  coreId,
  regSize,
  sysregId,
} from '@vkvm/uapi';
import type { RegId } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { holds, releases } from '../state/profile.ts';
import type { Releases } from '../state/profile.ts';
import { REQUEST_RELOAD, request } from '../state/requests.ts';
import { ccsidrCount, ccsidrOf, setCcsidr } from '../sysreg/id.ts';
import { isForUser } from '../sysreg/row.ts';
import { userKeyOf } from '../sysreg/table.ts';
import type { PlacedSysreg } from '../sysreg/table.ts';
import { firmwareRegisters, getFirmwareRegister, setFirmwareRegister } from '../smccc/firmware-regs.ts';
import { copyFromUser, copyToUser, getUser, putUser } from '../uaccess.ts';
import { CORE_REGISTERS, checkCoreRegister, readCoreRegister, writeCoreRegister } from './core-regs.ts';
import { SYSREG_TABLE } from './sysregs.ts';

/** Size of the registers that are not vectors. */
const U64 = 8;
const U32 = 4;
/** What an id has besides size, class and number: arm64, and zeros. */
const FIXED_PART = 0xff0f_ffff_f000_0000n;
const NUMBER_MASK = 0xffffn;

/** The registers of one class of ids. */
interface RegisterClass {
  get(vcpu: Block, id: RegId, address: number, host: Host): number;
  set(vcpu: Block, id: RegId, address: number, host: Host): number;
}

const core: RegisterClass = {
  get(vcpu, id, address) {
    const [index, bytes] = [Number(id & NUMBER_MASK), regSize(id)];
    const refused = checkCoreRegister(index, bytes);
    if (refused !== 0) return refused;
    const value = new Uint8Array(bytes);
    readCoreRegister(vcpu, index, value);
    return copyToUser(vcpu.words, address, value);
  },
  set(vcpu, id, address) {
    const [index, bytes] = [Number(id & NUMBER_MASK), regSize(id)];
    const refused = checkCoreRegister(index, bytes);
    if (refused !== 0) return refused;
    const value = new Uint8Array(bytes);
    return copyFromUser(vcpu.words, address, value) || writeCoreRegister(vcpu, index, value);
  },
};

function findSysreg(vcpu: Block, id: RegId): PlacedSysreg | undefined {
  if (regSize(id) !== U64) return undefined;
  const placed = SYSREG_TABLE.findUser(Number(id & NUMBER_MASK));
  return placed && isForUser(vcpu, placed.row) ? placed : undefined;
}

function getSysreg(vcpu: Block, { row, offset }: PlacedSysreg, host: Host): bigint {
  return typeof row.user === 'object' ? row.user.get(vcpu, host) : offset < 0 ? 0n : vcpu.get64(offset);
}

function setSysreg(vcpu: Block, { row, offset }: PlacedSysreg, value: bigint, host: Host): number {
  const { user } = row;
  if (typeof user === 'object') return user.set(vcpu, value, host);
  if (user === 'plain') vcpu.set64(offset, value);
  return 0;
}

/** The value is read before it is asked whether there is such a system register. Before, after that. */
const VALUE_FIRST = releases({ since: '6.0' });

const system: RegisterClass = {
  get(vcpu, id, address, host) {
    const placed = findSysreg(vcpu, id);
    return placed ? putUser(vcpu.words, address, U64, getSysreg(vcpu, placed, host)) : -ENOENT;
  },
  set(vcpu, id, address, host) {
    const placed = findSysreg(vcpu, id);
    if (!placed && !holds(vcpu, VALUE_FIRST)) return -ENOENT;
    const value = getUser(vcpu.words, address, U64);
    if (value === undefined) return -EFAULT;
    return placed ? setSysreg(vcpu, placed, value, host) : -ENOENT;
  },
};

/** @returns the CSSELR of a CCSIDR that there is, or -1 */
function csselrOf(vcpu: Block, id: RegId): number {
  const csselr = Number(id & NUMBER_MASK);
  return regSize(id) === U32 && csselr < ccsidrCount(vcpu) ? csselr : -1;
}

const demux: RegisterClass = {
  get(vcpu, id, address) {
    const csselr = csselrOf(vcpu, id);
    return csselr < 0 ? -ENOENT : putUser(vcpu.words, address, U32, ccsidrOf(vcpu, csselr));
  },
  set(vcpu, id, address) {
    const csselr = csselrOf(vcpu, id);
    if (csselr < 0) return -ENOENT;
    const value = getUser(vcpu.words, address, U32);
    return value === undefined ? -EFAULT : setCcsidr(vcpu, csselr, value);
  },
};

/** Firmware's bitmaps are a class of ids of their own. Before, these are no system registers either. */
const HAS_BITMAPS = releases({ since: '5.19' });
const isBitmap = (id: RegId): boolean => (id & KVM_REG_ARM_COPROC_MASK) === KVM_REG_ARM_FW_FEAT_BMAP;

const firmware: RegisterClass = {
  get(vcpu, id, address) {
    const value = regSize(id) === U64 ? getFirmwareRegister(vcpu, id) : undefined;
    return value === undefined ? -ENOENT : putUser(vcpu.words, address, U64, value);
  },
  set(vcpu, id, address, host) {
    if (regSize(id) !== U64 || (isBitmap(id) && !holds(vcpu, HAS_BITMAPS))) return -ENOENT;
    const value = getUser(vcpu.words, address, U64);
    return value === undefined ? -EFAULT : setFirmwareRegister(vcpu, id, value, host);
  },
};

const CLASSES = new Map<bigint, RegisterClass>([
  [KVM_REG_ARM_CORE, core],
  [KVM_REG_ARM_DEMUX, demux],
  [KVM_REG_ARM64_SYSREG, system],
  [KVM_REG_ARM_FW, firmware],
  [KVM_REG_ARM_FW_FEAT_BMAP, firmware],
]);

/** @returns the class, or -EINVAL not an arm64 id, -ENOENT no such class */
function classOf(id: RegId): RegisterClass | number {
  if ((id & ~KVM_REG_SIZE_MASK & FIXED_PART) !== KVM_REG_ARM64) return -EINVAL;
  return CLASSES.get(id & KVM_REG_ARM_COPROC_MASK) ?? -ENOENT;
}

/** Writes a register's value to user memory. @returns 0 or -errno */
export function getOneReg(vcpu: Block, id: RegId, address: number, host: Host): number {
  const registers = classOf(id);
  return typeof registers === 'number' ? registers : registers.get(vcpu, id, address, host);
}

/** Takes a register's value from user memory. The vCPU is outside guest code. @returns 0 or -errno */
export function setOneReg(vcpu: Block, id: RegId, address: number, host: Host): number {
  const registers = classOf(id);
  if (typeof registers === 'number') return registers;
  const result = registers.set(vcpu, id, address, host);
  if (result === 0) request(vcpu, REQUEST_RELOAD, host);
  return result;
}

const SIZES = new Map([
  [4, 0x0020_0000_0000_0000n],
  [8, 0x0030_0000_0000_0000n],
  [16, 0x0040_0000_0000_0000n],
]);

/**
 * System registers that stood before the others, in this order: the timers (control, counter, compare value), which were
 * a class of their own, and what nobody could change. Later each stands where its encoding does.
 */
const FIRST: readonly { readonly key: number; readonly releases: Releases }[] = [
  { key: SYSREGS.CNTV_CTL_EL0, releases: releases({ until: '7.3' }) },
  // User space knows these two by each other's encoding.
  { key: SYSREGS.CNTV_CVAL_EL0, releases: releases({ until: '7.3' }) },
  { key: SYSREGS.CNTVCT_EL0, releases: releases({ until: '7.3' }) },
  { key: SYSREGS.CNTP_CTL_EL0, releases: releases({ until: '7.3' }) },
  { key: SYSREGS.CNTPCT_EL0, releases: releases({ until: '7.3' }) },
  { key: SYSREGS.CNTP_CVAL_EL0, releases: releases({ until: '7.3' }) },
  { key: SYSREGS.MIDR_EL1, releases: releases({ until: '6.15' }) },
  { key: SYSREGS.REVIDR_EL1, releases: releases({ until: '6.15' }) },
  { key: SYSREGS.CLIDR_EL1, releases: releases({ until: '6.3' }) },
  { key: SYSREGS.AIDR_EL1, releases: releases({ until: '6.15' }) },
  { key: SYSREGS.CTR_EL0, releases: releases({ until: '6.12' }) },
];

/** Keys of the system registers in the order of KVM_GET_REG_LIST. */
function sysregKeys(vcpu: Block): readonly number[] {
  const keys = SYSREG_TABLE.rows.filter(({ row }) => isForUser(vcpu, row)).map(({ row }) => userKeyOf(row));
  const first = FIRST.filter((each) => holds(vcpu, each.releases) && keys.includes(each.key)).map(
    ({ key }) => key,
  );
  return [...first, ...keys.filter((key) => !first.includes(key))];
}

/** Ids of all registers: core, firmware, system registers, caches. */
export function listRegisters(vcpu: Block): RegId[] {
  return [
    ...CORE_REGISTERS.map(({ index, bytes }) => (coreId(index) & ~KVM_REG_SIZE_MASK) | SIZES.get(bytes)!),
    ...firmwareRegisters(vcpu),
    ...sysregKeys(vcpu).map((key) => sysregId(key)),
    ...Array.from({ length: ccsidrCount(vcpu) }, (_, csselr) => ccsidrId(csselr)),
  ];
}
