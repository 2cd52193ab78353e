/**
 * Group KVM_ARM_VCPU_PMU_V3_CTRL of a vCPU: its interrupt, the VM's filter, PMU and number of counters, and that it is
 * ready. Errno and order of checks: Linux arch/arm64/kvm/pmu-emul.c.
 */
import {
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  ENODEV,
  ENXIO,
  KVM_ARM_VCPU_PMU_V3_FILTER,
  KVM_ARM_VCPU_PMU_V3_INIT,
  KVM_ARM_VCPU_PMU_V3_IRQ,
  KVM_ARM_VCPU_PMU_V3_SET_NR_COUNTERS,
  KVM_ARM_VCPU_PMU_V3_SET_PMU,
  KVM_PMU_EVENT_ALLOW,
  KVM_PMU_EVENT_DENY,
  VKVM_PMU_TYPE,
  kvmPmuEventFilter,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import { Block } from '../state/block.ts';
import { hasPmu } from '../state/features.ts';
import { withLock } from '../state/lock.ts';
import { holds, releases } from '../state/profile.ts';
import type { Releases } from '../state/profile.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { IRQCHIP, STATE_LOCK, VM_HAS_RUN } from '../state/vm-control.ts';
import { VCPU_COUNT, VCPU_TABLE } from '../state/vm-state.ts';
import { isTimersOwn } from '../timer/attributes.ts';
import { copyFromUser, getUser, putUser } from '../uaccess.ts';
import { initialised, intidCount } from '../vgic/vgic.ts';
import { filterEvents } from './filter.ts';
import { CREATED, EVENTS, EVENT_COUNTERS, INTID, MAX_EVENT_COUNTERS, PMU_CHOSEN } from './state.ts';

/** INTIDs: private peripheral interrupts, then shared ones. */
const FIRST_PPI = 16;
const FIRST_SPI = 32;
const SPECIAL = 1020;

const isPpi = (intid: number): boolean => intid >= FIRST_PPI && intid < FIRST_SPI;
const isSpi = (intid: number): boolean => intid >= FIRST_SPI && intid < SPECIAL;

const vmOf = (vcpu: Block): Block => new Block(vcpu.words, vcpu.get32(VM_BLOCK));

type Setter = (vcpu: Block, vm: Block, userAddress: number) => number;

interface AttributeRow {
  readonly attr: number;
  readonly releases: Releases;
  /** The vCPU has a PMU that is not ready yet. The state lock is held. @returns 0 or -errno */
  readonly set: Setter;
}

/** A PPI is the same for all vCPUs, an SPI is another one for each. */
function suits(vm: Block, intid: number): boolean {
  for (let index = 0; index < vm.get32(VCPU_COUNT); index++) {
    const other = vm.words.get32(vm.get32(VCPU_TABLE + 4 * index) + INTID);
    if (other !== 0 && (isPpi(intid) ? other !== intid : other === intid)) return false;
  }
  return true;
}

/** -EINVAL no GIC in the kernel, neither PPI nor SPI, not as those of the other vCPUs; -EFAULT; -EBUSY it is set */
const setInterrupt: Setter = (vcpu, vm, userAddress) => {
  if (vm.get32(IRQCHIP) === 0) return -EINVAL;
  const value = getUser(vcpu.words, userAddress, 4);
  if (value === undefined) return -EFAULT;
  const intid = Number(value);
  if (!isPpi(intid) && !isSpi(intid)) return -EINVAL;
  if (!suits(vm, intid)) return -EINVAL;
  if (vcpu.get32(INTID) !== 0) return -EBUSY;
  vcpu.set32(INTID, intid);
  return 0;
};

/** With a GIC in the kernel, it comes first: -ENODEV. -ENXIO no interrupt, no PMU; -EEXIST the interrupt is a timer's */
const create: Setter = (vcpu, vm) => {
  if (vm.get32(PMU_CHOSEN) === 0) return -ENXIO;
  if (vm.get32(IRQCHIP) !== 0) {
    if (!initialised(vm)) return -ENODEV;
    if (vcpu.get32(INTID) === 0) return -ENXIO;
    if (isTimersOwn(vcpu, vcpu.get32(INTID))) return -EEXIST;
  }
  vcpu.set32(CREATED, 1);
  return 0;
};

/** Before, a filter could change at any time. */
const FROZEN_BY_RUN = releases({ since: '5.18' });

/** -EFAULT; -EINVAL range, action; -EBUSY a vCPU has run; -ENXIO no PMU */
const setFilter: Setter = (vcpu, vm, userAddress) => {
  const bytes = new Uint8Array(kvmPmuEventFilter.size);
  if (copyFromUser(vcpu.words, userAddress, bytes) !== 0) return -EFAULT;
  const { base_event: first, nevents: count, action } = kvmPmuEventFilter.read(bytes.buffer, 0);
  if (first + count > EVENTS) return -EINVAL;
  if (action !== KVM_PMU_EVENT_ALLOW && action !== KVM_PMU_EVENT_DENY) return -EINVAL;
  if (holds(vm, FROZEN_BY_RUN) && vm.get32(VM_HAS_RUN) !== 0) return -EBUSY;
  if (vm.get32(PMU_CHOSEN) === 0) return -ENXIO;
  filterEvents(vm, first, count, action === KVM_PMU_EVENT_ALLOW);
  return 0;
};

/** -EFAULT; -ENXIO not ours; -EBUSY a vCPU has run */
const choose: Setter = (vcpu, vm, userAddress) => {
  const id = getUser(vcpu.words, userAddress, 4);
  if (id === undefined) return -EFAULT;
  if (Number(id) !== VKVM_PMU_TYPE) return -ENXIO;
  if (vm.get32(VM_HAS_RUN) !== 0) return -EBUSY;
  choosePmu(vm);
  return 0;
};

/** -EFAULT; -EINVAL no PMU, too many */
const setCounters: Setter = (vcpu, vm, userAddress) => {
  const count = getUser(vcpu.words, userAddress, 4);
  if (count === undefined) return -EFAULT;
  if (vm.get32(PMU_CHOSEN) === 0 || count > BigInt(MAX_EVENT_COUNTERS)) return -EINVAL;
  vm.set32(EVENT_COUNTERS, Number(count));
  return 0;
};

const ALWAYS = releases({});

const ATTRIBUTES: readonly AttributeRow[] = [
  { attr: KVM_ARM_VCPU_PMU_V3_IRQ, releases: ALWAYS, set: setInterrupt },
  { attr: KVM_ARM_VCPU_PMU_V3_INIT, releases: ALWAYS, set: create },
  { attr: KVM_ARM_VCPU_PMU_V3_FILTER, releases: releases({ since: '5.7' }), set: setFilter },
  { attr: KVM_ARM_VCPU_PMU_V3_SET_PMU, releases: releases({ since: '5.18' }), set: choose },
  { attr: KVM_ARM_VCPU_PMU_V3_SET_NR_COUNTERS, releases: releases({ since: '6.16' }), set: setCounters },
];

const find = (vcpu: Block, attr: bigint): AttributeRow | undefined =>
  ATTRIBUTES.find((row) => BigInt(row.attr) === attr && holds(vcpu, row.releases));

/** The VM gets the one PMU that there is, with all its counters. The state lock is held. */
function choosePmu(vm: Block): void {
  vm.set32(PMU_CHOSEN, 1);
  vm.set32(EVENT_COUNTERS, MAX_EVENT_COUNTERS);
}

/** KVM_ARM_VCPU_INIT chooses the PMU. Before, the first attribute did. */
const CHOSEN_BY_INIT = releases({ since: '6.7' });

/** A vCPU with a PMU is initialised. The state lock is held. */
export function choosePmuByInit(vm: Block): void {
  if (holds(vm, CHOSEN_BY_INIT) && vm.get32(PMU_CHOSEN) === 0) choosePmu(vm);
}

/** @returns 0 or -errno: ENODEV no PMU; EBUSY it is ready; ENXIO no such attribute; or as the attribute says */
export function setPmuAttr(vcpu: Block, attr: bigint, userAddress: number, host: Host): number {
  if (!hasPmu(vcpu)) return -ENODEV;
  const vm = vmOf(vcpu);
  return withLock(vm.words, vm.base + STATE_LOCK, host, () => {
    if (vcpu.get32(CREATED) !== 0) return -EBUSY;
    if (!holds(vm, CHOSEN_BY_INIT) && vm.get32(PMU_CHOSEN) === 0) choosePmu(vm);
    return find(vcpu, attr)?.set(vcpu, vm, userAddress) ?? -ENXIO;
  });
}

/** Only the interrupt can be read. @returns 0 or -errno: ENXIO; EINVAL no GIC in the kernel; ENODEV no PMU; ENXIO unset */
export function getPmuAttr(vcpu: Block, attr: bigint, userAddress: number): number {
  if (attr !== BigInt(KVM_ARM_VCPU_PMU_V3_IRQ)) return -ENXIO;
  if (vmOf(vcpu).get32(IRQCHIP) === 0) return -EINVAL;
  if (!hasPmu(vcpu)) return -ENODEV;
  const intid = vcpu.get32(INTID);
  return intid === 0 ? -ENXIO : putUser(vcpu.words, userAddress, 4, BigInt(intid));
}

/** @returns 0 or -ENXIO */
export const hasPmuAttr = (vcpu: Block, attr: bigint): number =>
  hasPmu(vcpu) && find(vcpu, attr) !== undefined ? 0 : -ENXIO;

/** The interrupt that is the PMU's alone; 0 = none. */
export const pmuIntid = (vcpu: Block): number => (vcpu.get32(CREATED) === 0 ? 0 : vcpu.get32(INTID));

/** A PMU that is not ready counts nothing. Later the vCPU does not run. */
const RUNS_WITHOUT = releases({ until: '5.11' });

/** What the first KVM_RUN checks. @returns 0; -EINVAL not ready, or its interrupt does not suit the interrupt controller */
export function checkPmu(vcpu: Block): number {
  if (!hasPmu(vcpu)) return 0;
  const vm = vmOf(vcpu);
  const intid = vcpu.get32(INTID);
  if (vcpu.get32(CREATED) === 0) return holds(vcpu, RUNS_WITHOUT) ? 0 : -EINVAL;
  if (vm.get32(IRQCHIP) === 0) return intid === 0 ? 0 : -EINVAL;
  return isPpi(intid) || intid < intidCount(vm) ? 0 : -EINVAL;
}
