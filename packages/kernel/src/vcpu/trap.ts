/** Why guest code was left → what happens now. */
import { EFAULT, ENOSYS } from '@vkvm/uapi';

import {
  LEAVE_BUDGET,
  LEAVE_ERET,
  LEAVE_EXCEPTION,
  LEAVE_INTERRUPT,
  LEAVE_MMIO,
  LEAVE_NO_SYNDROME,
  LEAVE_PORT,
  LEAVE_UNDEFINED,
  LEAVE_WFE,
  LEAVE_WFI,
} from '../interp/leave.ts';
import type { Leave } from '../interp/leave.ts';
import { ACCESS_WRITE } from '../mmu/access.ts';
import { endCounting } from '../pmu/counters.ts';
import { VCPU_ID, WAITING } from '../state/control.ts';
import { INSTRUCTIONS, add } from '../state/engine-stats.ts';
import { exitNisv } from '../state/exit.ts';
import { WFE_EXITS, WFI_EXITS, count } from '../state/stats.ts';
import { ACCESS, FAULT_PA, PC, SCRATCH } from '../state/vcpu-state.ts';
import { NISV_TO_USER } from '../state/vm-control.ts';
import { passTime } from '../timer/clock.ts';
import {
  ESR_UNDEFINED,
  raise,
  raiseExternalAbort,
  returnFromException,
  takeSynchronous,
} from './exception.ts';
import { PORT_AGAIN, PORT_EXCEPTION, PORT_EXIT, PORT_EXTERNAL_ABORT } from './port.ts';
import { NOWHERE_ABORT, NOWHERE_FAULT, NOWHERE_USER, describeWord, nowhere } from './traps.ts';
import type { Vcpu } from './vcpu.ts';

/** KVM_RUN goes on. */
export const GO_ON = 1;

type Handler = (vcpu: Vcpu) => number;

/** ISS of an access that is not described: a translation fault of level 1, and whether it was a store. */
const ISS_TRANSLATION_FAULT = 0x05;
const ISS_WNR = 1 << 6;

const portLeft: Handler = ({ block, engine, traps }) => {
  switch (traps.action) {
    case PORT_AGAIN:
      return GO_ON;
    case PORT_EXIT:
      return traps.result;
    case PORT_EXCEPTION:
      takeSynchronous(block, engine);
      return GO_ON;
    case PORT_EXTERNAL_ABORT:
      raiseExternalAbort(block, engine);
      return GO_ON;
  }
};

/** The guest's access has no syndrome to tell user space of. Nothing has changed, and the pc is at it. */
const noSyndrome: Handler = ({ block, vm, engine }) => {
  const gpa = block.getNumber(FAULT_PA);
  const write = (block.get32(ACCESS) & ACCESS_WRITE) !== 0;
  switch (nowhere(vm, gpa, write)) {
    case NOWHERE_ABORT:
      raiseExternalAbort(block, engine);
      return GO_ON;
    case NOWHERE_FAULT:
      return -EFAULT;
    case NOWHERE_USER:
      if (vm.get32(NISV_TO_USER) === 0) return -ENOSYS;
      exitNisv(block, ISS_TRANSLATION_FAULT | (write ? ISS_WNR : 0), gpa);
      return 0;
  }
};

/** Words with 16 leading zeros are UDF, which means to be undefined. */
const UDF_BITS = 16;

const undefinedWord: Handler = ({ block, engine, thread }) => {
  const word = block.get32(SCRATCH);
  if (word >>> UDF_BITS !== 0) thread.reportOnce(describeWord(word, block.get64(PC)));
  raise(block, ESR_UNDEFINED, engine);
  return GO_ON;
};

const goOn: Handler = () => GO_ON;

const waitFor =
  (isWfe: boolean): Handler =>
  ({ block, thread }) => {
    thread.trace?.kvm_wfx_arm64?.(block.get32(VCPU_ID), isWfe);
    count(block, isWfe ? WFE_EXITS : WFI_EXITS);
    if (!isWfe) block.set32(WAITING, 1);
    return GO_ON;
  };

const HANDLERS: Readonly<Record<Leave, Handler>> = {
  [LEAVE_BUDGET]: goOn,
  [LEAVE_EXCEPTION]({ block, engine }) {
    takeSynchronous(block, engine);
    return GO_ON;
  },
  [LEAVE_PORT]: portLeft,
  [LEAVE_WFI]: waitFor(false),
  [LEAVE_WFE]: waitFor(true),
  [LEAVE_ERET]({ block, engine }) {
    returnFromException(block, engine);
    return GO_ON;
  },
  [LEAVE_NO_SYNDROME]: noSyndrome,
  [LEAVE_INTERRUPT]: goOn,
  [LEAVE_UNDEFINED]: undefinedWord,
  [LEAVE_MMIO]: () => 0,
};

/** Instructions that complete on the way out of guest code, beyond those that the engine has counted. */
function completedByLeave({ traps }: Vcpu, leave: Leave): number {
  if (leave === LEAVE_ERET) return 1;
  return leave === LEAVE_PORT ? traps.uncounted : 0;
}

/** Guest code was left: what it has retired counts. @param level - the exception level it ran at */
export function countRetired(vcpu: Vcpu, level: number, leave: Leave): void {
  const { block, engine } = vcpu;
  const completed = completedByLeave(vcpu, leave);
  const retired = engine.retired + completed;
  endCounting(block, level, retired);
  passTime(block, retired);
  if (completed !== 0) add(block, INSTRUCTIONS, completed);
}

/** @returns {@link GO_ON}, or what KVM_RUN answers */
export const handleLeave = (vcpu: Vcpu, leave: Leave): number => HANDLERS[leave](vcpu);
