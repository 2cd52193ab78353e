/** Several regions as one Wasm module: a module costs more than a function. */
import type { Routine } from '../a64/emitter.ts';
import { firstRegion, REGION_PARAMS, tableIndexOf, type HandlerPlan } from '../interp/build.ts';
import type { HandlerImports } from '../interp/frame.ts';
import { HandlerEmitter, TRAP_FP } from '../interp/handlers.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { I32_TYPE, I64_TYPE, V128_TYPE } from '../wasm/opcode.ts';
import { emitRegion } from './region-code.ts';
import type { Region, RegionOp } from './region.ts';

const ENV = 'vkvm';
const MAX_PAGES = 65536;
const TYPE_OF = { i32: I32_TYPE, i64: I64_TYPE, v128: V128_TYPE } as const;

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
  module.importMemory({ module: ENV, name: 'memory', initial: 1, maximum: MAX_PAGES, shared });
  module.importTable(ENV, 'table');
  const vcpu = module.importGlobal(ENV, 'vcpu', I32_TYPE);
  const port = (
    name: string,
    params: readonly (typeof I32_TYPE | typeof I64_TYPE)[],
    result = true,
  ): number => module.importFunction(ENV, name, params, result ? [I32_TYPE] : []);
  const access = [I64_TYPE, I32_TYPE, I32_TYPE] as const;
  const slow: Omit<HandlerImports, 'routineIndex'> = {
    vcpu,
    kickable: shared,
    read: port('read', access),
    write: port('write', [...access, I64_TYPE]),
    probe: port('probe', access),
    locate: port('locate', access),
    fetch: port('fetch', [I64_TYPE]),
    hypercall: port('hypercall', [I32_TYPE, I32_TYPE]),
    sysreg: port('sysreg', [I32_TYPE]),
    decode: port('decode', [I32_TYPE], false),
    stackMoved: port('stackMoved', [], false),
  };
  const jump = port('jump', [I64_TYPE, I32_TYPE, I32_TYPE, I64_TYPE]);
  const unwind = port('unwind', [I32_TYPE, I32_TYPE, I64_TYPE]);
  const routines = new Map<Routine, number>();
  const ops = regions.flatMap(({ blocks }) => blocks.flatMap((block) => block.ops));
  for (const routine of [TRAP_FP, ...ops.flatMap(({ footprint }) => footprint.routines)]) {
    if (routines.has(routine as Routine)) continue;
    const params = routine.params.map((type) => TYPE_OF[type]);
    routines.set(
      routine as Routine,
      module.importFunction(ENV, routine.name, params, [TYPE_OF[routine.result]]),
    );
  }
  const routineIndex = (routine: Routine): number => routines.get(routine)!;
  const alone = regions.map((region) => emitAlone(module, region, { ...slow, routineIndex }));
  const regionType = module.type(REGION_PARAMS, [I32_TYPE]);
  const functions = regions.map((_, place) => module.function(REGION_PARAMS, [I32_TYPE], regionName(place)));
  const functionAt = new Map(regions.map(({ entry }, place) => [entry, functions[place]!.index]));
  for (const [place, region] of regions.entries()) {
    const { index, code } = functions[place]!;
    emitRegion(code, region, {
      firstRegion: firstRegion(plan),
      firstEntry: tableIndexOf(plan, firstRegion(plan)),
      vcpu,
      jump,
      unwind,
      regionType,
      stackMoved: slow.stackMoved,
      kickable: shared,
      asksExactness,
      routineIndex,
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
  const { insn, point, looksAtStack } = op.handler;
  const { index, code } = module.function([I32_TYPE], [I32_TYPE]);
  const emitter = new HandlerEmitter(code, imports);
  insn.emit(emitter, point);
  if (looksAtStack) emitter.lookAtStack();
  emitter.next();
  module.complete(index);
  return index;
}
