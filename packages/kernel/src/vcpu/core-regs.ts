/** Core registers of one_reg: general registers, PSTATE and vectors, by their place in `struct kvm_regs`. */
import { CORE_REGS, EINVAL, ENOENT } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { BANKED_SPSR, PSTATE_REST } from '../state/control.ts';
import { ELR_EL1, FPCR, FPSR, PC, SPSR_EL1, V, X } from '../state/vcpu-state.ts';
import { PSTATE_KNOWN, isMode, readPstate, stackPointer, writePstate } from './pstate.ts';

/** A register of the class. `offset` is where its bytes are; PSTATE has no place of its own. */
interface CoreRegister {
  readonly index: number;
  readonly bytes: 4 | 8 | 16;
  readonly offset: number | ((vcpu: Block) => number);
}

/** Words of 32 bits in `struct kvm_regs`. */
const REGS_WORDS = 216;

const banked = (n: number): number => BANKED_SPSR + 8 * n;

/** In the order of KVM_GET_REG_LIST. */
const CORE: readonly CoreRegister[] = [
  ...Array.from({ length: 31 }, (_, n): CoreRegister => ({
    index: CORE_REGS.X0 + 2 * n,
    bytes: 8,
    offset: X + 8 * n,
  })),
  { index: CORE_REGS.SP_EL0, bytes: 8, offset: (vcpu) => stackPointer(vcpu, 0) },
  { index: CORE_REGS.PC, bytes: 8, offset: PC },
  { index: CORE_REGS.PSTATE, bytes: 8, offset: -1 },
  { index: CORE_REGS.SP_EL1, bytes: 8, offset: (vcpu) => stackPointer(vcpu, 1) },
  { index: CORE_REGS.ELR_EL1, bytes: 8, offset: ELR_EL1 },
  { index: CORE_REGS.SPSR_EL1, bytes: 8, offset: SPSR_EL1 },
  { index: CORE_REGS.SPSR_abt, bytes: 8, offset: banked(0) },
  { index: CORE_REGS.SPSR_und, bytes: 8, offset: banked(1) },
  { index: CORE_REGS.SPSR_irq, bytes: 8, offset: banked(2) },
  { index: CORE_REGS.SPSR_fiq, bytes: 8, offset: banked(3) },
  ...Array.from({ length: 32 }, (_, n): CoreRegister => ({
    index: CORE_REGS.V0 + 4 * n,
    bytes: 16,
    offset: V + 16 * n,
  })),
  { index: CORE_REGS.FPSR, bytes: 4, offset: FPSR },
  { index: CORE_REGS.FPCR, bytes: 4, offset: FPCR },
];

const byIndex = new Map(CORE.map((register) => [register.index, register]));

/** Index and size of every core register, in the order of KVM_GET_REG_LIST. */
export const CORE_REGISTERS: readonly { readonly index: number; readonly bytes: number }[] = CORE;

/** @returns the register, or -ENOENT beyond the structure, -EINVAL in a hole or of another size */
function lookUp(index: number, bytes: number): CoreRegister | number {
  if (index >= REGS_WORDS || index + bytes / 4 >= REGS_WORDS) return -ENOENT;
  const register = byIndex.get(index);
  return register?.bytes === bytes ? register : -EINVAL;
}

/** What {@link lookUp} would refuse. @returns 0 or -errno */
export function checkCoreRegister(index: number, bytes: number): number {
  const register = lookUp(index, bytes);
  return typeof register === 'number' ? register : 0;
}

function addressOf(vcpu: Block, { offset }: CoreRegister): number {
  return vcpu.base + (typeof offset === 'number' ? offset : offset(vcpu));
}

/** Copies the value out. @param index - one that {@link checkCoreRegister} accepts, as `to` has its size */
export function readCoreRegister(vcpu: Block, index: number, to: Uint8Array): void {
  const register = byIndex.get(index)!;
  if (register.index === CORE_REGS.PSTATE) {
    new DataView(to.buffer, to.byteOffset).setBigUint64(
      0,
      BigInt(readPstate(vcpu)) | vcpu.get64(PSTATE_REST),
      true,
    );
    return;
  }
  const address = addressOf(vcpu, register);
  to.set(vcpu.words.u8.subarray(address, address + register.bytes));
}

/** @returns 0, or -EINVAL for a PSTATE with a mode that the CPU does not have */
export function writeCoreRegister(vcpu: Block, index: number, from: Uint8Array): number {
  const register = byIndex.get(index)!;
  if (register.index !== CORE_REGS.PSTATE) {
    vcpu.words.u8.set(from, addressOf(vcpu, register));
    return 0;
  }
  const value = new DataView(from.buffer, from.byteOffset).getBigUint64(0, true);
  const pstate = Number(value & 0xffff_ffffn);
  if (!isMode(pstate)) return -EINVAL;
  writePstate(vcpu, pstate);
  vcpu.set64(PSTATE_REST, value & ~BigInt(PSTATE_KNOWN));
  return 0;
}
