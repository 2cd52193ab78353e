/** How the engine enters guest code: what is done around a stay in the dispatch loop. */
import { KVM_EXIT_UNKNOWN, kvmRun, kvmRunHw } from '@vkvm/uapi';

import type { I32, I64 } from '../a64/emitter.ts';
import { IN_GUEST, REQUESTS, SETTLED, VCPU_MUTEX } from '../state/control.ts';
import { COMPILED_INSTRUCTIONS, INSTRUCTIONS } from '../state/engine-stats.ts';
import { FREE, HELD } from '../state/lock.ts';
import { EXITS } from '../state/stats.ts';
import {
  ACC,
  CODE_MOVED,
  INTERPRETED,
  INTERRUPT_LINES,
  LEAVE,
  OP,
  RETIRED_LIMIT,
  RUN_PAGE,
} from '../state/vcpu-state.ts';
import { PAUSED } from '../state/vm-control.ts';
import type { Code, Local } from '../wasm/code.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { I32_TYPE } from '../wasm/opcode.ts';
import { NOWHERE } from './frame.ts';
import { KICK } from './handlers.ts';
import { LEAVE_MMIO, type Leave } from './leave.ts';
import { OP_SIZE } from './uop.ts';

const { immediate_exit: IMMEDIATE_EXIT, exit_reason: EXIT_REASON, flags: FLAGS } = kvmRun.offsets;
const { hardware_exit_reason: HARDWARE_EXIT_REASON } = kvmRunHw.offsets;

/** What a leave of guest code counts for besides the instructions it has run: so that no storm of them hides the clock. */
export const LEAVE_COST = 200;
/** What `resume` answers if there is more to be looked at. */
export const NOT_RESUMED = -1;
/** And if guest code was left for another access that user space serves, and nothing else has happened. */
export const STILL_SETTLED = -2;
/** What has become of it: why guest code was left, if it was entered and there is something to do about it. */
export type Resumed = Leave | typeof NOT_RESUMED | typeof STILL_SETTLED;

interface EntryImports {
  readonly vcpu: number;
  readonly vm: number;
  /** The dispatch loop, with the parameters of a region: see frame.ts. */
  readonly loop: number;
  /** See {@link UserAccess}. */
  readonly complete: number;
  /** Whether the memory is shared with other threads. */
  readonly shared: boolean;
}

/** Exports `run` and `resume`. */
export function emitEntry(module: ModuleBuilder, imports: EntryImports): void {
  emitResume(module, imports, emitRun(module, imports));
}

/** `(budget: i32) → i32`: runs from the op word on, and counts. Answers how many instructions were retired. */
function emitRun(module: ModuleBuilder, imports: EntryImports): number {
  const { index, code } = module.function([I32_TYPE], [I32_TYPE], 'run');
  const { i32, i64 } = code.ops;
  const budget = code.param<I32>(0);
  const vcpu = code.letI32(code.globalGet<I32>(imports.vcpu));
  const word = (offset: number): I32 => code.load('i32.load', vcpu.get(), offset);
  const setWord = (offset: number, value: Local<I32>): void =>
    code.store('i32.store', vcpu.get(), value.get(), offset);
  const inInstructions = (value: I32): I32 => i32.div_s(value, i32.const(OP_SIZE));

  const limit = code.letI32(i32.mul(budget.get(), i32.const(OP_SIZE)));
  setWord(RETIRED_LIMIT, limit);
  code.store('i32.store', vcpu.get(), i32.const(0), INTERPRETED);
  code.store('i32.store', vcpu.get(), i32.const(0), CODE_MOVED);
  const acc = (): I32 => i32.sub(i32.sub(i32.const(0), limit.get()), word(OP));
  code.drop(code.call<I32>(imports.loop, word(OP), acc(), i32.const(0), i64.const(NOWHERE)));
  const counted = code.letI32(i32.add(word(ACC), word(OP)));
  setWord(RETIRED_LIMIT, code.letI32(i32.sub(i32.const(0), counted.get())));
  const retired = code.letI32(inInstructions(i32.add(counted.get(), limit.get())));
  addTo(code, vcpu, INSTRUCTIONS, () => retired.get());
  addTo(code, vcpu, COMPILED_INSTRUCTIONS, () => i32.sub(retired.get(), inInstructions(word(INTERPRETED))));
  retired.get();
  return index;
}

/**
 * `(budget: i32) → i32`: KVM_RUN of a vCPU that is {@link SETTLED}: completes the access that user space has served and runs
 * on from there, as `run`. Answers {@link NOT_RESUMED} if there is more to be looked at before, when the access may be
 * complete; {@link STILL_SETTLED}; or how many instructions were retired.
 *
 * The vCPU mutex is held. But where memory is not shared it is taken here, if it is free, and held after all other answers
 * than those two.
 */
function emitResume(module: ModuleBuilder, imports: EntryImports, run: number): void {
  const { code } = module.function([I32_TYPE], [I32_TYPE], 'resume');
  const { i32, i64 } = code.ops;
  const budget = code.param<I32>(0);
  const vcpu = code.letI32(code.globalGet<I32>(imports.vcpu));
  const page = code.letI32(code.load<I32>('i32.load', vcpu.get(), RUN_PAGE));
  const word = (offset: number): I32 => code.load('i32.load', vcpu.get(), offset);
  const settled = code.letI32(word(SETTLED));
  const notIf = (condition: I32): void =>
    code.if(condition, () => {
      i32.const(NOT_RESUMED);
      code.return();
    });
  notIf(i32.eqz(settled.get()));
  if (!imports.shared) notIf(i32.ne(word(VCPU_MUTEX), i32.const(FREE)));
  const setMutex = (value: number): void => {
    if (!imports.shared) code.store('i32.store', vcpu.get(), i32.const(value), VCPU_MUTEX);
  };
  const requested = i32.or(word(REQUESTS), word(INTERRUPT_LINES));
  const told = i32.or(
    code.load<I32>('i32.load', page.get(), KICK),
    code.load<I32>('i32.load8_u', page.get(), IMMEDIATE_EXIT),
  );
  notIf(i32.or(requested, told));
  notIf(i32.eqz(code.call<I32>(imports.complete)));
  if (imports.shared) notIf(isPaused(code, imports, vcpu));
  setMutex(HELD);
  // As exitUnknown of state/exit.ts.
  code.store('i32.store', page.get(), i32.const(KVM_EXIT_UNKNOWN), EXIT_REASON);
  code.store('i32.store16', page.get(), i32.const(0), FLAGS);
  code.store('i64.store', page.get(), i64.const(0), HARDWARE_EXIT_REASON);
  // Nothing has happened to the vCPU since it left at the op of the access: the next one is where it was.
  const next = code.letI32(i32.add(word(OP), i32.const(OP_SIZE)));
  code.store('i32.store', vcpu.get(), next.get(), OP);
  const isLess = (): I32 => i32.lt_u(budget.get(), settled.get());
  const slice = code.letI32(code.select(budget.get(), settled.get(), isLess()));
  const retired = code.letI32(code.call<I32>(run, slice.get()));
  addTo(code, vcpu, EXITS.offset, () => i32.const(1));
  if (imports.shared) code.atomicStore('i32.store', vcpu.get(), i32.const(0), IN_GUEST);
  settled.set(word(SETTLED));
  const left = code.letI32(i32.sub(i32.sub(settled.get(), retired.get()), i32.const(LEAVE_COST)));
  code.if(i32.lt_s(left.get(), i32.const(0)), () => left.set(i32.const(0)));
  code.store('i32.store', vcpu.get(), left.get(), SETTLED);
  const isAgain = i32.and(i32.eq(word(LEAVE), i32.const(LEAVE_MMIO)), i32.ne(settled.get(), i32.const(0)));
  code.if(isAgain, () => {
    setMutex(FREE);
    i32.const(STILL_SETTLED);
    code.return();
  });
  retired.get();
}

/** Adds to a counter of 64 bits. */
function addTo(code: Code, vcpu: Local<I32>, counter: number, value: () => I32): void {
  const { i64 } = code.ops;
  const before = code.letI64(code.load<I64>('i64.load', vcpu.get(), counter));
  const sum = code.letI64(i64.add(before.get(), i64.extend_i32_u(value())));
  code.store('i64.store', vcpu.get(), sum.get(), counter);
}

/** Marks the vCPU as in guest code, unless memslots are changing: vm/memslots.ts stores PAUSED and then loads IN_GUEST. */
function isPaused(code: Code, imports: EntryImports, vcpu: Local<I32>): I32 {
  const { i32 } = code.ops;
  code.atomicStore('i32.store', vcpu.get(), i32.const(1), IN_GUEST);
  const paused = code.letI32(code.atomic<I32>('i32.load', code.globalGet<I32>(imports.vm), [], PAUSED));
  code.if(paused.get(), () => code.atomicStore('i32.store', vcpu.get(), i32.const(0), IN_GUEST));
  return paused.get();
}
