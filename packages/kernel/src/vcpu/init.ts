/** KVM_ARM_VCPU_INIT. Errno and order of checks: Linux 7.3 arch/arm64/kvm/arm.c, kvm_arch_vcpu_ioctl_vcpu_init. */
import {
  EINVAL,
  ENOENT,
  KVM_ARM_TARGET_GENERIC_V8,
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_STOPPED,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { INITIALISED, MP_STATE } from '../state/control.ts';
import { withLock } from '../state/lock.ts';
import { FEATURES, FEATURES_CHOSEN, STATE_LOCK } from '../state/vm-control.ts';
import { FEATURE_POWER_OFF, MAX_FEATURES, SUPPORTED_FEATURES } from '../vm/features.ts';
import { vmOf } from '../vm/vcpus.ts';
import { dropPending, resetVcpu } from './reset.ts';

/**
 * Chooses the features, which are the whole VM's, and resets. Legal at any time: it is how a VMM resets a system.
 * @param features - the seven words of `kvm_vcpu_init`
 * @returns 0 or -errno
 */
export function initVcpu(vcpu: Block, target: number, features: readonly number[], host: Host): number {
  if (target !== KVM_ARM_TARGET_GENERIC_V8) return -EINVAL;
  const [wanted = 0, ...later] = features;
  if (wanted >>> MAX_FEATURES !== 0 || later.some((word) => word !== 0)) return -ENOENT;
  if ((wanted & ~SUPPORTED_FEATURES) !== 0) return -EINVAL;

  const vm = vmOf(vcpu);
  const shared = wanted & ~FEATURE_POWER_OFF;
  return withLock(vm.words, vm.base + STATE_LOCK, host, () => {
    if (vm.get32(FEATURES_CHOSEN) !== 0 && vm.get32(FEATURES) !== shared) return -EINVAL;
    vm.set32(FEATURES, shared);
    vm.set32(FEATURES_CHOSEN, 1);
    dropPending(vcpu);
    resetVcpu(vcpu, host);
    vcpu.set32(MP_STATE, (wanted & FEATURE_POWER_OFF) === 0 ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_STOPPED);
    vcpu.set32(INITIALISED, 1);
    return 0;
  });
}
