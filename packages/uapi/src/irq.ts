/** Interrupt lines, their routing, eventfds and coalesced MMIO. Source: include/uapi/linux/kvm.h, asm/kvm.h. */

import { bytes, s32, struct, u32, u64, u64n } from './layout.ts';

/** `struct kvm_irq_level`. */
export const kvmIrqLevel = struct('kvm_irq_level', 8, {
  irq: u32(0), // packed: see encodeIrq
  level: u32(4), // 0 low; anything else high
});

/** Type of a packed irq: the vCPU's own line; only without an in-kernel interrupt controller. */
export const KVM_ARM_IRQ_TYPE_CPU = 0;
/** Type of a packed irq: shared peripheral interrupt, INTID 32–1019. */
export const KVM_ARM_IRQ_TYPE_SPI = 1;
/** Type of a packed irq: private peripheral interrupt, INTID 16–31. */
export const KVM_ARM_IRQ_TYPE_PPI = 2;

/** Number of a `KVM_ARM_IRQ_TYPE_CPU` irq: the IRQ input. */
export const KVM_ARM_IRQ_CPU_IRQ = 0;
/** Number of a `KVM_ARM_IRQ_TYPE_CPU` irq: the FIQ input. */
export const KVM_ARM_IRQ_CPU_FIQ = 1;

/** Packed irq: bits 31–28, the vCPU id's part above 255. */
export const KVM_ARM_IRQ_VCPU2_SHIFT = 28;
/** Mask of the field at {@link KVM_ARM_IRQ_VCPU2_SHIFT}. */
export const KVM_ARM_IRQ_VCPU2_MASK = 0xf;
/** Packed irq: bits 27–24, the type. */
export const KVM_ARM_IRQ_TYPE_SHIFT = 24;
/** Mask of the field at {@link KVM_ARM_IRQ_TYPE_SHIFT}. */
export const KVM_ARM_IRQ_TYPE_MASK = 0xf;
/** Packed irq: bits 23–16, the vCPU id's low part. */
export const KVM_ARM_IRQ_VCPU_SHIFT = 16;
/** Mask of the field at {@link KVM_ARM_IRQ_VCPU_SHIFT}. */
export const KVM_ARM_IRQ_VCPU_MASK = 0xff;
/** Packed irq: bits 15–0, the number within the type. */
export const KVM_ARM_IRQ_NUM_SHIFT = 0;
/** Mask of the field at {@link KVM_ARM_IRQ_NUM_SHIFT}. */
export const KVM_ARM_IRQ_NUM_MASK = 0xffff;

/** Packs `kvm_irq_level.irq`. @param vcpu - vCPU id, 0–4095; 0 for an SPI @param number - an INTID, or IRQ / FIQ */
export const encodeIrq = (type: number, vcpu: number, number: number): number =>
  (((vcpu >>> 8) << KVM_ARM_IRQ_VCPU2_SHIFT) |
    (type << KVM_ARM_IRQ_TYPE_SHIFT) |
    ((vcpu & KVM_ARM_IRQ_VCPU_MASK) << KVM_ARM_IRQ_VCPU_SHIFT) |
    number) >>>
  0;

/** `struct kvm_irq_routing`: followed by `nr` entries. */
export const kvmIrqRouting = struct('kvm_irq_routing', 8, {
  nr: u32(0),
  flags: u32(4),
});

/** `struct kvm_irq_routing_entry`; its union read as words. */
export const kvmIrqRoutingEntry = struct('kvm_irq_routing_entry', 48, {
  gsi: u32(0),
  type: u32(4),
  flags: u32(8),
  pad: u32(12),
  u: bytes(16, 32),
});

/** `kvm_irq_routing_entry.u.irqchip`. */
export const kvmIrqRoutingIrqchip = struct('kvm_irq_routing_entry.u.irqchip', 24, {
  irqchip: u32(16),
  pin: u32(20),
});

/** `kvm_irq_routing_entry.u.msi`. */
export const kvmIrqRoutingMsi = struct('kvm_irq_routing_entry.u.msi', 32, {
  address_lo: u32(16),
  address_hi: u32(20),
  data: u32(24),
  devid: u32(28),
});

/** `kvm_irq_routing_entry.type`: a pin of the in-kernel interrupt controller. */
export const KVM_IRQ_ROUTING_IRQCHIP = 1;
/** `kvm_irq_routing_entry.type`: a message. */
export const KVM_IRQ_ROUTING_MSI = 2;

/** `struct kvm_msi`. */
export const kvmMsi = struct('kvm_msi', 32, {
  address_lo: u32(0),
  address_hi: u32(4),
  data: u32(8),
  flags: u32(12),
  devid: u32(16),
  pad: bytes(20, 12),
});

/** `kvm_msi.flags` and `kvm_irq_routing_entry.flags`: `devid` is valid. */
export const KVM_MSI_VALID_DEVID = 0x1;

/** `struct kvm_irqfd`. */
export const kvmIrqfd = struct('kvm_irqfd', 32, {
  fd: u32(0),
  gsi: u32(4), // a routing gsi, not an INTID
  flags: u32(8),
  resamplefd: u32(12),
  pad: bytes(16, 16),
});

/** `kvm_irqfd.flags`: undo an earlier one. */
export const KVM_IRQFD_FLAG_DEASSIGN = 0x1;
/** `kvm_irqfd.flags`: level-triggered; `resamplefd` tells of the end of interrupt. */
export const KVM_IRQFD_FLAG_RESAMPLE = 0x2;

/** `struct kvm_ioeventfd`. */
export const kvmIoeventfd = struct('kvm_ioeventfd', 64, {
  datamatch: u64(0),
  addr: u64n(8),
  len: u32(16), // 1, 2, 4 or 8; 0 matches any width
  fd: s32(20),
  flags: u32(24),
  pad: bytes(28, 36),
});

/** `kvm_ioeventfd.flags`: only stores of `datamatch`. */
export const KVM_IOEVENTFD_FLAG_DATAMATCH = 0x1;
/** `kvm_ioeventfd.flags`: port I/O, which arm64 does not have. */
export const KVM_IOEVENTFD_FLAG_PIO = 0x2;
/** `kvm_ioeventfd.flags`: undo an earlier one. */
export const KVM_IOEVENTFD_FLAG_DEASSIGN = 0x4;
/** `kvm_ioeventfd.flags`: s390 only. */
export const KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY = 0x8;

/** `flags` of `eventfd`: a read takes 1, not all. Source: include/uapi/linux/eventfd.h. */
export const EFD_SEMAPHORE = 0x1;
/** `flags` of `eventfd`: close on exec. */
export const EFD_CLOEXEC = 0x8_0000;
/** `flags` of `eventfd`: a read of 0 answers `EAGAIN`. */
export const EFD_NONBLOCK = 0x800;

/** `struct kvm_coalesced_mmio_zone`. */
export const kvmCoalescedMmioZone = struct('kvm_coalesced_mmio_zone', 16, {
  addr: u64n(0),
  size: u32(8),
  pio: u32(12),
});

/** `struct kvm_coalesced_mmio`: an entry of the ring. */
export const kvmCoalescedMmio = struct('kvm_coalesced_mmio', 24, {
  phys_addr: u64n(0),
  len: u32(8),
  pio: u32(12),
  data: bytes(16, 8),
});

/** `struct kvm_coalesced_mmio_ring`: followed by entries to the end of the page, 170 of them. */
export const kvmCoalescedMmioRing = struct('kvm_coalesced_mmio_ring', 8, {
  first: u32(0), // next to be taken; user space writes it
  last: u32(4), // next to be filled; the kernel writes it
});
