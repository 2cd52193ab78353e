/**
 * HVC and SMC arrive here: first the filter decides whose the call is, then for PSCI its owner, for other services the
 * firmware bitmaps whether the guest has it; then its handler runs. The order is that of arch/arm64/kvm/hypercalls.c.
 */
import {
  KVM_HYPERCALL_EXIT_SMC,
  KVM_SMCCC_FILTER_DENY,
  KVM_SMCCC_FILTER_FWD_TO_USER,
  SMCCC_RET_NOT_SUPPORTED,
  SMCCC_RET_SUCCESS,
} from '@vkvm/uapi';

import type { Host } from '../host.ts';
import { psciCall } from '../psci/call.ts';
import { beginPsci } from '../psci/exit.ts';
import type { CallOutcome } from '../psci/handler.ts';
import { isPsci } from '../psci/ids.ts';
import { isUserPsci, ownsPsci } from '../psci/owner.ts';
import type { Block } from '../state/block.ts';
import { argumentLow, setResult, setResults } from '../state/call-registers.ts';
import { exitHypercall } from '../state/exit.ts';
import { holds, releases } from '../state/profile.ts';
import type { Releases } from '../state/profile.ts';
import { X } from '../state/vcpu-state.ts';
import { archServices, isWorkaround } from './arch.ts';
import { filterAction, hasFilter } from './filter.ts';
import { bitmapOf } from './firmware-regs.ts';
import { pvtimeServices } from './pvtime.ts';
import type { SmcccService } from './service.ts';
import { trngServices } from './trng.ts';
import { vendorServices } from './vendor.ts';

/** A service and the profiles that have it. */
type Placed = SmcccService & { readonly releases: Releases };

/** Function ids of 32 bits as signed numbers, which are cheaper keys. */
const services = new Map<number, Placed>(
  [...archServices, ...pvtimeServices, ...trngServices, ...vendorServices].map((each) => [
    each.id | 0,
    { ...each, releases: releases(each) },
  ]),
);

const isAvailable = (vcpu: Block, { bitmap, bit = 0, releases: range }: Placed): boolean =>
  holds(vcpu, range) && (bitmap === undefined || ((bitmapOf(vcpu, bitmap) >> BigInt(bit)) & 1n) !== 0n);

/** An SMC of the guest is not a call: the pc goes on with -1 in x0. Before PSCI 0.2 it is as good as HVC. */
const SMC_NOT_SERVED = releases({ since: '3.16', until: '6.4' });

/** An SMC with an immediate is not a call. */
const IMMEDIATE_COUNTS = releases({ since: '6.4' });
/** A call that nobody serves is an undefined instruction. Later it is answered. */
const UNKNOWN_IS_UNDEFINED = releases({ until: '4.16' });
/** Calls of a workaround by HVC are answered. */
const HAS_WORKAROUNDS = releases({ since: '4.16' });

function serve(vcpu: Block, smc: boolean, host: Host): CallOutcome {
  const id = argumentLow(vcpu, 0);
  if (isPsci(id)) {
    if (!isUserPsci(vcpu)) return psciCall(vcpu, host);
    beginPsci(vcpu, smc);
    return 'exit';
  }
  const service = services.get(id | 0);
  if (service !== undefined && isAvailable(vcpu, service)) service.handle(vcpu, host);
  else if (holds(vcpu, UNKNOWN_IS_UNDEFINED)) return 'undefined';
  else setResults(vcpu, SMCCC_RET_NOT_SUPPORTED);
  return 'resume';
}

/** Whether what {@link smccc} does with every PSCI call by HVC of a VM is to serve it. */
export const servesPsci = (vm: Block): boolean => ownsPsci(vm) && !hasFilter(vm);

/**
 * Serves an HVC or SMC of a vCPU. The pc is already after the instruction. The function id stays in x0, where everybody
 * reads it: a number above 2³¹ costs an allocation wherever it is passed on.
 * @param immediate - of the instruction: HVC's is ignored, an SMC's must be 0 since Linux 6.4
 */
export function smccc(vcpu: Block, smc: boolean, immediate: number, host: Host): CallOutcome {
  if (smc && (holds(vcpu, SMC_NOT_SERVED) || (immediate !== 0 && holds(vcpu, IMMEDIATE_COUNTS)))) {
    setResult(vcpu, SMCCC_RET_NOT_SUPPORTED);
    return 'resume';
  }
  if (!smc && isWorkaround(argumentLow(vcpu, 0)) && holds(vcpu, HAS_WORKAROUNDS)) {
    setResult(vcpu, SMCCC_RET_SUCCESS);
    vcpu.set64(X + 8, 0n);
    return 'resume';
  }
  switch (filterAction(vcpu)) {
    case KVM_SMCCC_FILTER_DENY:
      setResults(vcpu, SMCCC_RET_NOT_SUPPORTED);
      return 'resume';
    case KVM_SMCCC_FILTER_FWD_TO_USER:
      exitHypercall(vcpu, argumentLow(vcpu, 0), smc ? KVM_HYPERCALL_EXIT_SMC : 0);
      return 'exit';
    default:
      return serve(vcpu, smc, host);
  }
}
