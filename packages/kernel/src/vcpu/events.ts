/** KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS: SError, and external aborts that user space injects. */
import { EINVAL } from '@vkvm/uapi';

import type { Host } from '../host.ts';
import type { Block } from '../state/block.ts';
import { MMIO_NEEDED, SERROR_PENDING, SERROR_SYNDROME } from '../state/control.ts';
import { REQUEST_LOOK, REQUEST_RELOAD, request } from '../state/requests.ts';
import { INTERRUPT_LINES } from '../state/vcpu-state.ts';
import { injectExternalAbort } from './exception.ts';

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

/**
 * Makes an SError pending, takes an external abort of the last access. An SError that is pending stays so.
 * @returns 0, or -EINVAL for a syndrome beyond the ISS
 */
export function injectEvents(vcpu: Block, events: InjectedEvents, host: Host): number {
  if (events.externalAbort) {
    // The abort wins over the MMIO access that user space was asked for.
    vcpu.set32(MMIO_NEEDED, 0);
    injectExternalAbort(vcpu, { contextChanged: () => request(vcpu, REQUEST_RELOAD, host) });
  }
  if (!events.serrorPending) return 0;
  if (events.hasSyndrome && (events.serrorSyndrome & ~ISS_MASK) !== 0n) return -EINVAL;
  vcpu.set64(SERROR_SYNDROME, events.hasSyndrome ? events.serrorSyndrome : BigInt(ISS_NONE));
  vcpu.set32(SERROR_PENDING, 1);
  Atomics.or(vcpu.words.i32, (vcpu.base + INTERRUPT_LINES) >>> 2, SERROR_LINE);
  request(vcpu, REQUEST_LOOK, host);
  return 0;
}
