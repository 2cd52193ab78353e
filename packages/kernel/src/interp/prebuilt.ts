/*
 * What every process would make anew, though it is always the same: tools/bundle.ts calls these functions when the package
 * is built, and puts what they return in their place. All are for memory that is not shared, and for the plan of all.
 */
import { buildInterpreter } from './build.ts';
import { buildColdModule } from './cold-module.ts';
import { planAll } from './plan.ts';

export const plainInterpreter = (plan = planAll()): Uint8Array<ArrayBuffer> => buildInterpreter(plan, false);

/** @returns undefined: there are no more */
export const plainColdModule = (number: number, plan = planAll()): Uint8Array<ArrayBuffer> | undefined =>
  number < plan.moduleEnds.length ? buildColdModule(plan, number, false) : undefined;
