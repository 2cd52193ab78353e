/** Guest memory: memslots, dirty logs, `mmap`. Source: include/uapi/linux/kvm.h. */

import { array, struct, u32, u64, u64n } from './layout.ts';

/** Bytes in a page of the kernel: the granule of memslots, mappings and dirty logs. */
export const PAGE_SIZE = 4096;

/** `prot` of `mmap`: no access. Source: include/uapi/asm-generic/mman-common.h. */
export const PROT_NONE = 0x0;
/** `prot` of `mmap`: may be read. */
export const PROT_READ = 0x1;
/** `prot` of `mmap`: may be written. */
export const PROT_WRITE = 0x2;
/** `prot` of `mmap`: may be executed. */
export const PROT_EXEC = 0x4;

/** `struct kvm_userspace_memory_region`: a guest-physical range backed by user memory. */
export const kvmUserspaceMemoryRegion = struct('kvm_userspace_memory_region', 32, {
  slot: u32(0), // bits 31–16 address space, 15–0 id
  flags: u32(4),
  guest_phys_addr: u64n(8),
  memory_size: u64n(16), // bytes; 0 deletes the slot
  userspace_addr: u64n(24),
});

/** `struct kvm_userspace_memory_region2`. */
export const kvmUserspaceMemoryRegion2 = struct('kvm_userspace_memory_region2', 160, {
  slot: u32(0),
  flags: u32(4),
  guest_phys_addr: u64n(8),
  memory_size: u64n(16),
  userspace_addr: u64n(24),
  guest_memfd_offset: u64n(32),
  guest_memfd: u32(40),
  pad1: u32(44),
  pad2: array(48, 14, u64),
});

/** Memslot flag: keep a dirty log. */
export const KVM_MEM_LOG_DIRTY_PAGES = 0x1;
/** Memslot flag: a guest's store is an MMIO exit. */
export const KVM_MEM_READONLY = 0x2;
/** Memslot flag: backed by a guest_memfd too. */
export const KVM_MEM_GUEST_MEMFD = 0x4;

/** `struct kvm_dirty_log`. */
export const kvmDirtyLog = struct('kvm_dirty_log', 16, {
  slot: u32(0),
  padding1: u32(4),
  dirty_bitmap: u64n(8), // user address; one bit a page, rounded up to 64 pages
});

/** `struct kvm_clear_dirty_log`. */
export const kvmClearDirtyLog = struct('kvm_clear_dirty_log', 24, {
  slot: u32(0),
  num_pages: u32(4),
  first_page: u64n(8),
  dirty_bitmap: u64n(16), // user address
});

/** `args[0]` of `KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2`: reading a log does not clear it. */
export const KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE = 0x1;
/** `args[0]` of `KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2`: logs start with every page dirty. */
export const KVM_DIRTY_LOG_INITIALLY_SET = 0x2;

/** `struct kvm_dirty_gfn`: an entry of the dirty ring. */
export const kvmDirtyGfn = struct('kvm_dirty_gfn', 16, {
  flags: u32(0),
  slot: u32(4),
  offset: u64n(8), // pages from the start of the slot
});

/** `kvm_dirty_gfn.flags`: the kernel has filled the entry. */
export const KVM_DIRTY_GFN_F_DIRTY = 0x1;
/** `kvm_dirty_gfn.flags`: user space has taken it. */
export const KVM_DIRTY_GFN_F_RESET = 0x2;

/** `struct kvm_create_guest_memfd`. */
export const kvmCreateGuestMemfd = struct('kvm_create_guest_memfd', 64, {
  size: u64n(0),
  flags: u64(8),
  reserved: array(16, 6, u64),
});

/** `struct kvm_arm_copy_mte_tags`. Source: asm/kvm.h. */
export const kvmArmCopyMteTags = struct('kvm_arm_copy_mte_tags', 48, {
  guest_ipa: u64n(0),
  length: u64n(8),
  addr: u64n(16), // user address
  flags: u64(24),
  reserved: array(32, 2, u64),
});

/** `kvm_arm_copy_mte_tags.flags`: into the guest. */
export const KVM_ARM_TAGS_TO_GUEST = 0;
/** `kvm_arm_copy_mte_tags.flags`: out of the guest. */
export const KVM_ARM_TAGS_FROM_GUEST = 1;

/** Argument of `VKVM_FLUSH_ICACHE`: the VMM changed code in these bytes of its memory. vkvm's own. */
export const vkvmFlushIcache = struct('vkvm_flush_icache', 16, {
  user_addr: u64n(0),
  len: u64n(8),
});

/** `struct kvm_stats_header`, which the file of `KVM_GET_STATS_FD` starts with. */
export const kvmStatsHeader = struct('kvm_stats_header', 24, {
  flags: u32(0),
  name_size: u32(4),
  num_desc: u32(8),
  id_offset: u32(12),
  desc_offset: u32(16),
  data_offset: u32(20),
});
