/** Operations on devices, and on the attributes of devices, vCPUs and VMs. */
import {
  KVM_ARM_SET_DEVICE_ADDR,
  KVM_CREATE_DEVICE,
  KVM_CREATE_DEVICE_TEST,
  KVM_CREATE_IRQCHIP,
  KVM_GET_DEVICE_ATTR,
  KVM_HAS_DEVICE_ATTR,
  KVM_SET_DEVICE_ATTR,
  kvmArmDeviceAddr,
  kvmCreateDevice,
  kvmDeviceAttr,
} from '@vkvm/uapi';
import type { UserAddress } from '@vkvm/uapi';
import { encode } from '../encode.ts';
import { bytes, count, name, optional, word } from '../input.ts';
import type { InputValues } from '../input.ts';
import { formatBytes } from '../json.ts';
import { operation } from '../operation.ts';
import { answer, answerWith } from '../session.ts';
import type { Session } from '../session.ts';

/** Bytes of an attribute's value that a step sees where it does not say. */
const ATTRIBUTE_LENGTH = 8;

const attributeInputs = {
  fd: name,
  group: word,
  attr: word,
  flags: optional(word, 0n),
  data: optional(bytes, new Uint8Array()),
  len: optional(count, ATTRIBUTE_LENGTH),
  addr: optional(word, undefined),
};

function callAttribute(
  session: Session,
  request: number,
  { fd, group, attr, flags, data, addr }: InputValues<typeof attributeInputs>,
): { readonly result: number; readonly value: UserAddress } {
  const value = session.value(data);
  const pointer = addr === undefined ? value : session.literal(addr);
  const argument = encode(kvmDeviceAttr, { flags, group, attr, addr: pointer });
  return { result: session.besideThreads(() => session.call(fd, request, argument)), value };
}

export const deviceOperations = [
  operation(
    'CREATE_DEVICE',
    { fd: name, type: word, flags: optional(word, 0n), as: optional(name, 'dev') },
    (session, { fd, type, flags, as }) => {
      const address = session.argument(encode(kvmCreateDevice, { type, flags }));
      const result = session.besideThreads(() => session.ioctl(fd, KVM_CREATE_DEVICE, address));
      if (result >= 0 && (flags & BigInt(KVM_CREATE_DEVICE_TEST)) === 0n) {
        session.define(as, { fd: kvmCreateDevice.view(session.user.memory, address).fd });
      }
      return answer(result);
    },
  ),

  operation('CREATE_IRQCHIP', { fd: name }, (session, { fd }) =>
    answer(session.ioctl(fd, KVM_CREATE_IRQCHIP, 0)),
  ),

  operation('ARM_SET_DEVICE_ADDR', { fd: name, id: word, addr: word }, (session, { fd, id, addr }) =>
    answer(session.call(fd, KVM_ARM_SET_DEVICE_ADDR, encode(kvmArmDeviceAddr, { id, addr }))),
  ),

  operation('HAS_DEVICE_ATTR', attributeInputs, (session, inputs) =>
    answer(callAttribute(session, KVM_HAS_DEVICE_ATTR, inputs).result),
  ),

  operation('SET_DEVICE_ATTR', attributeInputs, (session, inputs) =>
    answer(callAttribute(session, KVM_SET_DEVICE_ATTR, inputs).result),
  ),

  operation('GET_DEVICE_ATTR', attributeInputs, (session, inputs) => {
    const { result, value } = callAttribute(session, KVM_GET_DEVICE_ATTR, inputs);
    return answerWith(result, () => ({ data: formatBytes(session.read(value, inputs.len)) }));
  }),
];
