/** Operations on `/dev/kvm`, and those that any descriptor takes. */
import {
  IOCTLS,
  KVM_ARM_SET_COUNTER_OFFSET,
  KVM_CHECK_EXTENSION,
  KVM_CREATE_VM,
  kvmEnableCap,
  KVM_ENABLE_CAP,
} from '@vkvm/uapi';
import { encode } from '../encode.ts';
import { bytes, count, flag, name, optional, word, words } from '../input.ts';
import { formatBytes } from '../json.ts';
import { operation } from '../operation.ts';
import { ScenarioError, answer, answerDescriptor, answerWith, errorName } from '../session.ts';

const requests = new Map<string, number>(IOCTLS.map((row) => [row.name, row.number]));

function requestNumber(request: string | undefined, nr: number | undefined): number {
  if (nr !== undefined) return nr;
  const number = request === undefined ? undefined : requests.get(request);
  if (number === undefined) throw new ScenarioError(`there is no request ${request}`);
  return number;
}

export const systemOperations = [
  operation('OPEN_KVM', {}, (session) => {
    const fd = session.syscalls.open('/dev/kvm');
    if (fd >= 0) session.define('sys', { fd });
    return answerDescriptor(fd);
  }),

  operation(
    'IOCTL',
    {
      fd: name,
      name: optional(name, undefined),
      nr: optional(count, undefined),
      arg: optional(word, undefined),
      hex: optional(bytes, undefined),
      len: optional(count, undefined),
      ret_fd: optional(flag, false),
    },
    (session, { fd, name: request, nr, arg = 0n, hex, len, ret_fd }) => {
      const number = requestNumber(request, nr);
      const address = hex ? session.argument(hex) : session.literal(arg);
      const call = (): number => session.ioctl(fd, number, address);
      const result = number === KVM_ARM_SET_COUNTER_OFFSET ? session.besideThreads(call) : call();
      if (ret_fd && result >= 0) session.syscalls.close(result);
      if (!hex) return ret_fd ? answerDescriptor(result) : answer(result);
      return answerWith(ret_fd ? Math.min(result, 0) : result, () => ({
        hex: formatBytes(session.read(address, len ?? hex.length)),
      }));
    },
  ),

  operation('CHECK_EXTENSION', { fd: name, cap: word }, (session, { fd, cap }) =>
    answer(session.ioctl(fd, KVM_CHECK_EXTENSION, Number(cap))),
  ),

  operation('CHECK_EXTENSION_RANGE', { fd: name, from: count, to: count }, (session, { fd, from, to }) => {
    const nonzero: Record<string, number | string> = {};
    for (let cap = from; cap <= to; cap += 1) {
      const result = session.ioctl(fd, KVM_CHECK_EXTENSION, cap);
      if (result !== 0) nonzero[cap] = result < 0 ? errorName(result) : result;
    }
    return { nonzero };
  }),

  operation('CREATE_VM', { fd: name, type: word, as: optional(name, 'vm') }, (session, { fd, type, as }) => {
    const result = session.ioctl(fd, KVM_CREATE_VM, Number(type));
    if (result >= 0) session.adoptVm(as, result);
    return answerDescriptor(result);
  }),

  operation(
    'ENABLE_CAP',
    { fd: name, cap: word, flags: optional(word, 0n), args: optional(words, []) },
    (session, { fd, cap, flags, args }) =>
      answer(session.call(fd, KVM_ENABLE_CAP, encode(kvmEnableCap, { cap, flags, args }))),
  ),

  operation('CLOSE', { fd: name }, (session, { fd }) => answer(session.close(fd))),

  operation('SLEEP', { ms: count }, (session, { ms }) => {
    session.runThreads(ms);
    return { ret: 0 };
  }),
];
