/** Cases in which kernels are known to differ, and which a VMM can see without running a guest. */
import {
  KVM_ARM_VCPU_POWER_OFF,
  KVM_ARM_VCPU_PSCI_0_2,
  KVM_ARM_VCPU_HAS_EL2,
  KVM_CAP_ARM_SYSTEM_SUSPEND,
  KVM_CREATE_IRQCHIP,
  KVM_MP_STATE_SUSPENDED,
  SYSREGS,
  sysregId,
} from '@vkvm/uapi';
import type { Kvm } from '../kvm/kvm.ts';
import type { Vcpu } from '../kvm/vcpu.ts';
import type { Vm } from '../kvm/vm.ts';
import { attempt } from '../snapshot/vcpu.ts';

/** One case. */
export interface Behaviour {
  readonly name: string;
  /** @returns the errno, `no` where there is none, or undefined for success */
  readonly observe: (kvm: Kvm) => string | undefined;
}

const onVm =
  (action: (vm: Vm, kvm: Kvm) => void) =>
  (kvm: Kvm): string | undefined => {
    using vm = kvm.createVm();
    return attempt(() => action(vm, kvm));
  };

/** On a vCPU that nobody has initialised, or on one of a VM with two. */
const onVcpu = (action: (vcpu: Vcpu, other: Vcpu, target: number) => void) =>
  onVm((vm) => {
    using vcpu = vm.createVcpu(0);
    using other = vm.createVcpu(1);
    action(vcpu, other, vm.preferredTarget());
  });

const PSCI = [KVM_ARM_VCPU_PSCI_0_2];

/** ID_AA64ISAR0_EL1.Atomic: a feature that can be hidden from a guest. */
const ATOMICS = 0xfn << 20n;

export const BEHAVIOURS: readonly Behaviour[] = [
  {
    name: 'set the power state SUSPENDED',
    observe: onVcpu((vcpu, _, target) => {
      vcpu.init(target, []);
      vcpu.mpState = KVM_MP_STATE_SUSPENDED;
    }),
  },
  {
    name: 'enable SYSTEM_SUSPEND for the guest',
    observe: onVm((vm) => vm.enableCap(KVM_CAP_ARM_SYSTEM_SUSPEND)),
  },
  {
    name: 'initialise a vCPU again with another POWER_OFF',
    observe: onVcpu((vcpu, _, target) => {
      vcpu.init(target, []);
      vcpu.init(target, [KVM_ARM_VCPU_POWER_OFF]);
    }),
  },
  {
    name: 'give the vCPUs of a VM different features',
    observe: onVcpu((vcpu, other, target) => {
      vcpu.init(target, PSCI);
      other.init(target, []);
    }),
  },
  {
    name: 'ask for a feature of newer kernels (HAS_EL2)',
    observe: onVcpu((vcpu, _, target) => vcpu.init(target, [KVM_ARM_VCPU_HAS_EL2])),
  },
  { name: 'read the events of a vCPU before it is initialised', observe: onVcpu((vcpu) => void vcpu.serror) },
  {
    name: 'hide a feature of the CPU (write an ID register)',
    observe: onVcpu((vcpu, _, target) => {
      vcpu.init(target, []);
      const id = sysregId(SYSREGS.ID_AA64ISAR0_EL1);
      vcpu.setReg(id, vcpu.getReg(id) & ~ATOMICS);
    }),
  },
  {
    name: 'filter SMCCC calls',
    observe: (kvm) => {
      using vm = kvm.createVm();
      return vm.hasSmcccFilter ? undefined : 'no';
    },
  },
  { name: 'set the offset of the counters', observe: onVm((vm) => vm.setCounterOffset(0n)) },
  {
    name: 'give a VM addresses of 52 bits',
    observe: (kvm) => attempt(() => kvm.createVm(52)[Symbol.dispose]()),
  },
  { name: 'create a GIC by KVM_CREATE_IRQCHIP', observe: onVm((vm) => void vm.ioctl(KVM_CREATE_IRQCHIP)) },
];
