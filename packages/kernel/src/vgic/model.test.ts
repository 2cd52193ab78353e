/** Random traffic on two vCPUs against a model that keeps an object an interrupt and searches all of them each time. */
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { GICD, enableAll, guestGic, sgiFrame } from '../../test/guest-gic.ts';
import type { Block } from '../state/block.ts';
import { setPpi, setSpi } from './vgic.ts';

const NONE = 1023;
const VCPUS = 2;
const INTERRUPTS = 96;

interface Interrupt {
  readonly intid: number;
  edge: boolean;
  enabled: boolean;
  latch: boolean;
  line: boolean;
  active: boolean;
  group: number;
  priority: number;
  target: number;
}

interface Cpu {
  pmr: number;
  groups: [boolean, boolean];
  eoiMode: boolean;
  binaryPoint: number;
  /** Active group priorities with their group, oldest first. */
  stack: { priority: number; group: number }[];
  own: Interrupt[];
}

class Model {
  readonly spis: Interrupt[];
  readonly cpus: Cpu[];

  constructor() {
    const made = (intid: number, edge: boolean, enabled: boolean): Interrupt => ({
      intid,
      edge,
      enabled,
      latch: false,
      line: false,
      active: false,
      group: 1,
      priority: 0,
      target: 0,
    });
    this.spis = Array.from({ length: INTERRUPTS - 32 }, (_, n) => made(32 + n, true, n < 32));
    this.cpus = Array.from({ length: VCPUS }, () => ({
      pmr: 0xf0,
      groups: [false, true],
      eoiMode: false,
      binaryPoint: 3,
      stack: [],
      own: Array.from({ length: 32 }, (_, intid) => made(intid, intid < 16, true)),
    }));
  }

  find(cpu: number, intid: number): Interrupt {
    return intid < 32 ? this.cpus[cpu]!.own[intid]! : this.spis[intid - 32]!;
  }

  best(cpu: number): Interrupt | undefined {
    const { own, groups } = this.cpus[cpu]!;
    return [...own, ...this.spis.filter(({ target }) => target === cpu)]
      .filter(({ latch, line, edge }) => latch || (line && !edge))
      .filter(({ enabled, active, group }) => enabled && !active && groups[group])
      .toSorted((a, b) => a.priority - b.priority || a.intid - b.intid)[0];
  }

  groupPriority(cpu: number, { group, priority }: Interrupt): number {
    const shift = group === 1 ? this.cpus[cpu]!.binaryPoint : 3;
    return (priority >> shift) << shift;
  }

  running(cpu: number): number {
    return Math.min(0xff, ...this.cpus[cpu]!.stack.map(({ priority }) => priority));
  }

  /** What the vCPU would take now. */
  deliverable(cpu: number): Interrupt | undefined {
    const best = this.best(cpu);
    if (best === undefined || best.priority >= this.cpus[cpu]!.pmr) return undefined;
    return this.groupPriority(cpu, best) < this.running(cpu) ? best : undefined;
  }

  lines(cpu: number): number {
    const taken = this.deliverable(cpu);
    return taken === undefined ? 0 : taken.group === 1 ? 1 : 2;
  }

  acknowledge(cpu: number, group: number): number {
    const taken = this.deliverable(cpu);
    if (taken === undefined || taken.group !== group) return NONE;
    this.cpus[cpu]!.stack.push({ priority: this.groupPriority(cpu, taken), group });
    taken.latch = false;
    taken.active = true;
    return taken.intid;
  }

  end(cpu: number, intid: number, group: number): void {
    const state = this.cpus[cpu]!;
    const highest = state.stack.findLastIndex(({ priority }) => priority === this.running(cpu));
    if (highest < 0) return;
    state.stack.splice(highest, 1);
    const ended = this.find(cpu, intid);
    if (!state.eoiMode && ended.group === group) ended.active = false;
  }
}

const cpu = fc.nat(VCPUS - 1);
const spi = fc.integer({ min: 32, max: INTERRUPTS - 1 });
const intid = fc.integer({ min: 0, max: INTERRUPTS - 1 });
const bit = fc.boolean();
const step = fc.oneof(
  fc.record({ kind: fc.constant('spi' as const), intid: spi, level: bit }),
  fc.record({ kind: fc.constant('ppi' as const), cpu, intid: fc.integer({ min: 16, max: 31 }), level: bit }),
  fc.record({ kind: fc.constant('sgi' as const), cpu, intid: fc.nat(15), list: fc.nat(3) }),
  fc.record({ kind: fc.constant('enable' as const), cpu, intid, level: bit }),
  fc.record({ kind: fc.constant('pend' as const), cpu, intid, level: bit }),
  fc.record({ kind: fc.constant('edge' as const), intid: spi, level: bit }),
  fc.record({ kind: fc.constant('group' as const), cpu, intid, level: bit }),
  fc.record({ kind: fc.constant('priority' as const), cpu, intid, value: fc.nat(0xff) }),
  fc.record({ kind: fc.constant('route' as const), intid: spi, cpu: fc.nat(VCPUS) }),
  fc.record({ kind: fc.constant('mask' as const), cpu, value: fc.nat(0xff) }),
  fc.record({ kind: fc.constant('groups' as const), cpu, group: fc.nat(1), level: bit }),
  fc.record({ kind: fc.constant('mode' as const), cpu, level: bit }),
  fc.record({ kind: fc.constant('point' as const), cpu, value: fc.nat(7) }),
  fc.record({ kind: fc.constant('take' as const), cpu, group: fc.nat(1) }),
  fc.record({ kind: fc.constant('end' as const), cpu, group: fc.nat(1), nth: fc.nat(3) }),
  fc.record({ kind: fc.constant('deactivate' as const), cpu, nth: fc.nat(3) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Pair {
  readonly gic = guestGic([0, 1], INTERRUPTS);
  readonly model = new Model();
  /** INTIDs taken and not yet forgotten, by vCPU. */
  readonly taken: number[][] = [[], []];
  lastTaken = NONE;
  lastExpected = NONE;

  constructor() {
    enableAll(this.gic);
  }

  get vcpus(): readonly [Block, Block] {
    return this.gic.vcpus as [Block, Block];
  }

  frame(at: number, id: number): number {
    return id < 32 ? sgiFrame(at) : GICD;
  }

  bits(at: number, id: number, register: number): void {
    const low = id < 32 ? 0 : (id >> 5) * 4;
    this.gic.store(this.vcpus[0], this.frame(at, id) + register + low, 2 ** (id & 31));
  }

  apply(each: Step): void {
    const { gic, model } = this;
    switch (each.kind) {
      case 'spi': {
        const known = model.find(0, each.intid);
        setSpi(gic.vm, each.intid, each.level, gic.host);
        if (!known.edge) known.line = each.level;
        else if (each.level) known.latch = true;
        break;
      }
      case 'ppi':
        setPpi(this.vcpus[each.cpu]!, each.intid, each.level, gic.host);
        model.find(each.cpu, each.intid).line = each.level;
        break;
      case 'sgi':
        gic.msr(this.vcpus[each.cpu]!, 'ICC_SGI1R_EL1', (each.intid << 24) | each.list);
        for (let at = 0; at < VCPUS; at++) if ((each.list >> at) & 1) model.find(at, each.intid).latch = true;
        break;
      case 'enable':
        this.bits(each.cpu, each.intid, each.level ? 0x100 : 0x180);
        model.find(each.cpu, each.intid).enabled = each.level;
        break;
      case 'pend':
        this.bits(each.cpu, each.intid, each.level ? 0x200 : 0x280);
        model.find(each.cpu, each.intid).latch = each.level;
        break;
      case 'edge': {
        const at = GICD + 0xc00 + (each.intid >> 4) * 4;
        const mask = 2 ** (2 * (each.intid & 15) + 1);
        const before = Number(gic.load(this.vcpus[0], at));
        const rest = before - (Math.floor(before / mask) % 2) * mask;
        gic.store(this.vcpus[0], at, each.level ? rest + mask : rest);
        model.find(0, each.intid).edge = each.level;
        break;
      }
      case 'group': {
        const at = this.frame(each.cpu, each.intid) + 0x80 + (each.intid < 32 ? 0 : (each.intid >> 5) * 4);
        const mask = 1n << BigInt(each.intid & 31);
        const before = gic.load(this.vcpus[0], at);
        gic.store(this.vcpus[0], at, Number(each.level ? before | mask : before & ~mask));
        model.find(each.cpu, each.intid).group = each.level ? 1 : 0;
        break;
      }
      case 'priority':
        gic.store(this.vcpus[0], this.frame(each.cpu, each.intid) + 0x400 + each.intid, each.value, 1);
        model.find(each.cpu, each.intid).priority = each.value & 0xf8;
        break;
      case 'route':
        gic.store(this.vcpus[0], GICD + 0x6000 + each.intid * 8, each.cpu, 8);
        model.find(0, each.intid).target = each.cpu;
        break;
      default:
        this.applyToCpu(each);
    }
  }

  applyToCpu(
    each: Extract<Step, { kind: 'mask' | 'groups' | 'mode' | 'point' | 'take' | 'end' | 'deactivate' }>,
  ): void {
    const { gic, model } = this;
    const vcpu = this.vcpus[each.cpu]!;
    const state = model.cpus[each.cpu]!;
    const taken = this.taken[each.cpu]!;
    switch (each.kind) {
      case 'mask':
        gic.msr(vcpu, 'ICC_PMR_EL1', each.value);
        state.pmr = each.value & 0xf8;
        break;
      case 'groups':
        gic.msr(vcpu, each.group === 1 ? 'ICC_IGRPEN1_EL1' : 'ICC_IGRPEN0_EL1', each.level ? 1 : 0);
        state.groups[each.group] = each.level;
        break;
      case 'mode':
        gic.msr(vcpu, 'ICC_CTLR_EL1', each.level ? 2 : 0);
        state.eoiMode = each.level;
        break;
      case 'point':
        gic.msr(vcpu, 'ICC_BPR1_EL1', each.value);
        state.binaryPoint = Math.max(each.value, 3);
        break;
      case 'take': {
        const id = gic.mrs(vcpu, each.group === 1 ? 'ICC_IAR1_EL1' : 'ICC_IAR0_EL1');
        this.lastTaken = id;
        this.lastExpected = model.acknowledge(each.cpu, each.group);
        if (id !== NONE) taken.push(id);
        break;
      }
      case 'end': {
        const id = taken.at(-1 - each.nth) ?? 40;
        gic.msr(vcpu, each.group === 1 ? 'ICC_EOIR1_EL1' : 'ICC_EOIR0_EL1', id);
        model.end(each.cpu, id, each.group);
        break;
      }
      case 'deactivate': {
        const id = taken.at(-1 - each.nth) ?? 40;
        gic.msr(vcpu, 'ICC_DIR_EL1', id);
        if (state.eoiMode) model.find(each.cpu, id).active = false;
        break;
      }
    }
  }

  /** Everything a guest can see of what comes next. */
  observe(): unknown {
    const cpus = this.vcpus.map((vcpu) => ({
      lines: this.gic.lines(vcpu),
      running: this.gic.mrs(vcpu, 'ICC_RPR_EL1'),
      pending: [this.gic.mrs(vcpu, 'ICC_HPPIR0_EL1'), this.gic.mrs(vcpu, 'ICC_HPPIR1_EL1')],
    }));
    return { taken: this.lastTaken, cpus };
  }

  expected(): unknown {
    const cpus = this.vcpus.map((_, at) => {
      const best = this.model.best(at);
      const of = (group: number): number => (best?.group === group ? best.intid : NONE);
      return { lines: this.model.lines(at), running: this.model.running(at), pending: [of(0), of(1)] };
    });
    return { taken: this.lastExpected, cpus };
  }
}

test('random traffic is signalled, taken and ended as the model says', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
      const pair = new Pair();
      for (const each of steps) {
        pair.apply(each);
        expect(pair.observe()).toEqual(pair.expected());
      }
    }),
    { numRuns: 300 },
  );
});
