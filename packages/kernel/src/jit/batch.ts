/** Several regions as one Wasm module: a module costs more than a function. */
import type { I32 } from '../a64/emitter.ts';
import { firstRegion, tableIndexOf, type HandlerPlan } from '../interp/build.ts';
import { emitCold, ENV, importHandlers, importMemory, withRoutines } from '../interp/cold.ts';
import { enterTarget } from '../interp/fetch.ts';
import { JUMP_PARAMS, jumpParams, REGION_PARAMS, type HandlerImports } from '../interp/frame.ts';
import { KICK } from '../interp/handlers.ts';
import { RUN_PAGE } from '../state/vcpu-state.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { I32_TYPE, I64_TYPE } from '../wasm/opcode.ts';
import { emitRegion } from './region-code.ts';
import type { RegionImports } from './region-state.ts';
import type { Region, RegionOp } from './region.ts';

/** What the code is made for, besides its meaning. */
export interface BatchForm {
  /** Whether the process memory is shared. */
  readonly shared: boolean;
  /** FPSR.IXC is clear: results are looked at for exactness. See RegionImports. */
  readonly asksExactness: boolean;
  /** Accesses must be aligned: REGIME_ALIGNED. */
  readonly aligned: boolean;
}

/** Name of a region's function among the exports. */
export const regionName = (place: number): string => `region${place}`;

/** Translates regions. The exports are {@link regionName} by place in the list. */
export function buildBatch(
  plan: HandlerPlan,
  regions: readonly Region[],
  { shared, asksExactness, aligned }: BatchForm,
): Uint8Array<ArrayBuffer> {
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
  const regionJump = emitJump(module, plan, { vcpu: slow.vcpu, jump, regionType, shared });
  const alone = regions.map((region) => emitAlone(module, region, imports));
  const functions = regions.map((_, place) => module.function(REGION_PARAMS, [I32_TYPE], regionName(place)));
  const functionAt = new Map(regions.map(({ entry }, place) => [entry, functions[place]!.index]));
  for (const [place, region] of regions.entries()) {
    const { index, code } = functions[place]!;
    emitRegion(code, region, {
      firstRegion: firstRegion(plan),
      firstEntry: tableIndexOf(plan, firstRegion(plan)),
      vcpu: slow.vcpu,
      jump: regionJump,
      unwind,
      goOn,
      visit,
      settle,
      regionType,
      stackMoved: slow.stackMoved,
      hypercall: slow.hypercall,
      sysreg: slow.sysreg,
      shared,
      asksExactness,
      aligned,
      routineIndex: (routine) => imports.routineIndex(routine),
      alone: alone[place],
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
  const vcpu = code.letI32(code.globalGet<I32>(imports.vcpu));
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

/** The entry's instruction as the interpreter does it: its op cannot be given back, it leads to the region. */
function emitAlone(module: ModuleBuilder, region: Region, imports: HandlerImports): number | undefined {
  const op: RegionOp = region.blocks[0]!.ops[0]!;
  if (!op.handler || !op.footprint.exitsBefore) return undefined;
  return emitCold(module, op.handler, imports);
}
