/**
 * What every process would make anew, though it is always the same: tools/bundle.ts calls these functions when the package
 * is built, and puts what they return in their place.
 */
import { buildInterpreter } from './build.ts';
import { planAll } from './plan.ts';

/** The interpreter's module for memory that is not shared. */
export const plainInterpreter = (): Uint8Array<ArrayBuffer> => buildInterpreter(planAll(), false);
