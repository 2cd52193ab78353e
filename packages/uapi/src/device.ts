/** Devices in the kernel, and the attributes of devices, vCPUs and VMs. Source: include/uapi/linux/kvm.h, asm/kvm.h. */

import { struct, u16, u32, u64, u64n, u8, bytes } from './layout.ts';

/** `struct kvm_create_device`. */
export const kvmCreateDevice = struct('kvm_create_device', 12, {
  type: u32(0),
  fd: u32(4), // out
  flags: u32(8),
});

/** `kvm_create_device.flags`: only ask whether it could be created. */
export const KVM_CREATE_DEVICE_TEST = 1;

/** Device type: a group of VFIO devices. */
export const KVM_DEV_TYPE_VFIO = 4;
/** Device type: GICv2. */
export const KVM_DEV_TYPE_ARM_VGIC_V2 = 5;
/** Device type: GICv3. */
export const KVM_DEV_TYPE_ARM_VGIC_V3 = 7;
/** Device type: GICv3 interrupt translation service. */
export const KVM_DEV_TYPE_ARM_VGIC_ITS = 8;
/** Device type: reserved; never creatable. */
export const KVM_DEV_TYPE_ARM_PV_TIME = 10;
/** Device type: GICv5. Since Linux 7.1. */
export const KVM_DEV_TYPE_ARM_VGIC_V5 = 16;

/** `struct kvm_device_attr`. */
export const kvmDeviceAttr = struct('kvm_device_attr', 24, {
  flags: u32(0),
  group: u32(4),
  attr: u64(8),
  addr: u64n(16), // user address of the value
});

/** `struct kvm_arm_device_addr`. */
export const kvmArmDeviceAddr = struct('kvm_arm_device_addr', 16, {
  id: u64(0), // bits 31–16 device, 15–0 address type
  addr: u64n(8), // guest-physical
});

/** Device part of `kvm_arm_device_addr.id`. */
export const KVM_ARM_DEVICE_ID_SHIFT = 16;
/** Device part of `kvm_arm_device_addr.id`: the GICv2. */
export const KVM_ARM_DEVICE_VGIC_V2 = 0;

/** Attribute group of a vCPU: PMU. */
export const KVM_ARM_VCPU_PMU_V3_CTRL = 0;
/** PMU attribute: its interrupt, an INTID. */
export const KVM_ARM_VCPU_PMU_V3_IRQ = 0;
/** PMU attribute: initialise it. */
export const KVM_ARM_VCPU_PMU_V3_INIT = 1;
/** PMU attribute: which events the guest may count. */
export const KVM_ARM_VCPU_PMU_V3_FILTER = 2;
/** PMU attribute: which PMU of the host. */
export const KVM_ARM_VCPU_PMU_V3_SET_PMU = 3;
/** The PMU of a vkvm kernel, for `KVM_ARM_VCPU_PMU_V3_SET_PMU`: there is one. Since ABI revision 2. */
export const VKVM_PMU_TYPE = 0x6b76;
/** PMU attribute: number of counters. */
export const KVM_ARM_VCPU_PMU_V3_SET_NR_COUNTERS = 4;

/** Attribute group of a vCPU: which PPI each timer raises; valid for the whole VM. */
export const KVM_ARM_VCPU_TIMER_CTRL = 1;
/** Timer attribute: EL1 virtual timer; default INTID 27. */
export const KVM_ARM_VCPU_TIMER_IRQ_VTIMER = 0;
/** Timer attribute: EL1 physical timer; default INTID 30. */
export const KVM_ARM_VCPU_TIMER_IRQ_PTIMER = 1;
/** Timer attribute: EL2 virtual timer; default INTID 28. */
export const KVM_ARM_VCPU_TIMER_IRQ_HVTIMER = 2;
/** Timer attribute: EL2 physical timer; default INTID 26. */
export const KVM_ARM_VCPU_TIMER_IRQ_HPTIMER = 3;

/** Attribute group of a vCPU: stolen time. */
export const KVM_ARM_VCPU_PVTIME_CTRL = 2;
/** Stolen-time attribute: guest-physical address of its structure. */
export const KVM_ARM_VCPU_PVTIME_IPA = 0;

/** `struct kvm_pmu_event_filter`. */
export const kvmPmuEventFilter = struct('kvm_pmu_event_filter', 8, {
  base_event: u16(0),
  nevents: u16(2),
  action: u8(4),
  pad: bytes(5, 3),
});

/** `kvm_pmu_event_filter.action`: count. */
export const KVM_PMU_EVENT_ALLOW = 0;
/** `kvm_pmu_event_filter.action`: do not count. */
export const KVM_PMU_EVENT_DENY = 1;

/** Attribute group of a VM: SMCCC. Since Linux 6.4. */
export const KVM_ARM_VM_SMCCC_CTRL = 0;
/** SMCCC attribute: add a range to the filter; see `kvmSmcccFilter`. */
export const KVM_ARM_VM_SMCCC_FILTER = 0;
