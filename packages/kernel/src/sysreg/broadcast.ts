/**
 * Maintenance that reaches all vCPUs: the others drop what is asked before they run another guest instruction, and the
 * caller goes on only then. Stronger than the architecture asks, which lets the caller go on until its DSB.
 */
import { Block } from '../state/block.ts';
import { IN_GUEST, REQUESTS } from '../state/control.ts';
import { REQUEST_FLUSH_ALL, REQUEST_FLUSH_CODE, REQUEST_FLUSH_TLB, request } from '../state/requests.ts';
import { VCPU_COUNT, VCPU_TABLE } from '../state/vm-state.ts';
import { VM_BLOCK } from '../state/vcpu-state.ts';
import type { SysregEnv } from './row.ts';

/** Requests that this thread serves while it waits: two vCPUs may wait for one another. */
const SERVED = REQUEST_FLUSH_ALL | REQUEST_FLUSH_TLB | REQUEST_FLUSH_CODE;

export function broadcast(vcpu: Block, bits: number, env: SysregEnv): void {
  const { words } = vcpu;
  const vm = vcpu.get32(VM_BLOCK);
  const count = words.get32(vm + VCPU_COUNT);
  if (count === 1) return;
  const others: Block[] = [];
  for (let n = 0; n < count; n++) {
    const base = words.get32(vm + VCPU_TABLE + 4 * n);
    if (base === vcpu.base) continue;
    const other = new Block(words, base);
    request(other, bits, env.host);
    others.push(other);
  }
  for (const other of others) {
    while (isInGuest(other) && (requestsOf(other) & bits) !== 0) serveOwn(vcpu, env);
  }
}

const isInGuest = ({ words, base }: Block): boolean => Atomics.load(words.i32, (base + IN_GUEST) >>> 2) !== 0;
const requestsOf = ({ words, base }: Block): number => Atomics.load(words.i32, (base + REQUESTS) >>> 2);

function serveOwn(vcpu: Block, { engine }: SysregEnv): void {
  const bits = Atomics.and(vcpu.words.i32, (vcpu.base + REQUESTS) >>> 2, ~SERVED) & SERVED;
  if (bits === 0) return;
  if ((bits & (REQUEST_FLUSH_ALL | REQUEST_FLUSH_TLB)) !== 0) engine.flushTlb();
  if ((bits & (REQUEST_FLUSH_ALL | REQUEST_FLUSH_CODE)) !== 0) engine.flushCode();
}
