/**
 * The file of KVM_GET_STATS_FD: a header, an id, descriptors, then the counters as they are now.
 * Source: Documentation/virt/kvm/api.rst, 4.133.
 *
 * There is no pread here: reading goes on where it ended, and after the end (an answer of 0) starts anew.
 */
import { ENOMEM, PAGE_SIZE, kvmStatsHeader } from '@vkvm/uapi';

import { FILE_STATS, openFile } from '../fd-table.ts';
import type { Host } from '../host.ts';
import { PROCESS_LOCK, allocateBlock, freeBlock } from '../state/arena.ts';
import { Block } from '../state/block.ts';
import { VCPU_ID } from '../state/control.ts';
import { withLock } from '../state/lock.ts';
import { VCPU_COUNTERS, VM_COUNTERS } from '../state/stats.ts';
import type { Counter } from '../state/stats.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import type { Words } from '../state/words.ts';
import { copyToUser } from '../uaccess.ts';
import { retainVm } from './vm.ts';

/** Words of an open file. Addresses of the VM's block and of the vCPU's, 0 = the file is the VM's; place of reading. */
const VM = 0;
const VCPU = 4;
const POSITION = 8;

/** Bytes of a name, and of the id. Source: Linux include/linux/kvm_host.h, KVM_STATS_NAME_SIZE. */
const NAME_SIZE = 48;
/** struct kvm_stats_desc: flags u32, exponent s16, size u16, offset u32, bucket_size u32, name. */
const DESCRIPTOR_SIZE = 16 + NAME_SIZE;
const DESCRIPTOR_COUNT = 6;
const DESCRIPTOR_OFFSET = 8;
const COUNTER_SIZE = 8;

/** Opens the file of a VM, or of one of its vCPUs. @returns a descriptor, or -errno */
export function openStats(vm: Block, vcpu: Block | undefined, host: Host): number {
  const { words } = vm;
  return withLock(words, PROCESS_LOCK, host, () => {
    const address = allocateBlock(words, PAGE_SIZE);
    if (address === 0) return -ENOMEM;
    const fd = openFile(words, FILE_STATS, address);
    if (fd < 0) {
      freeBlock(words, address, PAGE_SIZE);
      return fd;
    }
    words.set32(address + VM, vm.base);
    words.set32(address + VCPU, vcpu?.base ?? 0);
    retainVm(vm);
    return fd;
  });
}

/** Opens the file of a vCPU. */
export const openVcpuStats = (vcpu: Block, host: Host): number =>
  openStats(new Block(vcpu.words, vcpu.get32(VM_BLOCK)), vcpu, host);

/** Lets go of an open file. The process lock is held. @returns the VM that it kept */
export function closeStats(words: Words, address: number): Block {
  const vm = new Block(words, words.get32(address + VM));
  freeBlock(words, address, PAGE_SIZE);
  return vm;
}

/** The process lock is held. @returns number of bytes, 0 = the end, or -errno */
export function readStats(words: Words, address: number, to: number, length: number): number {
  const vcpu = words.get32(address + VCPU);
  const position = words.get32(address + POSITION);
  const bytes = vcpu === 0 ? vmStats(words, words.get32(address + VM)) : vcpuStats(words, vcpu);
  const part = bytes.subarray(position, position + length);
  const error = copyToUser(words, to, part);
  if (error !== 0) return error;
  words.set32(address + POSITION, part.length === 0 ? 0 : position + part.length);
  return part.length;
}

const vmStats = (words: Words, base: number): Uint8Array =>
  encode('kvm', new Block(words, base), VM_COUNTERS);

function vcpuStats(words: Words, base: number): Uint8Array {
  const vcpu = new Block(words, base);
  return encode(`kvm/vcpu-${vcpu.get32(VCPU_ID)}`, vcpu, VCPU_COUNTERS);
}

function encode(id: string, block: Block, counters: readonly Counter[]): Uint8Array {
  const idOffset = kvmStatsHeader.size;
  const descriptors = idOffset + NAME_SIZE;
  const data = descriptors + counters.length * DESCRIPTOR_SIZE;
  const bytes = new Uint8Array(data + counters.length * COUNTER_SIZE);
  const view = new DataView(bytes.buffer);
  const text = new TextEncoder();
  kvmStatsHeader.write(bytes.buffer, 0, {
    name_size: NAME_SIZE,
    num_desc: counters.length,
    id_offset: idOffset,
    desc_offset: descriptors,
    data_offset: data,
  });
  text.encodeInto(id, bytes.subarray(idOffset, descriptors));
  for (const [n, { name, offset }] of counters.entries()) {
    const descriptor = descriptors + n * DESCRIPTOR_SIZE;
    // Flags, exponent and bucket size are 0: a cumulative number of no unit.
    view.setUint16(descriptor + DESCRIPTOR_COUNT, 1, true);
    view.setUint32(descriptor + DESCRIPTOR_OFFSET, n * COUNTER_SIZE, true);
    text.encodeInto(name, bytes.subarray(descriptor + 16, descriptor + DESCRIPTOR_SIZE));
    view.setBigUint64(data + n * COUNTER_SIZE, block.get64(offset), true);
  }
  return bytes;
}
