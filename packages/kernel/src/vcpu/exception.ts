/** Exceptions to EL1 and the return from them. Source: Arm DDI 0487, D1.3 and AArch64.TakeException, J1.2. */
import type { Block } from '../state/block.ts';
import { EXCEPTION_PENDING, HAS_TRAPPED } from '../state/control.ts';
import { holds, releases } from '../state/profile.ts';
import {
  EL,
  ELR_EL1,
  ESR_EL1,
  EXCLUSIVE_HOST,
  FAR_EL1,
  FAULT_VA,
  PC,
  PSTATE_SS_IL,
  DAIF,
  SPSR_EL1,
  SP_SEL,
  SYNDROME,
  VBAR_EL1,
} from '../state/vcpu-state.ts';
import {
  MODE_EL1,
  PSTATE_DAIF,
  PSTATE_IL,
  copy64,
  isMode,
  readPstate,
  writeMode,
  writePstate,
  writePstateBits,
} from './pstate.ts';

/** What must hear that the exception level changed. */
interface ContextListener {
  contextChanged(): void;
}

/** Vector within its group of four. */
const VECTOR_SYNCHRONOUS = 0x000;
export const VECTOR_IRQ = 0x080;
export const VECTOR_FIQ = 0x100;
const VECTOR_SERROR = 0x180;
/** Groups: EL1 on SP_EL0, EL1 on SP_EL1, EL0. */
const FROM_EL1 = 0x200;
const FROM_EL0 = 0x400;
const VECTOR_BITS = 0x7ff;

/** Exception classes of ESR_ELx. */
const EC_SHIFT = 26;
const EC_ILLEGAL_STATE = 0x0e;
const EC_INSTRUCTION_ABORT = 0x20;
const EC_PC_ALIGNMENT = 0x22;
const EC_DATA_ABORT = 0x24;
const EC_SERROR = 0x2f;
const EC_WATCHPOINT = 0x34;
/** ESR_ELx.IL: a 32-bit instruction. */
const ESR_IL = 1 << 25;
/** Class 0, "unknown reason": UNDEFINED. */
export const ESR_UNDEFINED = ESR_IL;
/** Fault status of an external abort that is not on a table walk. */
const FSC_EXTERNAL = 0x10;
const FSC_MASK = 0x3f;

/** Enters EL1 at a vector, with the pc as return address. ESR and FAR are the caller's. */
function enter(block: Block, vector: number, listener: ContextListener): void {
  const el = block.get32(EL);
  const group = el === 0 ? FROM_EL0 : block.get32(SP_SEL) === 1 ? FROM_EL1 : 0;
  block.set32(SPSR_EL1, readPstate(block));
  block.set32(SPSR_EL1 + 4, 0);
  copy64(block, ELR_EL1, PC);
  copy64(block, PC, VBAR_EL1);
  block.set32(PC, (block.get32(VBAR_EL1) & ~VECTOR_BITS) | group | vector);
  block.set32(DAIF, PSTATE_DAIF);
  block.set32(PSTATE_SS_IL, 0);
  writeMode(block, MODE_EL1);
  if (el === 0) listener.contextChanged();
}

/** Takes the synchronous exception that SYNDROME describes; FAULT_VA is its address if it has one. */
export function takeSynchronous(block: Block, listener: ContextListener): void {
  copy64(block, ESR_EL1, SYNDROME);
  const ec = block.get32(SYNDROME) >>> EC_SHIFT;
  if ((ec & ~1) === EC_INSTRUCTION_ABORT && isExternal(block)) block.set32(ESR_EL1 + 4, highWord(block));
  if (hasAddress(ec)) copy64(block, FAR_EL1, FAULT_VA);
  enter(block, VECTOR_SYNCHRONOUS, listener);
}

/** Of an abort that KVM injects, bit 31 of the syndrome was sign-extended by mistake. */
const ESR_SIGN_EXTENDED = releases({ since: '6.1', until: '6.12' });
const highWord = (block: Block): number => (holds(block, ESR_SIGN_EXTENDED) ? -1 : 0);
const isExternal = (block: Block): boolean => (block.get32(SYNDROME) & FSC_MASK) === FSC_EXTERNAL;

/** Classes that write FAR_EL1; each comes from EL0 or, plus 1, from EL1. */
function hasAddress(ec: number): boolean {
  const pair = ec & ~1;
  return (
    pair === EC_INSTRUCTION_ABORT ||
    pair === EC_DATA_ABORT ||
    pair === EC_WATCHPOINT ||
    ec === EC_PC_ALIGNMENT
  );
}

/** @param syndrome - ESR_EL1 as a number below 2³² */
export function raise(block: Block, syndrome: number, listener: ContextListener): void {
  block.set32(SYNDROME, syndrome);
  block.set32(SYNDROME + 4, 0);
  takeSynchronous(block, listener);
}

/** An external abort on the data access to FAULT_VA. */
export function raiseExternalAbort(block: Block, listener: ContextListener): void {
  describeExternalAbort(block);
  takeSynchronous(block, listener);
}

/** IL is that of the syndrome that the vCPU left guest code with last: 0 if it never has. Later it is 1. */
const IL_COPIED = releases({ until: '7.3' });
/** What user space injects is taken when KVM_RUN is called. Before and after, pc and PSTATE change at once. */
const INJECTION_DEFERRED = releases({ since: '6.1', until: '7.3' });

function describeExternalAbort(block: Block): void {
  const ec = EC_DATA_ABORT + block.get32(EL);
  const il = holds(block, IL_COPIED) && block.get32(HAS_TRAPPED) === 0 ? 0 : ESR_IL;
  block.set32(SYNDROME, ((ec << EC_SHIFT) | il | FSC_EXTERNAL) >>> 0);
  block.set32(SYNDROME + 4, highWord(block));
}

/** User space injects an external abort on the data access to FAULT_VA. */
export function injectExternalAbort(block: Block, listener: ContextListener): void {
  if (!holds(block, INJECTION_DEFERRED)) {
    raiseExternalAbort(block, listener);
    return;
  }
  describeExternalAbort(block);
  copy64(block, ESR_EL1, SYNDROME);
  copy64(block, FAR_EL1, FAULT_VA);
  block.set32(EXCEPTION_PENDING, 1);
}

/** KVM_RUN takes what {@link injectExternalAbort} has left. */
export function takePending(block: Block, listener: ContextListener): void {
  if (block.get32(EXCEPTION_PENDING) === 0) return;
  block.set32(EXCEPTION_PENDING, 0);
  enter(block, VECTOR_SYNCHRONOUS, listener);
}

/** PSTATE.IL is set: no instruction can execute. */
export function raiseIllegalState(block: Block, listener: ContextListener): void {
  raise(block, (EC_ILLEGAL_STATE << EC_SHIFT) | ESR_IL, listener);
}

/** @param vector - VECTOR_IRQ or VECTOR_FIQ */
export function takeInterrupt(block: Block, vector: number, listener: ContextListener): void {
  enter(block, vector, listener);
}

/** @param iss - ESR_EL1.ISS, with bit 24 where it is implementation defined */
export function takeSerror(block: Block, iss: number, listener: ContextListener): void {
  enterSerror(block, ESR_IL | iss, listener);
}

/** An SError that user space injects while it is not masked: KVM enters it itself, and leaves IL 0. */
export function injectSerror(block: Block, iss: number, listener: ContextListener): void {
  enterSerror(block, iss, listener);
}

function enterSerror(block: Block, syndrome: number, listener: ContextListener): void {
  block.set32(ESR_EL1, ((EC_SERROR << EC_SHIFT) | syndrome) >>> 0);
  block.set32(ESR_EL1 + 4, 0);
  enter(block, VECTOR_SERROR, listener);
}

/** ERET at EL1. A mode that is not ours leaves the mode as it is and sets PSTATE.IL. */
export function returnFromException(block: Block, listener: ContextListener): void {
  const spsr = block.get32(SPSR_EL1);
  copy64(block, PC, ELR_EL1);
  block.set32(EXCLUSIVE_HOST, 0);
  if (!isMode(spsr)) {
    writePstateBits(block, spsr | PSTATE_IL);
    return;
  }
  writePstate(block, spsr);
  if (block.get32(EL) === 0) listener.contextChanged();
}
