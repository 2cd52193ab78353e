/** The one plan of all instructions: who decodes and who compiles elsewhere must mean the same by a number. */
import { INSN_GROUPS } from '../a64/table.ts';
import { planHandlers, type HandlerPlan } from './build.ts';

export const planAll = (): HandlerPlan => planHandlers(INSN_GROUPS);
