/** All system registers of the CPU, found by encoding, with their storage placed. */
import { SYSREGS } from '@vkvm/uapi';

import { SYSREG_STORE, SYSREG_STORE_END } from '../state/vcpu-state.ts';
import type { Block } from '../state/block.ts';
import { debugSysregs } from './debug.ts';
import { idSysregs } from './id.ts';
import { maintenanceSysregs } from './maintenance.ts';
import type { SysregRow } from './row.ts';
import { vmSysregs } from './vm.ts';
import { withoutFeatureSysregs } from './without-feature.ts';

/** A row and the state offset of its 64 bits; -1 = it has no storage. */
export interface PlacedSysreg {
  readonly row: SysregRow;
  readonly offset: number;
}

const NONE = -1;
const KEYS = 1 << 16;

/**
 * Rows by encoding. Storage is placed by ascending encoding, so a row more or less moves it: a change is a new
 * `LAYOUT_VERSION`.
 */
export class SysregTable {
  /** By ascending encoding. */
  readonly rows: readonly PlacedSysreg[];
  readonly #byKey: (PlacedSysreg | undefined)[] = Array.from({ length: KEYS });
  /** By the key that user space uses. */
  readonly #byUserKey = new Map<number, PlacedSysreg>();

  /** @throws RangeError if two rows have one encoding, or the storage does not suffice */
  constructor(rows: readonly SysregRow[]) {
    let next = SYSREG_STORE;
    this.rows = rows
      .toSorted((a, b) => a.key - b.key)
      .map((row) => {
        if (!row.stored) return { row, offset: row.offset ?? NONE };
        const offset = next;
        next += 8;
        return { row, offset };
      });
    if (next > SYSREG_STORE_END) throw new RangeError('system registers do not fit in their storage');
    for (const placed of this.rows) {
      const { key, name } = placed.row;
      if (this.#byKey[key]) throw new RangeError(`${name} has the encoding of ${this.#byKey[key].row.name}`);
      this.#byKey[key] = placed;
      const userKey = userKeyOf(placed.row);
      if (userKey >= 0) this.#byUserKey.set(userKey, placed);
    }
  }

  find(key: number): PlacedSysreg | undefined {
    return this.#byKey[key];
  }

  /** @param key - bits 15–0 of a register id */
  findUser(key: number): PlacedSysreg | undefined {
    return this.#byUserKey.get(key);
  }

  /**
   * See `DecodeSite.plainSysreg`. Whoever asks checks the exception level: op1 3 is EL0 (a write of TPIDRRO_EL0 is
   * EL1), else EL1.
   */
  plainSysreg(key: number, direction: 'read' | 'write'): number {
    const placed = this.#byKey[key];
    if (!placed || placed.offset === NONE || placed.row.visible || placed.row.traps) return NONE;
    const { row, offset } = placed;
    const lowest = direction === 'read' ? row.readEl : row.writeEl;
    const handler = direction === 'read' ? row.read : row.write;
    if (handler || lowest !== lowestLevel(key, direction)) return NONE;
    return direction === 'write' && row.writable !== undefined ? NONE : offset;
  }

  /** Gives every register its value after reset; those without one keep theirs. */
  reset(vcpu: Block): void {
    for (const { row, offset } of this.rows) {
      if (row.reset === undefined || offset === NONE) continue;
      vcpu.set64(offset, typeof row.reset === 'function' ? row.reset(vcpu) : row.reset);
    }
  }
}

/** Exception level that the encoding itself speaks of. */
const lowestLevel = (key: number, direction: 'read' | 'write'): 0 | 1 =>
  ((key >>> 11) & 7) === 3 && !(key === SYSREGS.TPIDRRO_EL0 && direction === 'write') ? 0 : 1;

/** @returns the key of the register's id, or -1 if user space does not see it */
export const userKeyOf = ({ user, key }: SysregRow): number => {
  if (user === undefined) return NONE;
  return typeof user === 'object' && user.key !== undefined ? user.key : key;
};

/** The rows of this layer; those of the timer and the GIC come from vcpu/, which knows them. */
export const CPU_SYSREGS: readonly SysregRow[] = [
  ...idSysregs,
  ...vmSysregs,
  ...debugSysregs,
  ...maintenanceSysregs,
  ...withoutFeatureSysregs,
];
