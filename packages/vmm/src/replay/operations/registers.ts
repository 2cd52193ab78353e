/** Operations on registers. */
import { KVM_ARM_FEATURE_ID_RANGE_SIZE, KVM_ARM_GET_REG_WRITABLE_MASKS, regMaskRange } from '@vkvm/uapi';
import type { RegId } from '@vkvm/uapi';
import { encode } from '../encode.ts';
import { count, flag, name, names, optional, registerValue, registerValues, word } from '../input.ts';
import { formatWord } from '../json.ts';
import {
  LIST_ROOM,
  getRegister,
  listRegisters,
  requireRegister,
  setRegister,
  showRegister,
} from '../one-reg.ts';
import { operation } from '../operation.ts';
import { formatRegister } from '../registers.ts';
import { answer, answerWith, errorName } from '../session.ts';
import type { Session } from '../session.ts';

const WORD_SIZE = 8;
/** A register of zero, as a trace writes it. */
const ZERO = '0x0';
const ZERO_BYTES = 'le:00';

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : Number(a > b));

/** Whether a register can hold something else: tried, and put back, before a counter moves. */
function probeWrite(session: Session, role: string, id: RegId, mask: bigint): string {
  const { result, value } = getRegister(session, role, id);
  if (result < 0) return `GET ${errorName(result)}`;
  const changed = value.map((byte, index) =>
    index < WORD_SIZE ? byte ^ Number((mask >> BigInt(8 * index)) & 0xffn) : byte,
  );
  const written = setRegister(session, role, id, changed);
  if (written < 0) return errorName(written);
  const after = showRegister(session, role, id);
  setRegister(session, role, id, value);
  return after === formatRegister(changed) ? 'ok' : after;
}

export const registerOperations = [
  operation(
    'GET_REG_LIST',
    { fd: name, n: optional(count, LIST_ROOM), keep_order: optional(flag, false) },
    (session, { fd, n: room, keep_order }) => {
      const { result, n, ids } = listRegisters(session, fd, room);
      const regs = keep_order ? ids : ids.toSorted(ascending);
      return { ...answerWith(result, () => ({ regs: regs.map(formatWord) })), n };
    },
  ),

  operation(
    'GET_ONE_REG',
    { fd: name, reg: name, addr: optional(word, undefined) },
    (session, { fd, reg, addr }) => {
      const pointer = addr === undefined ? undefined : session.literal(addr);
      const { result, value } = getRegister(session, fd, requireRegister(reg), pointer);
      return answerWith(result, () => ({ val: formatRegister(value) }));
    },
  ),

  operation(
    'SET_ONE_REG',
    { fd: name, reg: name, val: optional(registerValue, 0n), addr: optional(word, undefined) },
    (session, { fd, reg, val, addr }) => {
      const pointer = addr === undefined ? undefined : session.literal(addr);
      return answer(setRegister(session, fd, requireRegister(reg), val, pointer));
    },
  ),

  operation('GET_REGS', { fd: name, regs: names }, (session, { fd, regs }) =>
    Object.fromEntries(regs.map((reg) => [reg, showRegister(session, fd, requireRegister(reg))])),
  ),

  operation('SET_REGS', { fd: name, set: registerValues }, (session, { fd, set }) => {
    for (const [reg, value] of set) {
      const result = setRegister(session, fd, requireRegister(reg), value);
      if (result < 0) return answer(result);
    }
    return { ret: 0 };
  }),

  operation(
    'GET_ALL_REGS',
    { fd: name, nonzero_only: optional(flag, false) },
    (session, { fd, nonzero_only }) => {
      const { result, ids } = listRegisters(session, fd, LIST_ROOM);
      const regs = ids.map((id) => [formatWord(id), showRegister(session, fd, id)] as const);
      const shown = regs.filter(([, value]) => !nonzero_only || (value !== ZERO && value !== ZERO_BYTES));
      return answerWith(result, () => ({ regs: Object.fromEntries(shown) }));
    },
  ),

  operation(
    'PROBE_WRITE',
    { fd: name, mask: word, from: optional(word, 0n), to: optional(word, 2n ** 64n - 1n) },
    (session, { fd, mask, from, to }) => {
      const { result, ids } = listRegisters(session, fd, LIST_ROOM);
      const regs = ids
        .filter((id) => id >= from && id <= to)
        .toSorted(ascending)
        .map((id) => [formatWord(id), session.clock.still(() => probeWrite(session, fd, id, mask))]);
      return answerWith(result, () => ({ regs: Object.fromEntries(regs) }));
    },
  ),

  operation(
    'WRITABLE_MASKS',
    { fd: name, range: optional(word, 0n), rsvd0: optional(word, 0n), addr: optional(word, undefined) },
    (session, { fd, range, rsvd0, addr }) => {
      const masks = session.value(new Uint8Array());
      const pointer = addr === undefined ? masks : session.literal(addr);
      const argument = encode(regMaskRange, { addr: pointer, range, reserved: [rsvd0] });
      const result = session.call(fd, KVM_ARM_GET_REG_WRITABLE_MASKS, argument);
      return answerWith(result, () => {
        const data = new BigUint64Array(session.user.memory.buffer, masks, KVM_ARM_FEATURE_ID_RANGE_SIZE);
        const nonzero = [...data]
          .map((mask, index) => [index, mask] as const)
          .filter(([, mask]) => mask !== 0n);
        return { masks: Object.fromEntries(nonzero.map(([index, mask]) => [index, formatWord(mask)])) };
      });
    },
  ),
];
