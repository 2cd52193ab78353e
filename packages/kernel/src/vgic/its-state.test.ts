import { describe, expect, test } from 'vitest';

import { Words } from '../state/words.ts';
import {
  ITS_BLOCK_SIZE,
  MAX_TRANSLATIONS,
  allTranslations,
  dropTranslation,
  setTranslation,
  translate,
  translationCount,
  translationsOf,
} from './its-state.ts';
import type { Its } from './its-state.ts';
import {
  FIRST_LPI,
  LPI_BLOCK_SIZE,
  bestLpi,
  configureLpi,
  holdLpi,
  priorityOf,
  releaseLpi,
  setPending,
  setTarget,
} from './lpi-state.ts';
import type { Lpis } from './lpi-state.ts';
import { LPIS_ENABLED } from './state.ts';

const BASE = 0x1_0000;
const memory = (bytes: number): Words =>
  new Words(new WebAssembly.Memory({ initial: Math.ceil((BASE + bytes) / 0x1_0000) }));

/** Numbers below a limit, always the same ones. */
function sequence(): (limit: number) => number {
  let state = 1;
  return (limit) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >>> 8) % limit;
  };
}

describe('translations', () => {
  test('are what was set and not dropped, whatever else hashes to the same place', () => {
    const its: Its = { words: memory(ITS_BLOCK_SIZE), base: BASE };
    const below = sequence();
    const model = new Map<string, { collection: number; intid: number }>();
    for (let n = 0; n < 60_000; n++) {
      const [device, event] = [below(40), below(500)];
      const name = `${device} ${event}`;
      if (below(3) === 0) {
        if (model.delete(name)) dropTranslation(its, device, event);
      } else {
        const translation = { collection: below(0x1_0000), intid: FIRST_LPI + below(57_344) };
        model.set(name, translation);
        expect(setTranslation(its, device, event, translation)).toBe(true);
      }
      if (n % 64 === 0) expect(translate(its, device, event)).toEqual(model.get(name));
    }
    expect(translationCount(its)).toBe(model.size);
    const found = allTranslations(its).map(
      ({ device, event, ...rest }) => [`${device} ${event}`, rest] as const,
    );
    expect(new Map(found)).toEqual(model);
    const ofFirst = [...model.keys()].filter((name) => name.startsWith('0 '));
    expect(translationsOf(its, 0)).toBe(ofFirst.length);
  });

  test('are so many and no more', () => {
    const its: Its = { words: memory(ITS_BLOCK_SIZE), base: BASE };
    const add = (n: number) => setTranslation(its, n >>> 8, n & 0xff, { collection: 0, intid: FIRST_LPI });
    for (let n = 0; n < MAX_TRANSLATIONS; n++) if (!add(n)) throw new Error(`no room for ${n}`);
    expect(add(MAX_TRANSLATIONS)).toBe(false);
    expect(translate(its, MAX_TRANSLATIONS >>> 8, 0)).toBeUndefined();
    expect(add(7)).toBe(true); // there already
    dropTranslation(its, 0, 7);
    expect(add(MAX_TRANSLATIONS)).toBe(true);
  });
});

describe('the LPI that a vCPU takes next', () => {
  test('has the highest priority, then the lowest number, of those that are pending, enabled and its own', () => {
    const words = memory(LPI_BLOCK_SIZE + 0x2000);
    const lpis: Lpis = { words, base: BASE };
    const vcpus = [0x100, 0x200].map((n) => BASE + LPI_BLOCK_SIZE + n * 8);
    for (const vcpu of vcpus) words.set32(vcpu + LPIS_ENABLED, 1);
    const below = sequence();
    const model = new Map<number, { priority: number; enabled: boolean; pending: boolean; target: number }>();
    for (let n = 0; n < 3000; n++) {
      const intid = FIRST_LPI + below(100) * 571;
      const known = model.get(intid);
      const [priority, enabled, target] = [below(32) * 8, below(4) !== 0, vcpus[below(2)]!];
      if (!known) {
        model.set(intid, { priority: 0, enabled: false, pending: false, target });
        holdLpi(lpis, intid, target);
      } else if (below(8) === 0) {
        model.delete(intid);
        releaseLpi(lpis, intid);
      } else {
        Object.assign(known, { priority, enabled, pending: below(2) === 0, target });
        configureLpi(lpis, intid, priority | (enabled ? 1 : 0) | 2);
        setPending(lpis, intid, known.pending);
        setTarget(lpis, intid, target);
      }
      for (const vcpu of vcpus) {
        const ready = [...model].filter(([, lpi]) => lpi.enabled && lpi.pending && lpi.target === vcpu);
        ready.sort(([a, x], [b, y]) => x.priority - y.priority || a - b);
        const found = bestLpi(lpis, vcpu, 0x100);
        expect(found).toBe(ready[0]?.[0] ?? 0);
        if (found === 0) continue;
        expect(priorityOf(lpis, found)).toBe(ready[0]![1].priority);
        expect(bestLpi(lpis, vcpu, ready[0]![1].priority)).toBe(0);
      }
    }
  });
});
