/** KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS: SError, and external aborts that user space injects. */
import { EINVAL } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { MMIO_NEEDED, SERROR_PENDING, SERROR_SYNDROME } from '../state/control.ts';
import { holds, releases } from '../state/profile.ts';
import { REQUEST_LOOK, REQUEST_RELOAD, request } from '../state/requests.ts';
import { DAIF, INTERRUPT_LINES } from '../state/vcpu-state.ts';
import { injectExternalAbort, injectSerror } from './exception.ts';
import { PSTATE_A } from './pstate.ts';

const SERROR_LINE = 4;
const ISS_MASK = 0x1ff_ffffn;
/** Syndrome of an SError for which user space gives none: implementation defined, nothing known. */
const ISS_NONE = 0x100_0000;

export interface Events {
  readonly serrorPending: boolean;
  /** ISS of the SError. */
  readonly serrorSyndrome: bigint;
}

export function getEvents(vcpu: Block): Events {
  const serrorPending = vcpu.get32(SERROR_PENDING) !== 0;
  return { serrorPending, serrorSyndrome: serrorPending ? vcpu.get64(SERROR_SYNDROME) : 0n };
}

export interface InjectedEvents extends Events {
  readonly hasSyndrome: boolean;
  readonly externalAbort: boolean;
}

/** The abort comes before the SError, and whatever becomes of that. Before, a bad syndrome is the end of both. */
const ABORT_FIRST = releases({ since: '6.17' });
/** The abort wins over the MMIO access that user space was asked for. Before, that completes all the same. */
const ABORT_WINS = releases({ since: '6.1' });
/** An SError that is not masked is taken at once. Before, when the vCPU runs. */
const SERROR_AT_ONCE = releases({ since: '6.17' });

/**
 * Makes an SError pending, takes an external abort of the last access. An SError that is pending stays so.
 * @returns 0, or -EINVAL for a syndrome beyond the ISS
 */
export function injectEvents(vcpu: Block, events: InjectedEvents, host: Host): number {
  const listener = { contextChanged: () => request(vcpu, REQUEST_RELOAD, host) };
  const refused =
    events.serrorPending && events.hasSyndrome && (events.serrorSyndrome & ~ISS_MASK) !== 0n ? -EINVAL : 0;
  if (refused !== 0 && !holds(vcpu, ABORT_FIRST)) return refused;
  if (events.externalAbort) {
    if (holds(vcpu, ABORT_WINS)) vcpu.set32(MMIO_NEEDED, 0);
    injectExternalAbort(vcpu, listener);
  }
  if (refused !== 0 || !events.serrorPending) return refused;
  const syndrome = events.hasSyndrome ? events.serrorSyndrome : BigInt(ISS_NONE);
  if (holds(vcpu, SERROR_AT_ONCE) && (vcpu.get32(DAIF) & PSTATE_A) === 0) {
    vcpu.set32(MMIO_NEEDED, 0);
    injectSerror(vcpu, Number(syndrome), listener);
    return 0;
  }
  vcpu.set64(SERROR_SYNDROME, syndrome);
  vcpu.set32(SERROR_PENDING, 1);
  Atomics.or(vcpu.words.i32, (vcpu.base + INTERRUPT_LINES) >>> 2, SERROR_LINE);
  request(vcpu, REQUEST_LOOK, host);
  return 0;
}
