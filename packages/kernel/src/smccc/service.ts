/** What serves a function id outside of PSCI. */
import type { LinuxVersion } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';

/** Serves a call whose arguments are in x1 to x3: writes x0 to x3. */
export type SmcccHandler = (vcpu: Block, host: Host) => void;

export interface SmcccService {
  readonly id: number;
  /** The Linux that brought it. */
  readonly since: LinuxVersion;
  /** Bitmap of firmware-regs.ts that must name the service, and the bit. Absent = every guest has it. */
  readonly bitmap?: number;
  readonly bit?: number;
  readonly handle: SmcccHandler;
}
