/** Tracepoints, named as on Linux. Where no sink is given they cost one test. */

/** What is traced: tracepoint by name, with its values. */
export interface TraceSink {
  kvm_entry?(vcpu: number, pc: bigint): void;
  kvm_exit?(vcpu: number, reason: string, pc: bigint): void;
  kvm_userspace_exit?(vcpu: number, reason: number, errno: number): void;
  kvm_hvc_arm64?(vcpu: number, pc: bigint, x0: bigint, immediate: number): void;
  kvm_mmio?(vcpu: number, write: boolean, length: number, gpa: number, value: bigint): void;
  kvm_irq_line?(type: number, vcpu: number, number: number, level: number): void;
  kvm_set_irq?(gsi: number, level: number): void;
  kvm_wfx_arm64?(vcpu: number, pc: bigint, wfe: boolean): void;
  kvm_ioctl?(fd: number, request: number, result: number): void;
}
