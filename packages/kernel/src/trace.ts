/** Tracepoints, named as on Linux. Where no sink is given, one costs a test. */
export interface TraceSink {
  /** A `KVM_RUN` returned. @param errno - 0 or positive */
  kvm_userspace_exit?(vcpu: number, reason: number, errno: number): void;
  /** A load or store that no memslot backs. @param low - bits 31:0 of a store's value, as `high` is the rest; 0 for a load */
  kvm_mmio?(vcpu: number, write: boolean, length: number, gpa: number, low: number, high: number): void;
  kvm_hvc_arm64?(vcpu: number, functionId: number, immediate: number): void;
  kvm_smc_arm64?(vcpu: number, functionId: number, immediate: number): void;
  kvm_wfx_arm64?(vcpu: number, isWfe: boolean): void;
  /** @param type - `KVM_ARM_IRQ_TYPE_*` */
  kvm_irq_line?(type: number, vcpu: number, number: number, level: boolean): void;
  /** Every ioctl, after it. @param result - what it answered */
  kvm_ioctl?(fd: number, request: number, result: number): void;
}
