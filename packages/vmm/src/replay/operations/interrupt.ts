/** Operations on interrupt lines, their routing, eventfds and the signals of a thread. */
import {
  EFD_NONBLOCK,
  KVM_IOEVENTFD,
  KVM_IRQFD,
  KVM_IRQ_LINE,
  KVM_IRQ_ROUTING_IRQCHIP,
  KVM_SET_GSI_ROUTING,
  KVM_SIGNAL_MSI,
  kvmIoeventfd,
  kvmIrqLevel,
  kvmIrqRouting,
  kvmIrqRoutingEntry,
  kvmIrqfd,
  kvmMsi,
} from '@vkvm/uapi';
import { encode, putInteger } from '../encode.ts';
import { name, oneOf, optional, records, word } from '../input.ts';
import { formatWord } from '../json.ts';
import { operation } from '../operation.ts';
import { answer, answerDescriptor, answerWith } from '../session.ts';

const COUNT_SIZE = 8;

/** The words of a routing entry's union, in order; a message has its address in the first two. */
const UNION_WORDS = ['irqchip', 'pin', 'data', 'devid'] as const;

function routingEntry(entry: Readonly<Record<string, bigint>>): Uint8Array {
  const { gsi, type = BigInt(KVM_IRQ_ROUTING_IRQCHIP), flags } = entry;
  const bytes = encode(kvmIrqRoutingEntry, { gsi, type, flags });
  for (const [index, key] of UNION_WORDS.entries()) {
    putInteger(bytes, kvmIrqRoutingEntry.offsets.u + 4 * index, 4, entry[key] ?? 0n);
  }
  return bytes;
}

export const interruptOperations = [
  operation('IRQ_LINE', { fd: name, irq: word, level: word }, (session, { fd, irq, level }) =>
    answer(session.call(fd, KVM_IRQ_LINE, encode(kvmIrqLevel, { irq, level }))),
  ),

  operation(
    'SIGNAL_MSI',
    {
      fd: name,
      address_lo: optional(word, 0n),
      address_hi: optional(word, 0n),
      data: optional(word, 0n),
      flags: optional(word, 0n),
      devid: optional(word, 0n),
    },
    (session, { fd, ...msi }) => answer(session.call(fd, KVM_SIGNAL_MSI, encode(kvmMsi, msi))),
  ),

  operation(
    'SET_GSI_ROUTING',
    { fd: name, entries: optional(records, []), flags: optional(word, 0n), nr: optional(word, undefined) },
    (session, { fd, entries, flags, nr }) => {
      const argument = encode(
        kvmIrqRouting,
        { nr: nr ?? entries.length, flags },
        kvmIrqRouting.size + entries.length * kvmIrqRoutingEntry.size,
      );
      for (const [index, entry] of entries.entries()) {
        argument.set(routingEntry(entry), kvmIrqRouting.size + index * kvmIrqRoutingEntry.size);
      }
      return answer(session.call(fd, KVM_SET_GSI_ROUTING, argument));
    },
  ),

  operation(
    'IRQFD',
    {
      fd: name,
      ev: optional(name, undefined),
      gsi: word,
      flags: optional(word, 0n),
      resample: optional(name, undefined),
    },
    (session, { fd, ev, gsi, flags, resample }) => {
      const irqfd = {
        fd: session.descriptor(ev, -1),
        gsi,
        flags,
        resamplefd: session.descriptor(resample, session.standardInput),
      };
      return answer(session.call(fd, KVM_IRQFD, encode(kvmIrqfd, irqfd)));
    },
  ),

  operation(
    'IOEVENTFD',
    {
      fd: name,
      ev: optional(name, undefined),
      addr: word,
      len: word,
      flags: optional(word, 0n),
      datamatch: optional(word, 0n),
    },
    (session, { fd, ev, ...fields }) => {
      const ioeventfd = { ...fields, fd: session.descriptor(ev, -1) };
      return answer(session.call(fd, KVM_IOEVENTFD, encode(kvmIoeventfd, ioeventfd)));
    },
  ),

  operation('EVENTFD', { as: optional(name, 'ev') }, (session, { as }) => {
    const fd = session.syscalls.eventfd(0, EFD_NONBLOCK);
    if (fd >= 0) session.define(as, { fd });
    return answerDescriptor(fd);
  }),

  operation('EVENTFD_READ', { ev: optional(name, 'ev') }, (session, { ev }) => {
    const address = session.value(new Uint8Array());
    const result = session.syscalls.read(session.role(ev).fd, address, COUNT_SIZE);
    return answerWith(Math.min(result, 0), () => ({
      val: formatWord(new DataView(session.user.memory.buffer).getBigUint64(address, true)),
    }));
  }),

  operation(
    'EVENTFD_WRITE',
    { ev: optional(name, 'ev'), val: optional(word, 1n) },
    (session, { ev, val }) => {
      const value = new Uint8Array(COUNT_SIZE);
      putInteger(value, 0, COUNT_SIZE, val);
      const result = session.syscalls.write(session.role(ev).fd, session.value(value), COUNT_SIZE);
      return answerDescriptor(result);
    },
  ),

  // A thread of a Linux process has signals; a thread of a JavaScript host has none, so there is nothing to see.
  operation('SIGNAL', { how: oneOf(['block', 'unblock', 'raise', 'pending']) }, () => ({})),
];
