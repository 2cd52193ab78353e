/** Whether this VMM and the kernel it was given fit together: asked before anything is built. */
import { ABI_REVISION, CAPS, KVM_API_VERSION, VKVM_CAP_ABI_REVISION, VKVM_CAP_PROFILE } from '@vkvm/uapi';
import { AbiMismatchError } from './error.ts';
import type { Kvm } from './kvm.ts';

/** Something a machine cannot do without. */
export interface Need {
  /** `KVM_CAP_*`. */
  readonly cap: number;
  /** Least value; default 1. */
  readonly atLeast?: number;
  /** What for, to complete "which this VMM needs to …". */
  readonly purpose: string;
}

/** Who the kernel is. */
export interface KernelIdentity {
  /** Its `ABI_REVISION`, or 0: it is not vkvm, which is no fault. */
  readonly revision: number;
  /** As people say it: `vkvm ABI revision 1 as Linux 7.3`, `a kernel other than vkvm`. */
  readonly name: string;
}

/** Asks the kernel who it is. */
export function identifyKernel(kvm: Kvm): KernelIdentity {
  const revision = kvm.checkExtension(VKVM_CAP_ABI_REVISION);
  if (revision === 0) return { revision, name: 'a kernel other than vkvm' };
  const profile = kvm.checkExtension(VKVM_CAP_PROFILE);
  const release = profile === 0 ? '' : ` as Linux ${profile >>> 16}.${profile & 0xffff}`;
  return { revision, name: `vkvm ABI revision ${revision}${release}` };
}

/**
 * Refuses a kernel that cannot run what is to be built. A newer or an older revision is fine as such: the ABI only
 * grows, and capabilities tell what there is.
 *
 * @throws {AbiMismatchError} naming both sides, what is missing and the remedy
 */
export function checkAbi(kvm: Kvm, needs: readonly Need[]): KernelIdentity {
  const version = kvm.apiVersion();
  if (version !== KVM_API_VERSION) {
    throw new AbiMismatchError(
      `the kernel speaks KVM API version ${version}, this VMM ${KVM_API_VERSION}; ` +
        `use a @vkvm/kernel and a @vkvm/vmm of the same release`,
    );
  }
  const kernel = identifyKernel(kvm);
  for (const { cap, atLeast = 1, purpose } of needs) {
    const value = kvm.checkExtension(cap);
    if (value >= atLeast) continue;
    const row = CAPS.find(({ number }) => number === cap);
    const since = row?.since === undefined ? '' : ` (since Linux ${row.since})`;
    const name = row ? `${row.name}${since}` : `capability ${cap}`;
    const found = value === 0 ? `lacks ${name}` : `has ${name} = ${value}, less than ${atLeast}`;
    throw new AbiMismatchError(
      `${kernel.name} ${found}, which this VMM (ABI revision ${ABI_REVISION}) needs to ${purpose}; ` +
        `use a newer kernel (vkvm: a @vkvm/kernel as new as the @vkvm/vmm, a newer profile), or ask for less`,
    );
  }
  return kernel;
}
