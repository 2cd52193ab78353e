/** Tells the kernel who owns PSCI, and makes sure that every function has one owner. */
import {
  KVM_CAP_MP_STATE,
  KVM_SMCCC_FILTER_DENY,
  KVM_SMCCC_FILTER_FWD_TO_USER,
  VKVM_CAP_PSCI_OWNER,
  VKVM_PSCI_OWNER_EXIT,
  VKVM_PSCI_OWNER_KERNEL,
  VKVM_PSCI_OWNER_USER,
  VKVM_PSCI_ROUTE_TO_KERNEL,
  VKVM_PSCI_ROUTE_TO_USER,
} from '@vkvm/uapi';
import type { PsciVersion } from '@vkvm/uapi';
import type { KernelIdentity } from '../kvm/abi-check.ts';
import { AbiMismatchError } from '../kvm/error.ts';
import type { Vm } from '../kvm/vm.ts';
import { checkOwnership, userRanges } from '../smccc/ownership.ts';
import type { PsciOwner, PsciSetup } from '../smccc/ownership.ts';
import { PSCI_RANGES } from '../smccc/psci-ids.ts';
import { ConfigError } from './config.ts';
import type { MachineConfig } from './config.ts';

const OWNERS: Readonly<Record<PsciOwner, number>> = {
  kernel: VKVM_PSCI_OWNER_KERNEL,
  exit: VKVM_PSCI_OWNER_EXIT,
  user: VKVM_PSCI_OWNER_USER,
};

/** What of a machine is about the owner of its PSCI. */
export type PsciConfig = Pick<MachineConfig, 'psciOwner' | 'psciRoutes' | 'smcccFilters' | 'power'>;

/** A machine's PSCI as it is wanted, with the versions of both sides. */
export function psciSetup(
  vm: Vm,
  { psciOwner = 'kernel', psciRoutes = [], smcccFilters = [] }: PsciConfig,
  versions: { readonly kernel: PsciVersion; readonly user: PsciVersion },
): PsciSetup {
  return {
    owner: psciOwner,
    routes: psciRoutes,
    filters: smcccFilters,
    ...versions,
    mirrorsPower: vm.checkExtension(KVM_CAP_MP_STATE) !== 0,
  };
}

/** Takes PSCI away: every call of it is answered NOT_SUPPORTED, where the kernel lets us say so. */
export function removePsci(vm: Vm): void {
  if (!vm.hasSmcccFilter) return;
  for (const range of PSCI_RANGES) vm.filterCalls(range, KVM_SMCCC_FILTER_DENY);
}

/**
 * Sets the owner up: by `VKVM_CAP_PSCI_OWNER` where there is one, else by mainline's filter.
 *
 * @returns the version that the guest finds
 * @throws {AbiMismatchError} a function with two owners or none, or a kernel that has no way to give PSCI away
 */
export function installPsci(vm: Vm, setup: PsciSetup, identity: KernelIdentity): PsciVersion {
  const version = checkOwnership(setup);
  const { owner, routes, filters } = setup;
  if (filters.length > 0 && !vm.hasSmcccFilter) {
    throw new AbiMismatchError(
      `${identity.name} has no SMCCC filter (Linux 6.4), which this VMM needs to deny or forward calls; ` +
        `use a newer kernel, or no smcccFilters`,
    );
  }
  for (const range of filters) {
    vm.filterCalls(range, range.action === 'deny' ? KVM_SMCCC_FILTER_DENY : KVM_SMCCC_FILTER_FWD_TO_USER);
  }
  if (owner === 'kernel' && routes.length > 0) {
    throw new ConfigError('routes of PSCI functions need an owner that gives some away: exit or user');
  }
  // Also where the kernel shall own it: that is not what a VM of every profile starts with.
  if ((vm.checkExtension(VKVM_CAP_PSCI_OWNER) >>> OWNERS[owner]) & 1) {
    vm.enableCap(VKVM_CAP_PSCI_OWNER, BigInt(OWNERS[owner]));
    for (const range of routes) {
      vm.routePsci(range, range.to === 'kernel' ? VKVM_PSCI_ROUTE_TO_KERNEL : VKVM_PSCI_ROUTE_TO_USER);
    }
    return version;
  }
  if (owner === 'kernel') return version;
  if (!vm.hasSmcccFilter) {
    throw new AbiMismatchError(
      `${identity.name} has neither VKVM_CAP_PSCI_OWNER (vkvm ABI revision 2) nor an SMCCC filter (Linux 6.4), which ` +
        `this VMM needs to own PSCI; use a newer @vkvm/kernel, or let the kernel own it`,
    );
  }
  for (const range of userRanges(setup)) vm.filterCalls(range, KVM_SMCCC_FILTER_FWD_TO_USER);
  return version;
}
