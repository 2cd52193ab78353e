/**
 * The interpreter as one Wasm module: `buildInterpreter()` makes its bytes from the instruction table.
 *
 * Counting: `ACC + OP` is sixteen times (retired − budget), so straight-line code costs nothing, a taken branch adds
 * the distance it jumped over, and the budget is spent when the sum is no longer negative.
 */
import { EC, type I32 } from '../a64/emitter.ts';
import type { Insn, PairRole } from '../a64/pattern.ts';
import { HALF_TOP_BYTE_IGNORED, REGIME_HALVES, REGIME_HALF_SIZE } from '../mmu/regime.ts';
import { emitStretch } from '../mmu/stretch.ts';
import { TRANSLATE_FAULT, TRANSLATE_FETCH, emitWalk } from '../mmu/walk.ts';
import {
  ACC,
  CODE_MAP,
  CODE_MOVED,
  CODE_UNVERIFIED,
  FAULT_VA,
  FLAG_A,
  FLAG_B,
  FLAG_NZ,
  LEAVE,
  OP,
  PC,
  PC_DELTA,
  RUN_PAGE,
  SYNDROME,
  TLB_BASE,
  VISITS,
} from '../state/vcpu-state.ts';
import type { Code, Label } from '../wasm/code.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { I32_TYPE, I64_TYPE } from '../wasm/opcode.ts';
import type { I64 } from '../wasm/pure.ts';
import {
  COLD_JUMP,
  COLD_LEAVE,
  COLD_LEAVE_WITH_PC,
  COLD_NEXT,
  COLD_RETURN,
  JUMP_PARAMS,
  NOWHERE,
  REGION_PARAMS,
  VISIT_INTERVAL,
  jumpParams,
  loopLocals,
  regionParams,
  type HandlerImports,
} from './frame.ts';
import { emitCold, ENV, importMemory, withRoutines } from './cold.ts';
import { enterTarget, fetchEntry } from './fetch.ts';
import { countInterpreted, HandlerEmitter, KICK } from './handlers.ts';
import { LEAVE_BUDGET, LEAVE_EXCEPTION } from './leave.ts';
import { emitEntry } from './entry.ts';
import { emitSlowPath } from './slow-path.ts';
import { OP_SIZE, SPECIAL_HANDLERS } from './uop.ts';
import { emitUserAccess } from './user-access.ts';

/** One handler: a row of the instruction table at one point of its static parameters. */
export interface Handler {
  /** For a pair: what goes before. */
  readonly head?: Handler;
  readonly insn: Insn;
  readonly point: number;
  /** After the instruction the alignment of SP is looked at: {@link HandlerEmitter.lookAtStack}. */
  readonly looksAtStack: boolean;
}

/**
 * Which number each handler has. Hot ones come first: the numbers below `hot` are cases of the dispatch loop. Those from
 * there to `own` are functions of the interpreter's module; the others are in modules of their own: interp/cold-module.ts.
 */
export interface HandlerPlan {
  readonly handlers: readonly Handler[];
  readonly hot: number;
  readonly own: number;
  /** Where those modules end. */
  readonly moduleEnds: readonly number[];
  /** The handler of two ops that follow each other, by their handlers; 0 = they are no pair. */
  pair(first: number, second: number): number;
  /** The handler number of a row at a point. @param movesStack - what {@link Insn.movesStack} says of the word */
  number(insn: Insn, point: number, movesStack: boolean): number;
}

const pairKey = (first: number, second: number): number => first * 0x1_0000 + second;

/** @param groups - the instructions: first those that every program has, then those for a module each */
export function planHandlers(groups: readonly (readonly Insn[])[]): HandlerPlan {
  const rows = groups.flat();
  const isHot = ({ insn, point }: Handler): boolean => insn.isHot(point);
  const all = rows.flatMap((insn) =>
    Array.from({ length: insn.size }, (_, point): Handler => {
      // A cold handler can afford to look each time; a hot one has a cold twin for the words that need it.
      const looksAtStack = !insn.isHot(point) && insn.mayMoveStack(point);
      return { insn, point, looksAtStack };
    }),
  );
  const hot = all.filter(isHot);
  const twins = hot
    .filter(({ insn, point }) => insn.mayMoveStack(point))
    .map((handler): Handler => ({ ...handler, looksAtStack: true }));
  const inRole = (role: PairRole): Handler[] =>
    hot.filter(({ insn, point }) => insn.pairRole(point) === role);
  const branches = inRole('branch');
  const pairs = inRole('compare').flatMap((head) => branches.map((branch): Handler => ({ ...branch, head })));
  const inLoop = [...hot, ...pairs];
  const cold = [...all.filter((handler) => !isHot(handler)), ...twins];
  const coldGroups = groups.map((group) => {
    const isOfGroup = new Set(group);
    return cold.filter(({ insn }) => isOfGroup.has(insn));
  });
  const handlers = [...inLoop, ...coldGroups.flat()];
  // By point, and by the size of the row + point where SP's alignment must be looked at.
  const numbers = new Map(rows.map((insn) => [insn, new Uint16Array(2 * insn.size)]));
  for (const [i, { head, insn, point, looksAtStack }] of handlers.entries()) {
    if (head) continue;
    const list = numbers.get(insn)!;
    if (looksAtStack) list[insn.size + point] = SPECIAL_HANDLERS + i;
    if (!looksAtStack || !insn.isHot(point)) list[point] = SPECIAL_HANDLERS + i;
  }
  const number = (insn: Insn, point: number, movesStack: boolean): number =>
    numbers.get(insn)![(movesStack ? insn.size : 0) + point]!;
  const numberOf = ({ insn, point }: Handler): number => number(insn, point, false);
  const pairNumbers = new Map(
    pairs.map((pair, i) => [
      pairKey(numberOf(pair.head!), numberOf(pair)),
      SPECIAL_HANDLERS + hot.length + i,
    ]),
  );
  let end = SPECIAL_HANDLERS + inLoop.length;
  const [own = end, ...moduleEnds] = coldGroups.map(({ length }) => (end += length));
  return {
    handlers,
    hot: SPECIAL_HANDLERS + inLoop.length,
    own,
    moduleEnds,
    pair: (first, second) => pairNumbers.get(pairKey(first, second)) ?? 0,
    number,
  };
}

/** Handlers from this number on are compiled regions: entries of the table behind the cold handlers. */
export const firstRegion = (plan: HandlerPlan): number => SPECIAL_HANDLERS + plan.handlers.length;
/** The table index of a handler that is not in the loop. */
export const tableIndexOf = (plan: HandlerPlan, handler: number): number => handler - plan.hot;
/** Handler numbers have sixteen bits. */
export const MAX_REGIONS = 0x8000;

/**
 * Builds the interpreter for a set of rows.
 *
 * Exports `run(budget)`, `resume(budget)`, `complete()`, `translate(va, purpose)`, the table, which has room for the cold
 * handlers and then for compiled regions, and what both call. Imports the memory, the addresses of the vCPU and VM blocks,
 * the four ports (interp/traps.ts) and `hearsAll`, `decode(op)`, `openPage(userPage)` and `stackMoved()`.
 *
 * @param shared - whether the memory is shared: a module fits only one kind
 */
export function buildInterpreter(plan: HandlerPlan, shared: boolean): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder(1 << 18);
  importMemory(module, shared);
  const vcpu = module.importGlobal(ENV, 'vcpu', I32_TYPE);
  const vm = module.importGlobal(ENV, 'vm', I32_TYPE);
  const hearsAll = module.importGlobal(ENV, 'hearsAll', I32_TYPE);
  const port = (name: string, params: number): number =>
    module.importFunction(
      ENV,
      name,
      Array.from({ length: params }, () => I32_TYPE),
      [I32_TYPE],
    );
  const hypercall = port('hypercall', 2);
  const sysreg = port('sysreg', 1);
  const mmioRead = port('mmioRead', 1);
  const mmioWrite = port('mmioWrite', 1);
  const openPage = port('openPage', 1);
  const decode = module.importFunction(ENV, 'decode', [I32_TYPE], []);
  const stackMoved = module.importFunction(ENV, 'stackMoved', [], []);
  const { translate } = emitWalk(module, { vcpu, vm });
  emitStretch(module, { vcpu, translate });
  const userAccess = emitUserAccess(module, { vcpu, vm });
  const imports = withRoutines(module, {
    ...emitSlowPath(module, { vcpu, translate, mmioRead, mmioWrite, hearsAll, userAccess }),
    vcpu,
    shared,
    hypercall,
    sysreg,
    fetch: emitFetch(module, { vcpu, translate, openPage }),
    decode,
    stackMoved,
  });
  const own = plan.handlers.slice(plan.hot - SPECIAL_HANDLERS, plan.own - SPECIAL_HANDLERS);
  const functions = own.map((handler) => emitCold(module, handler, imports));
  module.table(functions, tableIndexOf(plan, firstRegion(plan)) + MAX_REGIONS, 'table');
  const types = {
    cold: module.type([I32_TYPE], [I32_TYPE]),
    region: module.type(REGION_PARAMS, [I32_TYPE]),
  };
  const loop = module.function(REGION_PARAMS, [I32_TYPE]);
  const goOn = emitGoOn(module, vcpu, loop.index);
  emitSettle(module, vcpu, loop.index);
  const visit = emitVisit(module, vcpu, goOn);
  emitUnwind(module, vcpu, emitJump(module, plan, { ...imports, visit }, types.region));
  for (const name of ['read', 'write', 'probe', 'locate', 'fetch'] as const) {
    module.exportFunction(imports[name], name);
  }
  emitLoop(loop.code, plan, imports, types);
  emitEntry(module, { vcpu, vm, loop: loop.index, complete: userAccess.complete, shared });
  return module.encode();
}

/** The types of the functions in the table. */
interface TableTypes {
  /** `(op: i32) → i32` */
  readonly cold: number;
  /** {@link REGION_PARAMS} */
  readonly region: number;
}

/**
 * The interpreter as a function with the parameters and the answers of a region: regions go on in it where there is none,
 * and what waits for them goes on waiting.
 */
function emitLoop(code: Code, plan: HandlerPlan, imports: HandlerImports, types: TableTypes): void {
  const { i32, i64 } = code.ops;
  const locals = loopLocals(code);
  const { op, acc, depth, flags, vcpu, tlb } = locals;
  const load32 = (offset: number): I32 => code.load('i32.load', vcpu.get(), offset);
  const flagOffsets = [FLAG_NZ, FLAG_A, FLAG_B];
  const loadFlags = (): void => {
    flags.forEach((flag, i) => flag.set(code.load<I64>('i64.load', vcpu.get(), flagOffsets[i])));
  };
  const storeState = (): void => {
    code.store('i32.store', vcpu.get(), op.get(), OP);
    code.store('i32.store', vcpu.get(), acc.get(), ACC);
    flags.forEach((flag, i) => code.store('i64.store', vcpu.get(), flag.get(), flagOffsets[i]));
  };
  /** What is retired from the first of these on is interpreted, until the second. */
  const begin = (): void => countInterpreted(code, vcpu, () => i32.sub(i32.const(0), sum()));
  const end = (): void => countInterpreted(code, vcpu, sum);
  const sum = (): I32 => i32.add(acc.get(), op.get());

  vcpu.set(code.globalGet<I32>(imports.vcpu));
  tlb.set(load32(TLB_BASE));
  loadFlags();
  begin();

  const leaveWithPc = code.block();
  const leave = code.block();
  const next = code.loop();
  const frame = { ...locals, next, leave, leaveWithPc };
  const coldCase = code.block();
  const cases: Label[] = [];
  for (let i = plan.hot - 1; i >= 0; i--) cases[i] = code.block();
  code.brTable(code.load<I32>('i32.load16_u', op.get()), cases, coldCase);

  const special: readonly ((emitter: HandlerEmitter) => void)[] = [
    (emitter) => emitter.decode(),
    (emitter) => emitter.pageEnd(),
    (emitter) => emitter.undefined(),
    (emitter) => emitter.enter(),
  ];
  const emitter = new HandlerEmitter(code, imports, frame);
  for (let i = 0; i < plan.hot; i++) {
    code.end();
    const handler = plan.handlers[i - SPECIAL_HANDLERS];
    if (handler) {
      if (handler.head) {
        handler.head.insn.emit(emitter, handler.head.point);
        emitter.skip();
      }
      handler.insn.emit(emitter, handler.point);
      if (!handler.insn.ends) emitter.next();
    } else {
      special[i]!(emitter);
    }
    code.endScope();
  }

  code.end(); // coldCase
  storeState();
  const handler = code.letI32(code.load<I32>('i32.load16_u', op.get()));
  const entry = (): I32 => i32.sub(handler.get(), i32.const(plan.hot));
  const answer = code.letI32(i32.const(0));
  code.if(
    i32.lt_u(handler.get(), i32.const(firstRegion(plan))),
    () => answer.set(code.callIndirect<I32>(types.cold, [op.get()], entry())),
    () => {
      end();
      answer.set(
        code.callIndirect<I32>(
          types.region,
          [op.get(), acc.get(), i32.add(depth.get(), i32.const(1)), i64.const(NOWHERE)],
          entry(),
        ),
      );
      // After a return ACC is the sum by itself.
      op.set(i32.mul(load32(OP), i32.ne(answer.get(), i32.const(COLD_RETURN))));
      acc.set(load32(ACC));
      begin();
    },
  );
  loadFlags();
  code.if(i32.eq(answer.get(), i32.const(COLD_NEXT)), () => {
    op.set(i32.add(op.get(), i32.const(OP_SIZE)));
    acc.set(load32(ACC));
    code.br(next);
  });
  code.if(i32.eq(answer.get(), i32.const(COLD_RETURN)), () => emitter.returned());
  op.set(load32(OP));
  acc.set(load32(ACC));
  code.brIf(i32.eq(answer.get(), i32.const(COLD_JUMP)), next);
  code.brIf(i32.eq(answer.get(), i32.const(COLD_LEAVE_WITH_PC)), leaveWithPc);
  code.br(leave);
  code.end(); // next
  code.end(); // leave
  const place = i64.extend_i32_u(i32.shr_u(op.get(), i32.const(2)));
  const pc = code.letI64(i64.add(place, code.load<I64>('i64.load', vcpu.get(), PC_DELTA)));
  code.store('i64.store', vcpu.get(), pc.get(), PC);
  code.end(); // leaveWithPc
  storeState();
  end();
  i32.const(COLD_LEAVE_WITH_PC);
}

/** `(op: i32, acc: i32, depth: i32, expected: i64) → i32`: a region goes on at an op that is none. */
function emitGoOn(module: ModuleBuilder, vcpuGlobal: number, interpret: number): number {
  const { index, code } = module.function(REGION_PARAMS, [I32_TYPE], 'goOn');
  const { i32, i64 } = code.ops;
  const { op, acc, depth, expected } = regionParams(code);
  code.if(i64.eq(expected.get(), i64.const(NOWHERE)), () => {
    // Nobody waits: the interpreter has called.
    const vcpu = code.letI32(code.globalGet<I32>(vcpuGlobal));
    code.store('i32.store', vcpu.get(), op.get(), OP);
    code.store('i32.store', vcpu.get(), acc.get(), ACC);
    i32.const(COLD_JUMP);
    code.return();
  });
  code.returnCall(interpret, op.get(), acc.get(), depth.get(), expected.get());
  return index;
}

/** As `goOn`, where a region branches to. Now and then it leaves guest code instead: see VISITS. */
function emitVisit(module: ModuleBuilder, vcpuGlobal: number, goOn: number): number {
  const { index, code } = module.function(REGION_PARAMS, [I32_TYPE], 'visit');
  const { i32 } = code.ops;
  const { op, acc, depth, expected } = regionParams(code);
  const vcpu = code.letI32(code.globalGet<I32>(vcpuGlobal));
  const visits = code.letI32(i32.add(code.load<I32>('i32.load', vcpu.get(), VISITS), i32.const(1)));
  code.store('i32.store', vcpu.get(), visits.get(), VISITS);
  // Where the budget is spent, guest code is left at the next place where the interpreter would leave it, and not here.
  const lasts = i32.lt_s(i32.add(acc.get(), op.get()), i32.const(0));
  code.if(i32.and(lasts, i32.ge_u(visits.get(), i32.const(VISIT_INTERVAL))), () => {
    code.store('i32.store', vcpu.get(), op.get(), OP);
    code.store('i32.store', vcpu.get(), acc.get(), ACC);
    code.store('i32.store', vcpu.get(), i32.const(LEAVE_BUDGET), LEAVE);
    i32.const(COLD_LEAVE);
    code.return();
  });
  code.returnCall(goOn, op.get(), acc.get(), depth.get(), expected.get());
  return index;
}

/** `(answer: i32, depth: i32, expected: i64) → i32`: a region has had its first instruction done by a cold handler. */
function emitSettle(module: ModuleBuilder, vcpuGlobal: number, interpret: number): void {
  const { code } = module.function([I32_TYPE, I32_TYPE, I64_TYPE], [I32_TYPE], 'settle');
  const { i32, i64 } = code.ops;
  const [answer, depth, expected] = [code.param<I32>(0), code.param<I32>(1), code.param<I64>(2)];
  const is = (value: number): I32 => i32.eq(answer.get(), i32.const(value));
  const goesOn = code.letI32(i32.or(is(COLD_NEXT), is(COLD_JUMP)));
  code.if(i32.or(i64.eq(expected.get(), i64.const(NOWHERE)), i32.eqz(goesOn.get())), () => {
    answer.get();
    code.return();
  });
  const vcpu = code.letI32(code.globalGet<I32>(vcpuGlobal));
  const word = (offset: number): I32 => code.load('i32.load', vcpu.get(), offset);
  const next = i32.mul(is(COLD_NEXT), i32.const(OP_SIZE));
  code.returnCall(interpret, i32.add(next, word(OP)), word(ACC), depth.get(), expected.get());
}

/**
 * `(target: i64, counted: i32, depth: i32, expected: i64) → i32`: goes on at a virtual address, from a region that has
 * written its registers back. `counted` is ACC + OP with the branch done; the others are the region's own. Answers as a
 * region does.
 */
function emitJump(
  module: ModuleBuilder,
  plan: HandlerPlan,
  imports: HandlerImports & { readonly visit: number },
  regionType: number,
): number {
  const { index, code } = module.function(JUMP_PARAMS, [I32_TYPE], 'jump');
  const { i32 } = code.ops;
  const { target, counted, depth, expected } = jumpParams(code);
  const vcpu = code.letI32(code.globalGet<I32>(imports.vcpu));
  const answer = (value: number): void => {
    i32.const(value);
    code.return();
  };
  const storeCounted = (at: () => I32): void => {
    code.store('i32.store', vcpu.get(), at(), OP);
    code.store('i32.store', vcpu.get(), i32.sub(counted.get(), at()), ACC);
  };
  const op = enterTarget(code, vcpu, target, (page) => {
    page.set(code.call<I32>(imports.fetch, target.get()));
    code.if(i32.eqz(page.get()), () => {
      storeCounted(() => i32.const(0)); // no op: only the sum counts
      answer(COLD_LEAVE_WITH_PC);
    });
    target.set(code.load<I64>('i64.load', vcpu.get(), PC));
  });
  const spent = i32.ge_s(counted.get(), i32.const(0));
  const leave = imports.shared
    ? i32.or(spent, code.atomic<I32>('i32.load', code.load<I32>('i32.load', vcpu.get(), RUN_PAGE), [], KICK))
    : spent;
  code.if(leave, () => {
    storeCounted(() => op.get());
    code.store('i32.store', vcpu.get(), i32.const(LEAVE_BUDGET), LEAVE);
    answer(COLD_LEAVE);
  });
  const handler = code.letI32(code.load<I32>('i32.load16_u', op.get()));
  code.if(i32.ge_u(handler.get(), i32.const(firstRegion(plan))), () =>
    code.returnCallIndirect(
      regionType,
      [op.get(), i32.sub(counted.get(), op.get()), depth.get(), expected.get()],
      i32.sub(handler.get(), i32.const(plan.hot)),
    ),
  );
  code.returnCall(imports.visit, op.get(), i32.sub(counted.get(), op.get()), depth.get(), expected.get());
  return index;
}

/**
 * `(answer: i32, depth: i32, expected: i64) → i32`: a region's callee did not come back to it. Where it has returned to
 * some other place, or spent the budget, the guest goes on there; else the answer is the caller's, too. So it is where
 * code may have changed: nobody who waits may go on.
 */
function emitUnwind(module: ModuleBuilder, vcpuGlobal: number, jump: number): void {
  const { code } = module.function([I32_TYPE, I32_TYPE, I64_TYPE], [I32_TYPE], 'unwind');
  const { i32 } = code.ops;
  const answer = code.param<I32>(0);
  const vcpu = code.letI32(code.globalGet<I32>(vcpuGlobal));
  const moved = code.load<I32>('i32.load', vcpu.get(), CODE_MOVED);
  code.if(i32.or(i32.ne(answer.get(), i32.const(COLD_RETURN)), moved), () => {
    answer.get();
    code.return();
  });
  code.returnCall(
    jump,
    code.load<I64>('i64.load', vcpu.get(), PC),
    code.load<I32>('i32.load', vcpu.get(), ACC),
    code.param<I32>(1).get(),
    code.param<I64>(2).get(),
  );
}

/**
 * `(target: i64) → i32`: the decoded page of a branch target, entered into the fetch TLB; 0 = leave, with the abort
 * described. The pc word becomes the target, without a top byte that is ignored: the pc never has one. Source: Arm DDI
 * 0487, J1.1, AArch64.BranchAddr.
 */
function emitFetch(
  module: ModuleBuilder,
  imports: { readonly vcpu: number; readonly translate: number; readonly openPage: number },
): number {
  const { index, code } = module.function([I64_TYPE], [I32_TYPE]);
  const { i32, i64 } = code.ops;
  const target = code.param<I64>(0);
  const vcpu = code.letI32(code.globalGet<I32>(imports.vcpu));
  const host = code.local<I32>(I32_TYPE);
  const page = code.local<I32>(I32_TYPE);
  const leave = (why: number): void => {
    code.store('i32.store', vcpu.get(), i32.const(why), LEAVE);
    i32.const(0);
    code.return();
  };
  const bit55 = (): I32 => i32.and(i32.wrap_i64(i64.shr_u(target.get(), i64.const(55))), i32.const(1));
  const half = i32.add(vcpu.get(), i32.mul(bit55(), i32.const(REGIME_HALF_SIZE)));
  code.if(code.load<I32>('i32.load', half, REGIME_HALVES + HALF_TOP_BYTE_IGNORED), () =>
    target.set(i64.shr_s(i64.shl(target.get(), i64.const(8)), i64.const(8))),
  );
  code.store('i64.store', vcpu.get(), target.get(), PC);
  code.if(i32.and(i32.wrap_i64(target.get()), i32.const(3)), () => {
    const syndrome = i64.const((BigInt(EC.PC_ALIGNMENT) << 26n) | (1n << 25n));
    const value = code.letI64(syndrome);
    code.store('i64.store', vcpu.get(), value.get(), SYNDROME);
    code.store('i64.store', vcpu.get(), target.get(), FAULT_VA);
    leave(LEAVE_EXCEPTION);
  });
  host.set(code.call<I32>(imports.translate, target.get(), i32.const(TRANSLATE_FETCH)));
  code.if(i32.eq(host.get(), i32.const(TRANSLATE_FAULT)), () => leave(LEAVE_EXCEPTION));
  const entryOfMap = i32.add(i32.shl(i32.shr_u(host.get(), i32.const(12)), i32.const(2)), vcpu.get());
  page.set(code.load<I32>('i32.load', entryOfMap, CODE_MAP));
  const isUnverified = i32.and(page.get(), i32.const(CODE_UNVERIFIED));
  code.if(i32.or(i32.eqz(page.get()), isUnverified), () =>
    page.set(code.call<I32>(imports.openPage, i32.and(host.get(), i32.const(-4096)))),
  );
  code.if(i32.eqz(page.get()), () => leave(LEAVE_BUDGET));
  const entry = fetchEntry(code, vcpu, () => target.get());
  code.store('i64.store', entry.get(), i64.and(target.get(), i64.const(-4096)));
  code.store('i32.store', entry.get(), page.get(), 8);
  page.get();
  return index;
}
