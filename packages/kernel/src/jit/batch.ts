/** Several regions as one Wasm module: a module costs more than a function. */
import { firstRegion, REGION_PARAMS, tableIndexOf, type HandlerPlan } from '../interp/build.ts';
import { emitCold, ENV, importHandlers, importMemory, withRoutines } from '../interp/cold.ts';
import type { HandlerImports } from '../interp/frame.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { I32_TYPE, I64_TYPE } from '../wasm/opcode.ts';
import { emitRegion } from './region-code.ts';
import type { Region, RegionOp } from './region.ts';

/** What the code is made for, besides its meaning. */
export interface BatchForm {
  /** Whether the process memory is shared. */
  readonly shared: boolean;
  /** FPSR.IXC is clear: results are looked at for exactness. See RegionImports. */
  readonly asksExactness: boolean;
}

/** Name of a region's function among the exports. */
export const regionName = (place: number): string => `region${place}`;

/** Translates regions. The exports are {@link regionName} by place in the list. */
export function buildBatch(
  plan: HandlerPlan,
  regions: readonly Region[],
  { shared, asksExactness }: BatchForm,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  importMemory(module, shared);
  module.importTable(ENV, 'table');
  const slow = importHandlers(module, shared);
  const jump = module.importFunction(ENV, 'jump', [I64_TYPE, I32_TYPE, I32_TYPE, I64_TYPE], [I32_TYPE]);
  const unwind = module.importFunction(ENV, 'unwind', [I32_TYPE, I32_TYPE, I64_TYPE], [I32_TYPE]);
  const imports = withRoutines(module, slow);
  const alone = regions.map((region) => emitAlone(module, region, imports));
  const regionType = module.type(REGION_PARAMS, [I32_TYPE]);
  const functions = regions.map((_, place) => module.function(REGION_PARAMS, [I32_TYPE], regionName(place)));
  const functionAt = new Map(regions.map(({ entry }, place) => [entry, functions[place]!.index]));
  for (const [place, region] of regions.entries()) {
    const { index, code } = functions[place]!;
    emitRegion(code, region, {
      firstRegion: firstRegion(plan),
      firstEntry: tableIndexOf(plan, firstRegion(plan)),
      vcpu: slow.vcpu,
      jump,
      unwind,
      regionType,
      stackMoved: slow.stackMoved,
      hypercall: slow.hypercall,
      sysreg: slow.sysreg,
      kickable: shared,
      asksExactness,
      routineIndex: (routine) => imports.routineIndex(routine),
      alone: alone[place],
      functionAt: (at) => functionAt.get(at),
    });
    module.complete(index);
  }
  return module.encode();
}

/** The entry's instruction as the interpreter does it: its op cannot be given back, it leads to the region. */
function emitAlone(module: ModuleBuilder, region: Region, imports: HandlerImports): number | undefined {
  const op: RegionOp = region.blocks[0]!.ops[0]!;
  if (!op.handler || !op.footprint.exitsBefore) return undefined;
  return emitCold(module, op.handler, imports);
}
