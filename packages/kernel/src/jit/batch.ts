/** Several regions as one Wasm module: a module costs more than a function. */
import type { I32, I64 } from '../a64/emitter.ts';
import { firstRegion, tableIndexOf, type HandlerPlan } from '../interp/build.ts';
import { emitCold, ENV, importHandlers, importMemory, withRoutines } from '../interp/cold.ts';
import { enterTarget } from '../interp/fetch.ts';
import { JUMP_PARAMS, jumpParams, REGION_PARAMS, regionParams } from '../interp/frame.ts';
import { KICK } from '../interp/handlers.ts';
import { OP_SIZE } from '../interp/uop.ts';
import { PC_DELTA, RUN_PAGE } from '../state/vcpu-state.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { I32_TYPE, I64_TYPE } from '../wasm/opcode.ts';
import { emitRegion } from './region-code.ts';
import type { CodeForm, RegionImports } from './region-state.ts';
import { detour, pageOf } from './pages.ts';
import { entriesOf, type Region } from './region.ts';

/** Name of a region's function among the exports. */
export const regionName = (place: number): string => `region${place}`;

/**
 * Translates regions.
 *
 * @param entries - indices of the ops at which they are entered; the exports are {@link regionName} by place in this list
 */
export function buildBatch(
  plan: HandlerPlan,
  regions: readonly Region[],
  entries: readonly number[],
  form: CodeForm & Pick<RegionImports, 'distances'>,
): Uint8Array<ArrayBuffer> {
  const { shared } = form;
  const module = new ModuleBuilder();
  importMemory(module, shared);
  module.importTable(ENV, 'table');
  const slow = importHandlers(module, shared);
  const jump = module.importFunction(ENV, 'jump', JUMP_PARAMS, [I32_TYPE]);
  const unwind = module.importFunction(ENV, 'unwind', [I32_TYPE, I32_TYPE, I64_TYPE], [I32_TYPE]);
  const goOn = module.importFunction(ENV, 'goOn', REGION_PARAMS, [I32_TYPE]);
  const visit = module.importFunction(ENV, 'visit', REGION_PARAMS, [I32_TYPE]);
  const settle = module.importFunction(ENV, 'settle', [I32_TYPE, I32_TYPE, I64_TYPE], [I32_TYPE]);
  const imports = withRoutines(module, slow);
  const regionType = module.type(REGION_PARAMS, [I32_TYPE]);
  const regionJump = emitJump(module, plan, { ...form, jump, regionType });
  const isEntry = (index: number): boolean => entries.includes(index);
  const alone = new Map<number, number>();
  for (const { block } of regions.flatMap(entriesOf)) {
    const { index, handler, footprint } = block.ops[0]!;
    if (!handler || !footprint.exitsBefore || !isEntry(index) || alone.has(index)) continue;
    alone.set(index, emitCold(module, handler, imports));
  }
  const functionAt = new Map<number, number>();
  const functions = regions.map((region) => {
    const { index, code } = module.function(REGION_PARAMS, [I32_TYPE]);
    for (const [number, { block }] of entriesOf(region).entries()) {
      const { first } = block;
      // Where another region is entered already this one is not.
      if (!isEntry(first) || functionAt.has(first)) continue;
      const entry =
        number === 0 ? index : emitEntry(module, { index, first: region.entry }, number, first, form);
      module.exportFunction(entry, regionName(entries.indexOf(first)));
      functionAt.set(first, entry);
    }
    return { region, index, code };
  });
  for (const { region, index, code } of functions) {
    emitRegion(code, region, {
      ...form,
      firstRegion: firstRegion(plan),
      firstEntry: tableIndexOf(plan, firstRegion(plan)),
      jump: regionJump,
      unwind,
      goOn,
      visit,
      settle,
      regionType,
      stackMoved: slow.stackMoved,
      hypercall: slow.hypercall,
      sysreg: slow.sysreg,
      routineIndex: (routine) => imports.routineIndex(routine),
      aloneAt: (at) => alone.get(at),
      functionAt: (at) => functionAt.get(at),
    });
    module.complete(index);
  }
  return module.encode();
}

/**
 * The interpreter's `jump`, if it leads to a region; else that one does it. Where calls go through it, one call less goes
 * from module to module.
 */
function emitJump(
  module: ModuleBuilder,
  plan: HandlerPlan,
  imports: Pick<RegionImports, 'vcpu' | 'jump' | 'regionType' | 'shared'>,
): number {
  const { index, code } = module.function(JUMP_PARAMS, [I32_TYPE]);
  const { i32 } = code.ops;
  const { target, counted, depth, expected } = jumpParams(code);
  const vcpu = { get: () => i32.const(imports.vcpu) };
  const leave = (): void =>
    code.returnCall(imports.jump, target.get(), counted.get(), depth.get(), expected.get());
  code.ifUnlikely(i32.ge_s(counted.get(), i32.const(0)), leave);
  if (imports.shared) {
    const runPage = code.load<I32>('i32.load', vcpu.get(), RUN_PAGE);
    code.ifUnlikely(code.load<I32>('i32.load', runPage, KICK), leave);
  }
  const op = enterTarget(code, vcpu, target, leave);
  const handler = code.letI32(code.load<I32>('i32.load16_u', op.get()));
  code.ifUnlikely(i32.lt_u(handler.get(), i32.const(firstRegion(plan))), leave);
  code.returnCallIndirect(
    imports.regionType,
    [op.get(), i32.sub(counted.get(), op.get()), depth.get(), expected.get()],
    i32.sub(handler.get(), i32.const(plan.hot)),
  );
  return index;
}

/**
 * An entry within a region: its function, with the number of the entry in the low bits of the first op's address.
 *
 * @param region - its function, and the index of its first op
 * @param at - index of the op that is entered
 */
function emitEntry(
  module: ModuleBuilder,
  region: { readonly index: number; readonly first: number },
  number: number,
  at: number,
  { vcpu, distances }: Pick<RegionImports, 'vcpu' | 'distances'>,
): number {
  const { index, code } = module.function(REGION_PARAMS, [I32_TYPE]);
  const { i32, i64 } = code.ops;
  const { op, acc, depth, expected } = regionParams(code);
  // ACC + OP and the pc are the entry's, whatever pages they are in.
  const further = detour(distances, pageOf(region.first), pageOf(at));
  if (further !== 0) {
    acc.set(i32.add(acc.get(), i32.const(further)));
    const base = { get: () => i32.const(vcpu) };
    const pcDelta = code.letI64(
      i64.add(code.load<I64>('i64.load', base.get(), PC_DELTA), i64.const(further / 4)),
    );
    code.store('i64.store', base.get(), pcDelta.get(), PC_DELTA);
  }
  code.returnCall(
    region.index,
    i32.add(op.get(), i32.const(number - (at - region.first) * OP_SIZE - further)),
    acc.get(),
    depth.get(),
    expected.get(),
  );
  module.complete(index);
  return index;
}
