/** Modules of cold handlers that few programs need, one for each kind. They put themselves into the interpreter's table. */
import { ModuleBuilder } from '../wasm/module.ts';
import { tableIndexOf, type HandlerPlan } from './build.ts';
import { emitCold, ENV, importHandlers, importMemory, withRoutines } from './cold.ts';
import { SPECIAL_HANDLERS } from './uop.ts';

/** Which of them a handler is in: a place in {@link HandlerPlan.moduleEnds}. @param handler - not the interpreter's own */
export const coldModuleOf = ({ moduleEnds }: HandlerPlan, handler: number): number =>
  moduleEnds.findIndex((end) => handler < end);

/** @param number - a place in {@link HandlerPlan.moduleEnds} */
export function buildColdModule(plan: HandlerPlan, number: number, shared: boolean): Uint8Array<ArrayBuffer> {
  const first = [plan.own, ...plan.moduleEnds][number]!;
  const handlers = plan.handlers.slice(first - SPECIAL_HANDLERS, plan.moduleEnds[number]! - SPECIAL_HANDLERS);
  const module = new ModuleBuilder(1 << 18);
  importMemory(module, shared);
  module.importTable(ENV, 'table');
  const imports = withRoutines(module, importHandlers(module, shared));
  const functions = handlers.map((handler) => emitCold(module, handler, imports));
  module.elements(tableIndexOf(plan, first), functions);
  return module.encode();
}
