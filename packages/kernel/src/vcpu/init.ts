/** KVM_ARM_VCPU_INIT. Errno and order of checks: Linux arch/arm64/kvm/arm.c, kvm_arch_vcpu_ioctl_vcpu_init. */
import {
  EINVAL,
  ENOENT,
  KVM_ARM_TARGET_GENERIC_V8,
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_STOPPED,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import { choosePmuByInit } from '../pmu/attributes.ts';
import type { Block } from '../state/block.ts';
import { INITIALISED, MP_STATE, VCPU_FEATURES } from '../state/control.ts';
import { SHARED_FEATURES } from '../state/features.ts';
import { withLock } from '../state/lock.ts';
import { holds } from '../state/profile.ts';
import { FEATURES, FEATURES_CHOSEN, STATE_LOCK } from '../state/vm-control.ts';
import {
  FEATURE_PMU,
  FEATURE_PMU_STRICT,
  FEATURE_POWER_OFF,
  SUPPORTED_FEATURES,
  maxFeatures,
} from '../vm/features.ts';
import { vmOf } from '../vm/vcpus.ts';
import { dropPending, resetVcpu } from './reset.ts';

/**
 * Chooses the features and resets. Legal at any time: it is how a VMM resets a system.
 * @param features - the seven words of `kvm_vcpu_init`
 * @returns 0 or -errno
 */
export function initVcpu(vcpu: Block, target: number, features: readonly number[], host: Host): number {
  if (target !== KVM_ARM_TARGET_GENERIC_V8) return -EINVAL;
  const [wanted = 0, ...later] = features;
  if (wanted >>> maxFeatures(vcpu.words) !== 0 || later.some((word) => word !== 0)) return -ENOENT;
  if ((wanted & ~SUPPORTED_FEATURES) !== 0) return -EINVAL;
  if ((wanted & (FEATURE_PMU | FEATURE_PMU_STRICT)) === FEATURE_PMU_STRICT) return -EINVAL;

  const vm = vmOf(vcpu);
  return withLock(vm.words, vm.base + STATE_LOCK, host, () => {
    if (!chooseFeatures(vcpu, vm, wanted)) return -EINVAL;
    if ((wanted & (FEATURE_PMU | FEATURE_PMU_STRICT)) === FEATURE_PMU) choosePmuByInit(vm);
    dropPending(vcpu);
    resetVcpu(vcpu, host);
    vcpu.set32(MP_STATE, (wanted & FEATURE_POWER_OFF) === 0 ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_STOPPED);
    vcpu.set32(INITIALISED, 1);
    return 0;
  });
}

/** @returns false if other features were chosen before */
function chooseFeatures(vcpu: Block, vm: Block, wanted: number): boolean {
  if (!holds(vcpu, SHARED_FEATURES)) {
    if (vcpu.get32(INITIALISED) !== 0 && vcpu.get32(VCPU_FEATURES) !== wanted) return false;
    vcpu.set32(VCPU_FEATURES, wanted);
    return true;
  }
  const shared = wanted & ~FEATURE_POWER_OFF;
  if (vm.get32(FEATURES_CHOSEN) !== 0 && vm.get32(FEATURES) !== shared) return false;
  vm.set32(FEATURES, shared);
  vm.set32(FEATURES_CHOSEN, 1);
  return true;
}
