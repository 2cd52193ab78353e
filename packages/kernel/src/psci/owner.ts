/** Who serves a PSCI call: the kernel, or user space through an exit. Chosen for the VM before it runs. */
import {
  EBUSY,
  EEXIST,
  EINVAL,
  ENOMEM,
  VKVM_PSCI_OWNER_EXIT,
  VKVM_PSCI_OWNER_KERNEL,
  VKVM_PSCI_OWNER_USER,
  VKVM_PSCI_ROUTE_TO_KERNEL,
  VKVM_PSCI_ROUTE_TO_USER,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { argumentLow } from '../state/call-registers.ts';
import { addRange, findRange, overlapsRange } from '../state/id-ranges.ts';
import { withLock } from '../state/lock.ts';
import { RFC_2013, releaseOf } from '../state/profile.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import { STATE_LOCK, VM_HAS_RUN } from '../state/vm-control.ts';
import type { Words } from '../state/words.ts';
import { arePsci, isAboutOneCpu } from './ids.ts';
import { OWNER, ROUTES } from './state.ts';

const OWNERS: readonly number[] = [VKVM_PSCI_OWNER_KERNEL, VKVM_PSCI_OWNER_EXIT, VKVM_PSCI_OWNER_USER];
const TARGETS: readonly number[] = [VKVM_PSCI_ROUTE_TO_KERNEL, VKVM_PSCI_ROUTE_TO_USER];

/** Value of VKVM_CAP_PSCI_OWNER: a bit for each owner. */
export const PSCI_OWNERS = OWNERS.reduce((bits, owner) => bits | (1 << owner), 0);

/**
 * Chooses the owner of all functions; routes go back to what it says.
 * @returns 0 or -errno: EINVAL no such owner; EBUSY a vCPU has run
 */
export function setPsciOwner(vm: Block, owner: bigint, host: Host): number {
  if (!OWNERS.some((each) => BigInt(each) === owner)) return -EINVAL;
  return withLock(vm.words, vm.base + STATE_LOCK, host, () => {
    if (vm.get32(VM_HAS_RUN) !== 0) return -EBUSY;
    vm.set32(OWNER, Number(owner) + 1);
    vm.set32(ROUTES.count, 0);
    return 0;
  });
}

/** The fields of a `vkvm_psci_route`. */
export interface PsciRoute {
  readonly base: number;
  readonly count: number;
  readonly owner: number;
  readonly reserved: number;
}

/**
 * VKVM_PSCI_ROUTE: gives functions another owner.
 * @returns 0 or -errno, in this order: EINVAL ids that are not PSCI's, or none, an unknown owner, reserved bits, or a VM
 *   whose PSCI is all the kernel's; EBUSY a vCPU has run; EEXIST an id has a route; ENOMEM
 */
export function addPsciRoute(vm: Block, { base, count, owner, reserved }: PsciRoute, host: Host): number {
  const last = base + count - 1;
  if (reserved !== 0 || !TARGETS.includes(owner) || !arePsci(base, last)) return -EINVAL;
  return withLock(vm.words, vm.base + STATE_LOCK, host, () => {
    if (ownerOf(vm.words, vm.base) === VKVM_PSCI_OWNER_KERNEL) return -EINVAL;
    if (vm.get32(VM_HAS_RUN) !== 0) return -EBUSY;
    if (overlapsRange(vm, ROUTES, base, last)) return -EEXIST;
    return addRange(vm, ROUTES, base, last, owner) ? 0 : -ENOMEM;
  });
}

/** Who owns PSCI if nobody chooses: Linux's kernel does; the proposal's lets out what is not about one CPU. */
const defaultOwner = (words: Words): number =>
  releaseOf(words) === RFC_2013 ? VKVM_PSCI_OWNER_EXIT : VKVM_PSCI_OWNER_KERNEL;

function ownerOf(words: Words, vm: number): number {
  const chosen = words.get32(vm + OWNER);
  return chosen === 0 ? defaultOwner(words) : chosen - 1;
}

/** Whether the kernel serves all PSCI calls of a VM. */
export const ownsPsci = (vm: Block): boolean => ownerOf(vm.words, vm.base) === VKVM_PSCI_OWNER_KERNEL;

/** Whether the PSCI call that a vCPU makes exits. */
export function isUserPsci(vcpu: Block): boolean {
  const { words } = vcpu;
  const vm = vcpu.get32(VM_BLOCK);
  const owner = ownerOf(words, vm);
  if (owner === VKVM_PSCI_OWNER_KERNEL) return false;
  const id = argumentLow(vcpu, 0);
  const route = findRange(words, vm, ROUTES, id);
  if (route >= 0) return route === VKVM_PSCI_ROUTE_TO_USER;
  return owner === VKVM_PSCI_OWNER_USER || !isAboutOneCpu(id);
}
