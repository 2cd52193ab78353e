/** Registers of a vCPU, one at a time, as raw answers. */
import {
  KVM_GET_ONE_REG,
  KVM_GET_REG_LIST,
  KVM_SET_ONE_REG,
  kvmOneReg,
  kvmRegList,
  regSize,
} from '@vkvm/uapi';
import type { RegId, UserAddress } from '@vkvm/uapi';
import { encode, putInteger } from './encode.ts';
import type { RegisterValue } from './input.ts';
import { formatRegister, registerId } from './registers.ts';
import { ScenarioError, errorName } from './session.ts';
import type { Session } from './session.ts';

/** Room that KVM_GET_REG_LIST is given where a step does not say. */
export const LIST_ROOM = 4096;
/** Ids that the argument has room for, whatever is offered. */
const LIST_MOST = 8000;
const ID_SIZE = 8;

/** @throws {ScenarioError} the name of no register */
export function requireRegister(register: string): RegId {
  const id = registerId(register);
  if (id === undefined) throw new ScenarioError(`there is no register ${register}`);
  return id;
}

/** @param pointer - where the kernel shall put the value instead of a good place */
export function getRegister(
  session: Session,
  role: string,
  id: RegId,
  pointer?: UserAddress,
): { readonly result: number; readonly value: Uint8Array } {
  const address = session.value(new Uint8Array());
  const result = session.call(role, KVM_GET_ONE_REG, encode(kvmOneReg, { id, addr: pointer ?? address }));
  return { result, value: session.read(address, regSize(id)) };
}

/** A register's bytes out of an integer or out of fewer bytes. */
export function registerBytes(id: RegId, value: RegisterValue): Uint8Array {
  const bytes = new Uint8Array(regSize(id));
  if (value instanceof Uint8Array) bytes.set(value.subarray(0, bytes.length));
  else putInteger(bytes, 0, bytes.length, value);
  return bytes;
}

/** @param pointer - where the kernel shall look for the value instead of in a good place */
export function setRegister(
  session: Session,
  role: string,
  id: RegId,
  value: RegisterValue,
  pointer?: UserAddress,
): number {
  const address = session.value(registerBytes(id, value));
  return session.call(role, KVM_SET_ONE_REG, encode(kvmOneReg, { id, addr: pointer ?? address }));
}

/** A register as a trace has it: its value, or the name of the errno. */
export function showRegister(session: Session, role: string, id: RegId): string {
  const { result, value } = getRegister(session, role, id);
  return result < 0 ? errorName(result) : formatRegister(value);
}

/** @param room - how many ids are offered room for */
export function listRegisters(
  session: Session,
  role: string,
  room: number,
): { readonly result: number; readonly n: number; readonly ids: readonly RegId[] } {
  const length = kvmRegList.size + ID_SIZE * Math.min(room, LIST_MOST);
  const address = session.argument(encode(kvmRegList, { n: room }, length));
  const result = session.ioctl(role, KVM_GET_REG_LIST, address);
  const { n } = kvmRegList.view(session.user.memory, address);
  if (result < 0) return { result, n, ids: [] };
  const data = new DataView(session.user.memory.buffer, address + kvmRegList.size, ID_SIZE * n);
  return {
    result,
    n,
    ids: Array.from({ length: n }, (_, index) => data.getBigUint64(ID_SIZE * index, true)),
  };
}
