/** One system register or system instruction: who may use it, where its value is, what user space sees of it. */
import type { Host } from '../host.ts';
import type { Engine } from '../engine/engine.ts';
import { holds } from '../state/profile.ts';
import type { Releases } from '../state/profile.ts';
import type { Block } from '../state/block.ts';

/** What an access needs beyond the vCPU's words. */
export interface SysregEnv {
  readonly host: Host;
  /** The vCPU's engine on this thread. */
  readonly engine: SysregEngine;
}

/** The part of the engine that accesses use. */
export type SysregEngine = Pick<
  Engine,
  | 'contextChanged'
  | 'regimeChanged'
  | 'flushTlb'
  | 'flushTlbNonGlobal'
  | 'flushTlbVa'
  | 'flushCode'
  | 'flushCodeRange'
  | 'translate'
>;

/** The access is complete. */
export const SYSREG_DONE = 0;
/** The access is UNDEFINED here. */
export const SYSREG_UNDEFINED = 1;
/** The access traps to EL1 (a trap of EL0): exception class 0x18. */
export const SYSREG_TRAP = 2;
/** The access is complete, and the vCPU must leave guest code: an interrupt may be deliverable now. */
export const SYSREG_LEAVE = 3;
/** The access has written SYNDROME (and FAULT_VA): take that exception, with the pc at the instruction. */
export const SYSREG_EXCEPTION = 4;
export type SysregOutcome = 0 | 1 | 2 | 3 | 4;

/**
 * A register. Its guest value comes from `read` and `write` where they are given, else from storage: `offset` (a place
 * of vcpu-state.ts), or a place the table allocates if `stored`.
 */
export interface SysregRow {
  readonly name: string;
  /** The encoding, packed by `sysregKey`. */
  readonly key: number;
  /** Lowest exception level that may read it; absent = reading is UNDEFINED. */
  readonly readEl?: 0 | 1;
  /** Lowest exception level that may write it; absent = writing is UNDEFINED. */
  readonly writeEl?: 0 | 1;
  /** State offset of its 64 bits. */
  readonly offset?: number;
  /** Its 64 bits are placed by the table. */
  readonly stored?: true;
  /** Value after KVM_ARM_VCPU_INIT and CPU_ON. Absent = untouched by them. Needs storage. */
  readonly reset?: bigint | ((vcpu: Block) => bigint);
  /** Puts the value into the eight bytes at state offset `to`. Nothing else of the state changes if it does not answer DONE. */
  readonly read?: (vcpu: Block, to: number, env: SysregEnv) => SysregOutcome;
  /** Takes the value from the eight bytes at state offset `from`. */
  readonly write?: (vcpu: Block, from: number, env: SysregEnv) => SysregOutcome;
  /** Whether KVM has the guest's accesses trap, which single steps show; absent = those that have a handler. */
  readonly traps?: boolean;
  /** Bits that a guest's plain write changes; absent = all. Only without `write`. */
  readonly writable?: bigint;
  /** How KVM_GET_ONE_REG and KVM_SET_ONE_REG see it; absent = they do not (ENOENT). */
  readonly user?: SysregUser;
  /** In which profiles user space sees it; absent = all. */
  readonly userReleases?: Releases;
  /** Present for the guest and for user space; absent = always. */
  readonly visible?: (vcpu: Block) => boolean;
}

/**
 * `plain`: the storage. `ignored`: reads as the storage or 0, writes are dropped.
 */
export type SysregUser = 'plain' | 'ignored' | SysregUserAccess;

export interface SysregUserAccess {
  get(vcpu: Block, host: Host): bigint;
  /** @returns 0 or -errno */
  set(vcpu: Block, value: bigint, host: Host): number;
  /** The id under which user space knows it, if that is not its encoding (the virtual timer's two). */
  readonly key?: number;
}

/** A row with handlers of which hardware that KVM runs on needs none. */
export const untrapped = (row: SysregRow): SysregRow => ({ ...row, traps: false });

/** Whether user space sees a register of a vCPU. */
export const isForUser = (vcpu: Block, { user, userReleases, visible }: SysregRow): boolean =>
  user !== undefined &&
  (userReleases === undefined || holds(vcpu, userReleases)) &&
  (visible?.(vcpu) ?? true);
