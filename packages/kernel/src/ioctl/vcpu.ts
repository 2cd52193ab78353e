/** Requests of a vCPU's file, but for KVM_RUN, which dispatch.ts makes itself. The vCPU mutex is held. */
import {
  E2BIG,
  EFAULT,
  EINVAL,
  ENOEXEC,
  ENXIO,
  KVM_ARM_VCPU_PMU_V3_CTRL,
  KVM_ARM_VCPU_PVTIME_CTRL,
  KVM_ARM_VCPU_TIMER_CTRL,
  KVM_GUESTDBG_ENABLE,
  KVM_SET_REGS,
  KVM_TRANSLATE,
  PROT_READ,
  iocSize,
  kvmDeviceAttr,
  kvmGuestDebug,
  kvmMpState,
  kvmOneReg,
  kvmRegList,
  kvmSignalMask,
  kvmVcpuEvents,
  kvmVcpuInit,
  vkvmEngineStats,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import { getPmuAttr, hasPmuAttr, setPmuAttr } from '../pmu/attributes.ts';
import type { Block } from '../state/block.ts';
import { INITIALISED, MP_STATE } from '../state/control.ts';
import {
  CODE_BYTES,
  COMPILED_INSTRUCTIONS,
  COMPILE_TIME,
  INSTRUCTIONS,
  REGIONS,
  REGION_INSTRUCTIONS,
  tlbFills,
} from '../state/engine-stats.ts';
import { GUEST_DEBUG_FLAGS, setGuestDebug } from '../state/guest-debug.ts';
import { isAccessible } from '../state/mappings.ts';
import { isOneOf } from '../state/profile.ts';
import { getPvtimeAttr, hasPvtimeAttr, setPvtimeAttr } from '../smccc/pvtime.ts';
import { getTimerAttr, hasTimerAttr, setTimerAttr } from '../timer/attributes.ts';
import { copyToUser, getUser, putUser } from '../uaccess.ts';
import { getEvents, injectEvents } from '../vcpu/events.ts';
import { initVcpu } from '../vcpu/init.ts';
import { setMpState } from '../vcpu/mp-state.ts';
import { getOneReg, listRegisters, setOneReg } from '../vcpu/one-reg.ts';
import { applyPendingReset } from '../vcpu/reset.ts';
import { openVcpuStats } from '../vm/stats-file.ts';
import type { IoctlCall, IoctlEntry } from './handler.ts';

const isInitialised = (vcpu: Block): number => (vcpu.get32(INITIALISED) === 0 ? -ENOEXEC : 0);

/** Signals do not exist here; the kick word takes their place. The mask is checked and has no effect. */
function setSignalMask({ arg, thread: { words } }: IoctlCall): number {
  if (arg === 0) return 0;
  const length = getUser(words, arg, kvmSignalMask.size);
  if (length === undefined) return -EFAULT;
  if (length !== BigInt(SIGNAL_SET_SIZE)) return -EINVAL;
  return isAccessible(words, arg + kvmSignalMask.size, SIGNAL_SET_SIZE, PROT_READ) ? 0 : -EFAULT;
}
const SIGNAL_SET_SIZE = 8;

/** Events of a vCPU that is not initialised are refused: since 6.1, which 6.12's stable releases took back. */
const eventsNeedInit = (vcpu: Block): number =>
  isOneOf(vcpu, ['linux-5.10', 'linux-6.12']) ? 0 : isInitialised(vcpu);

function getVcpuEvents({ block, thread: { argument } }: IoctlCall): number {
  const { serrorPending, serrorSyndrome } = getEvents(block);
  kvmVcpuEvents.write(argument, 0, {
    serror_pending: serrorPending ? 1 : 0,
    serror_has_esr: 1,
    serror_esr: serrorSyndrome,
  });
  return 0;
}

function setVcpuEvents({ block, thread: { host, argument } }: IoctlCall): number {
  const events = kvmVcpuEvents.read(argument, 0);
  if (events.pad.some((byte) => byte !== 0) || events.reserved.some((word) => word !== 0)) return -EINVAL;
  return injectEvents(
    block,
    {
      serrorPending: events.serror_pending !== 0,
      hasSyndrome: events.serror_has_esr !== 0,
      serrorSyndrome: events.serror_esr,
      externalAbort: events.ext_dabt_pending !== 0,
    },
    host,
  );
}

function debugGuest({ block, thread: { argument } }: IoctlCall): number {
  const debug = kvmGuestDebug.read(argument, 0);
  if ((debug.control & ~GUEST_DEBUG_FLAGS) !== 0) return -EINVAL;
  setGuestDebug(block, (debug.control & KVM_GUESTDBG_ENABLE) === 0 ? 0 : debug.control, debug);
  return 0;
}

/** The number of ids goes back in every case; the ids only where there is room. */
function getRegList({ arg, block, thread: { words, argument } }: IoctlCall): number {
  const { n: room } = kvmRegList.read(argument, 0);
  const ids = BigUint64Array.from(listRegisters(block));
  const error = putUser(words, arg, kvmRegList.size, BigInt(ids.length));
  if (error !== 0) return error;
  if (room < ids.length) return -E2BIG;
  return copyToUser(words, arg + kvmRegList.size, new Uint8Array(ids.buffer));
}

type Attribute = (vcpu: Block, attr: bigint, address: number, host: Host) => number;

/** Attributes of a vCPU: its PMU, its timers' interrupts, and stolen time. */
const attributes =
  (pmu: Attribute, timer: Attribute, pvtime: Attribute) =>
  ({ block, thread: { host, argument } }: IoctlCall): number => {
    const { group, attr, addr } = kvmDeviceAttr.read(argument, 0);
    switch (group) {
      case KVM_ARM_VCPU_TIMER_CTRL:
        return timer(block, attr, addr, host);
      case KVM_ARM_VCPU_PVTIME_CTRL:
        return pvtime(block, attr, addr, host);
      case KVM_ARM_VCPU_PMU_V3_CTRL:
        return pmu(block, attr, addr, host);
      default:
        return -ENXIO;
    }
  };

/** Requests that no arm64 kernel serves, but whose argument it reads first. */
const refusedAfterCopy =
  (request: number) =>
  ({ arg, thread: { words } }: IoctlCall): number =>
    isAccessible(words, arg, iocSize(request), PROT_READ) ? -EINVAL : -EFAULT;

/** What a secure runtime's file takes, too. */
export const registerIoctls: readonly IoctlEntry[] = [
  {
    name: 'KVM_GET_ONE_REG',
    check: isInitialised,
    handle({ block, thread: { host, argument } }) {
      const { id, addr } = kvmOneReg.read(argument, 0);
      applyPendingReset(block, host);
      return getOneReg(block, id, addr, host);
    },
  },
  {
    name: 'KVM_SET_ONE_REG',
    check: isInitialised,
    handle({ block, thread: { host, argument } }) {
      const { id, addr } = kvmOneReg.read(argument, 0);
      applyPendingReset(block, host);
      return setOneReg(block, id, addr, host);
    },
  },
  { name: 'KVM_GET_REG_LIST', check: isInitialised, handle: getRegList, writes: true },
];

function getEngineStats({ block, thread: { argument } }: IoctlCall): number {
  vkvmEngineStats.write(argument, 0, {
    instructions: block.getNumber(INSTRUCTIONS),
    compiled_instructions: block.getNumber(COMPILED_INSTRUCTIONS),
    regions: block.getNumber(REGIONS),
    region_instructions: block.getNumber(REGION_INSTRUCTIONS),
    code_bytes: block.getNumber(CODE_BYTES),
    compile_ns: block.getNumber(COMPILE_TIME),
    tlb_fills: tlbFills(block),
  });
  return 0;
}

export const vcpuIoctls: readonly IoctlEntry[] = [
  { name: 'KVM_SET_SIGNAL_MASK', handle: setSignalMask, raw: true },
  {
    name: 'KVM_GET_MP_STATE',
    handle({ block, thread: { argument } }) {
      kvmMpState.write(argument, 0, { mp_state: block.get32(MP_STATE) });
      return 0;
    },
  },
  {
    name: 'KVM_SET_MP_STATE',
    handle: ({ block, thread: { host, argument } }) =>
      setMpState(block, kvmMpState.read(argument, 0).mp_state, host),
  },
  { name: 'KVM_SET_GUEST_DEBUG', handle: debugGuest },
  { name: 'KVM_GET_VCPU_EVENTS', check: eventsNeedInit, handle: getVcpuEvents },
  { name: 'KVM_SET_VCPU_EVENTS', check: eventsNeedInit, handle: setVcpuEvents },
  ...registerIoctls,
  {
    name: 'KVM_ARM_VCPU_INIT',
    handle({ block, thread: { host, argument } }) {
      const { target, features } = kvmVcpuInit.read(argument, 0);
      return initVcpu(block, target, features, host);
    },
  },
  // No feature of this CPU is to be finalised.
  { name: 'KVM_ARM_VCPU_FINALIZE', check: isInitialised, handle: () => -EINVAL },
  { name: 'KVM_SET_DEVICE_ATTR', handle: attributes(setPmuAttr, setTimerAttr, setPvtimeAttr) },
  { name: 'KVM_GET_DEVICE_ATTR', handle: attributes(getPmuAttr, getTimerAttr, getPvtimeAttr) },
  {
    name: 'KVM_HAS_DEVICE_ATTR',
    handle: attributes(hasPmuAttr, hasTimerAttr, (_vcpu, attr) => hasPvtimeAttr(attr)),
  },
  { name: 'VKVM_GET_ENGINE_STATS', handle: getEngineStats },
  { name: 'KVM_GET_STATS_FD', handle: ({ block, thread: { host } }) => openVcpuStats(block, host) },
  { name: 'KVM_SET_REGS', handle: refusedAfterCopy(KVM_SET_REGS), raw: true },
  { name: 'KVM_TRANSLATE', handle: refusedAfterCopy(KVM_TRANSLATE), raw: true },
];
