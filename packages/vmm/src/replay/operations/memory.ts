/** Operations on user memory, memslots and dirty logs. */
import {
  KVM_CLEAR_DIRTY_LOG,
  KVM_GET_DIRTY_LOG,
  KVM_SET_USER_MEMORY_REGION,
  kvmClearDirtyLog,
  kvmDirtyLog,
  kvmUserspaceMemoryRegion,
} from '@vkvm/uapi';
import { encode } from '../encode.ts';
import { bytes, count, flag, name, optional, word } from '../input.ts';
import { formatBytes } from '../json.ts';
import { operation } from '../operation.ts';
import { answer, answerWith } from '../session.ts';

export const memoryOperations = [
  operation(
    'BUFFER',
    { as: optional(name, 'ram'), size: count, readonly: optional(flag, false) },
    (session, { as, size, readonly }) => {
      session.mapBuffer(as, size, readonly);
      return { ret: 0 };
    },
  ),

  operation(
    'MEM_WRITE',
    {
      buf: optional(name, 'ram'),
      off: optional(count, 0),
      hex: bytes,
      times: optional(count, 1),
      stride: optional(count, 0),
    },
    (session, { buf, off, hex, times, stride }) => {
      const length = (times - 1) * stride + hex.length;
      const address = session.buffer(buf, off, length);
      for (let copy = 0; copy < times; copy += 1) {
        session.user.bytes(address + copy * stride, hex.length).set(hex);
      }
      session.flushCode(address, length);
      return { ret: 0 };
    },
  ),

  operation(
    'MEM_READ',
    { buf: optional(name, 'ram'), off: optional(count, 0), len: count },
    (session, { buf, off, len }) => ({ hex: formatBytes(session.read(session.buffer(buf, off, len), len)) }),
  ),

  operation(
    'SET_USER_MEMORY_REGION',
    {
      fd: name,
      slot: word,
      flags: optional(word, 0n),
      gpa: optional(word, 0n),
      size: optional(word, 0n),
      buf: optional(name, undefined),
      off: optional(count, 0),
      uaddr: optional(word, 0n),
    },
    (session, { fd, slot, flags, gpa, size, buf, off, uaddr }) => {
      const userspace_addr = buf === undefined ? session.literal(uaddr) : session.buffer(buf, off, 0);
      const region = { slot, flags, guest_phys_addr: gpa, memory_size: size, userspace_addr };
      const result = session.call(fd, KVM_SET_USER_MEMORY_REGION, encode(kvmUserspaceMemoryRegion, region));
      if (result === 0 && buf !== undefined) session.addSlot({ base: gpa, size, address: userspace_addr });
      return answer(result);
    },
  ),

  operation(
    'GET_DIRTY_LOG',
    { fd: name, slot: word, len: optional(count, 8) },
    (session, { fd, slot, len }) => {
      const bitmap = session.value(new Uint8Array(len));
      const result = session.call(fd, KVM_GET_DIRTY_LOG, encode(kvmDirtyLog, { slot, dirty_bitmap: bitmap }));
      return answerWith(result, () => ({ bitmap: formatBytes(session.read(bitmap, len)) }));
    },
  ),

  operation(
    'CLEAR_DIRTY_LOG',
    { fd: name, slot: word, first_page: optional(word, 0n), num_pages: word, hex: bytes },
    (session, { fd, slot, first_page, num_pages, hex }) => {
      const log = { slot, first_page, num_pages, dirty_bitmap: session.value(hex) };
      return answer(session.call(fd, KVM_CLEAR_DIRTY_LOG, encode(kvmClearDirtyLog, log)));
    },
  ),
];
