/** How far a vCPU is in its stay in guest code. */
import type { Block } from './block.ts';
import { ACC, OP, RETIRED_BEFORE, RETIRED_LIMIT } from './vcpu-state.ts';

/** ACC and OP count instructions times this. */
const UNIT = 16;

/** For ports: instructions that have retired in this stay before the one at hand. Outside of guest code 0. */
export const retiredSoFar = (vcpu: Block): number =>
  vcpu.get32(RETIRED_BEFORE) + ((vcpu.get32(ACC) + vcpu.get32(OP) + vcpu.get32(RETIRED_LIMIT)) | 0) / UNIT;
