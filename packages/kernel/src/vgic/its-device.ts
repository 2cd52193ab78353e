/**
 * KVM_DEV_TYPE_ARM_VGIC_ITS: attributes. Source: Documentation/virt/kvm/devices/arm-vgic-its.rst; the order of the checks is
 * that of arch/arm64/kvm/vgic/vgic-its.c.
 *
 * The VM lock is held by every caller.
 */
import {
  EBUSY,
  EFAULT,
  EINVAL,
  ENODEV,
  ENXIO,
  KVM_DEV_ARM_ITS_CTRL_RESET,
  KVM_DEV_ARM_ITS_RESTORE_TABLES,
  KVM_DEV_ARM_ITS_SAVE_TABLES,
  KVM_DEV_ARM_VGIC_CTRL_INIT,
  KVM_DEV_ARM_VGIC_GRP_ADDR,
  KVM_DEV_ARM_VGIC_GRP_CTRL,
  KVM_DEV_ARM_VGIC_GRP_ITS_REGS,
  KVM_VGIC_ITS_ADDR_TYPE,
  KVM_VGIC_V3_ITS_SIZE,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import { Block } from '../state/block.ts';
import { withLock } from '../state/lock.ts';
import { holds, releases } from '../state/profile.ts';
import { withVcpusLocked } from '../state/vcpu-locks.ts';
import { VGIC_LOCK } from '../state/vm-control.ts';
import { getUser, putUser } from '../uaccess.ts';
import { allChanged } from './interrupts.ts';
import type { Gic } from './interrupts.ts';
import { itsRows, resetIts } from './its-registers.ts';
import { ITS_BASE, ITS_PLACED, ITS_VM } from './its-state.ts';
import type { Its } from './its-state.ts';
import { restoreTables, saveTables } from './its-tables.ts';
import { checkFrame, noteFrame } from './frame.ts';
import { ALIGNMENT, UNSET } from './placement.ts';
import { WIDTH_64, findRow } from './regions.ts';
import type { RegisterRow } from './regions.ts';

const TYPE = BigInt(KVM_VGIC_ITS_ADDR_TYPE);

const vmOf = (its: Block): Block => new Block(its.words, its.get32(ITS_VM));

/** @returns 0 or -errno */
function setAddress(its: Block, attr: bigint, userAddress: number): number {
  if (attr !== TYPE) return -ENODEV;
  const base = getUser(its.words, userAddress, 8);
  if (base === undefined) return -EFAULT;
  const isPlaced = its.get32(ITS_PLACED) !== 0;
  const vm = vmOf(its);
  const error = checkFrame(vm, { base, size: KVM_VGIC_V3_ITS_SIZE, alignment: ALIGNMENT, isPlaced });
  if (error !== 0) return error;
  its.setNumber(ITS_BASE, Number(base));
  noteFrame(vm, Number(base), KVM_VGIC_V3_ITS_SIZE);
  its.set32(ITS_PLACED, 1);
  return 0;
}

/** @returns 0 or -errno */
function getAddress(its: Block, attr: bigint, userAddress: number): number {
  if (attr !== TYPE) return -ENODEV;
  return putUser(its.words, userAddress, 8, its.get32(ITS_PLACED) === 0 ? UNSET : its.get64(ITS_BASE));
}

type Command = (gic: Gic, its: Its) => number;

/** What INIT would do is done when the ITS is created. */
const COMMANDS: ReadonlyMap<bigint, Command> = new Map(
  (
    [
      [KVM_DEV_ARM_VGIC_CTRL_INIT, () => 0],
      [KVM_DEV_ARM_ITS_SAVE_TABLES, saveTables],
      [KVM_DEV_ARM_ITS_RESTORE_TABLES, restoreTables],
      [
        KVM_DEV_ARM_ITS_CTRL_RESET,
        (gic, its) => {
          resetIts(gic, its);
          return 0;
        },
      ],
    ] as readonly (readonly [number, Command])[]
  ).map(([attr, command]) => [BigInt(attr), command]),
);

/** Before, a command that there is not does nothing. */
const KNOWS_ITS_COMMANDS = releases({ since: '6.17' });

/** Runs `body` with everything held that reads or writes the ITS. @returns what it answers; -EBUSY a vCPU runs */
function locked(its: Block, host: Host, body: (gic: Gic, its: Its) => number): number {
  const { words, base } = its;
  const vm = vmOf(its);
  const gic: Gic = { words, vm: vm.base, host };
  return withVcpusLocked(vm, host, -EBUSY, () =>
    withLock(words, vm.base + VGIC_LOCK, host, () => body(gic, { words, base })),
  );
}

function control(its: Block, attr: bigint, host: Host): number {
  if (attr === BigInt(KVM_DEV_ARM_VGIC_CTRL_INIT)) return 0;
  return locked(its, host, (gic, view) => {
    const command = COMMANDS.get(attr);
    if (!command) return holds(its, KNOWS_ITS_COMMANDS) ? -ENXIO : 0;
    const result = command(gic, view);
    allChanged(gic);
    return result;
  });
}

/** Registers of 64 bits lie between these offsets, and are read and written whole. */
const GITS_TYPER = 0x08n;
const GITS_PIDR4 = 0xffd0n;
const isAligned = (offset: bigint): boolean =>
  offset % (offset < GITS_TYPER || offset >= GITS_PIDR4 ? 4n : 8n) === 0n;

/** Linux looks a register up by 32 bits of its offset. */
const rowAt = (gic: Gic, attr: bigint): { row: RegisterRow; word: number } | undefined => {
  const offset = Number(BigInt.asUintN(32, attr));
  const row = findRow(gic, itsRows, offset, 4);
  return row && { row, word: (offset - row.offset) >>> 2 };
};

/** @param body - given the register's row, and which word of it is meant @returns 0 or -errno */
function accessRegister(
  its: Block,
  attr: bigint,
  host: Host,
  body: (gic: Gic, row: RegisterRow, word: number) => number,
): number {
  if (!isAligned(attr)) return -EINVAL;
  return locked(its, host, (gic) => {
    const found = its.get32(ITS_PLACED) === 0 ? undefined : rowAt(gic, attr);
    return found ? body(gic, found.row, found.word) : -ENXIO;
  });
}

function setRegister(its: Block, attr: bigint, userAddress: number, host: Host): number {
  const value = getUser(its.words, userAddress, 8);
  if (value === undefined) return -EFAULT;
  return accessRegister(its, attr, host, (gic, row, word) => {
    const write = row.userWrite ?? row.write;
    const error = write(gic, its.base, word, Number(BigInt.asUintN(32, value)));
    if (error !== 0 || (row.widths & WIDTH_64) === 0) return error;
    return write(gic, its.base, word + 1, Number(value >> 32n));
  });
}

function getRegister(its: Block, attr: bigint, userAddress: number, host: Host): number {
  let value = 0n;
  const error = accessRegister(its, attr, host, (gic, { read, widths }, word) => {
    const wordAt = (place: number): bigint => BigInt.asUintN(32, BigInt(read(gic, its.base, place)));
    value = wordAt(word) | ((widths & WIDTH_64) === 0 ? 0n : wordAt(word + 1) << 32n);
    return 0;
  });
  return error === 0 ? putUser(its.words, userAddress, 8, value) : error;
}

/** KVM_SET_DEVICE_ATTR. @param its - its block @returns 0 or -errno; ENXIO no such attribute */
export function itsSetAttr(its: Block, group: number, attr: bigint, userAddress: number, host: Host): number {
  switch (group) {
    case KVM_DEV_ARM_VGIC_GRP_ADDR:
      return setAddress(its, attr, userAddress);
    case KVM_DEV_ARM_VGIC_GRP_CTRL:
      return control(its, attr, host);
    case KVM_DEV_ARM_VGIC_GRP_ITS_REGS:
      return setRegister(its, attr, userAddress, host);
    default:
      return -ENXIO;
  }
}

/** KVM_GET_DEVICE_ATTR. @returns 0 or -errno; ENXIO no such attribute, or it only takes */
export function itsGetAttr(its: Block, group: number, attr: bigint, userAddress: number, host: Host): number {
  switch (group) {
    case KVM_DEV_ARM_VGIC_GRP_ADDR:
      return getAddress(its, attr, userAddress);
    case KVM_DEV_ARM_VGIC_GRP_ITS_REGS:
      return getRegister(its, attr, userAddress, host);
    default:
      return -ENXIO;
  }
}

/** KVM_HAS_DEVICE_ATTR. @returns 0 or -errno; ENXIO no such attribute; EINVAL not aligned */
export function itsHasAttr(its: Block, group: number, attr: bigint, host: Host): number {
  switch (group) {
    case KVM_DEV_ARM_VGIC_GRP_ADDR:
      return attr === TYPE ? 0 : -ENXIO;
    case KVM_DEV_ARM_VGIC_GRP_CTRL:
      return COMMANDS.has(attr) ? 0 : -ENXIO;
    case KVM_DEV_ARM_VGIC_GRP_ITS_REGS: {
      if (!isAligned(attr)) return -EINVAL;
      return rowAt({ words: its.words, vm: its.get32(ITS_VM), host }, attr) ? 0 : -ENXIO;
    }
    default:
      return -ENXIO;
  }
}
