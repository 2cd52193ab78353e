/** Operations that make vCPUs and set them up. */
import {
  KVM_ARM_PREFERRED_TARGET,
  KVM_ARM_VCPU_FINALIZE,
  KVM_ARM_VCPU_INIT,
  KVM_CREATE_VCPU,
  KVM_GET_MP_STATE,
  KVM_GET_VCPU_EVENTS,
  KVM_GET_VCPU_MMAP_SIZE,
  KVM_SET_GUEST_DEBUG,
  KVM_SET_MP_STATE,
  KVM_SET_VCPU_EVENTS,
  PROT_READ,
  PROT_WRITE,
  kvmGuestDebug,
  kvmMpState,
  kvmVcpuEvents,
  kvmVcpuFinalize,
  kvmVcpuInit,
} from '@vkvm/uapi';
import { encode } from '../encode.ts';
import { formatBytes, parseWord } from '../json.ts';
import { bytes, name, optional, word, words } from '../input.ts';
import type { Input } from '../input.ts';
import { operation } from '../operation.ts';
import { ScenarioError, answer, answerDescriptor, answerWith } from '../session.ts';
import type { Session } from '../session.ts';

/** What every byte of the struct is before KVM_GET_VCPU_EVENTS. */
const EVENTS_PRESET = 0xee;

/** A number, or `"preferred"`. */
const target: Input<bigint | 'preferred'> = {
  kind: 'a target or "preferred"',
  parse: (value) => (value === 'preferred' ? value : parseWord(value)),
};

/** @returns KVM_ARM_PREFERRED_TARGET of role `vm`, and the struct it filled */
function askPreferredTarget(session: Session, role: string) {
  const address = session.argument(new Uint8Array(kvmVcpuInit.size));
  const result = session.ioctl(role, KVM_ARM_PREFERRED_TARGET, address);
  return { result, init: session.read(address, kvmVcpuInit.size) };
}

export const vcpuOperations = [
  operation(
    'CREATE_VCPU',
    { fd: name, id: word, as: optional(name, undefined) },
    (session, { fd, id, as }) => {
      const result = session.ioctl(fd, KVM_CREATE_VCPU, Number(id));
      if (result < 0) return answerDescriptor(result);
      const size = session.ioctl('sys', KVM_GET_VCPU_MMAP_SIZE, 0);
      const page = session.syscalls.mmap(result, size, PROT_READ | PROT_WRITE, 0);
      if (page < 0) throw new ScenarioError(`kvm_run of vCPU ${id} cannot be mapped`);
      session.define(as ?? `vcpu${id}`, { fd: result, page });
      return { ret: 0 };
    },
  ),

  operation('PREFERRED_TARGET', { fd: name }, (session, { fd }) => {
    const { result, init } = askPreferredTarget(session, fd);
    const { target: preferred } = kvmVcpuInit.read(init.buffer, 0);
    const features = init.subarray(kvmVcpuInit.offsets.features);
    return answerWith(result, () => ({ target: preferred, features: formatBytes(features) }));
  }),

  operation(
    'VCPU_INIT',
    { fd: name, target, features: optional(words, []) },
    (session, { fd, target: wanted, features }) => {
      const chosen =
        wanted === 'preferred'
          ? kvmVcpuInit.read(askPreferredTarget(session, 'vm').init.buffer, 0).target
          : wanted;
      return answer(session.call(fd, KVM_ARM_VCPU_INIT, encode(kvmVcpuInit, { target: chosen, features })));
    },
  ),

  operation('VCPU_FINALIZE', { fd: name, what: word }, (session, { fd, what }) =>
    answer(session.call(fd, KVM_ARM_VCPU_FINALIZE, encode(kvmVcpuFinalize, { feature: what }))),
  ),

  operation('GET_MP_STATE', { fd: name }, (session, { fd }) => {
    const address = session.argument(new Uint8Array(kvmMpState.size));
    const result = session.ioctl(fd, KVM_GET_MP_STATE, address);
    return answerWith(result, () => ({ mp_state: kvmMpState.view(session.user.memory, address).mp_state }));
  }),

  operation('SET_MP_STATE', { fd: name, mp_state: word }, (session, { fd, mp_state }) =>
    answer(session.call(fd, KVM_SET_MP_STATE, encode(kvmMpState, { mp_state }))),
  ),

  operation('GET_VCPU_EVENTS', { fd: name }, (session, { fd }) => {
    const address = session.argument(new Uint8Array(kvmVcpuEvents.size).fill(EVENTS_PRESET));
    const result = session.ioctl(fd, KVM_GET_VCPU_EVENTS, address);
    return answerWith(result, () => ({ raw: formatBytes(session.read(address, kvmVcpuEvents.size)) }));
  }),

  operation(
    'SET_VCPU_EVENTS',
    {
      fd: name,
      serror_pending: optional(word, 0n),
      serror_has_esr: optional(word, 0n),
      ext_dabt_pending: optional(word, 0n),
      serror_esr: optional(word, 0n),
      raw: optional(bytes, undefined),
    },
    (session, { fd, raw, ...fields }) => {
      const events = encode(kvmVcpuEvents, fields);
      if (raw) events.set(raw.subarray(0, events.length));
      return answer(session.call(fd, KVM_SET_VCPU_EVENTS, events));
    },
  ),

  operation(
    'SET_GUEST_DEBUG',
    {
      fd: name,
      control: word,
      bvr: optional(words, []),
      bcr: optional(words, []),
      wvr: optional(words, []),
      wcr: optional(words, []),
    },
    (session, { fd, control, bvr, bcr, wvr, wcr }) => {
      const debug = { control, dbg_bvr: bvr, dbg_bcr: bcr, dbg_wvr: wvr, dbg_wcr: wcr };
      return answer(session.call(fd, KVM_SET_GUEST_DEBUG, encode(kvmGuestDebug, debug)));
    },
  ),
];
