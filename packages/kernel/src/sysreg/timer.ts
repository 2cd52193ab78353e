/** The generic timer as system registers: EL0 reaches what CNTKCTL_EL1 opens to it. Source: Arm DDI 0487, D19.12. */
import { SYSREGS } from '@vkvm/uapi';

import type { Block } from '../state/block.ts';
import { releases } from '../state/profile.ts';
import { CNTKCTL_EL1, EL } from '../state/vcpu-state.ts';
import {
  COUNTER_FREQUENCY,
  PHYSICAL,
  VIRTUAL,
  compareValueAt,
  readControl,
  readCounter,
  readTimerValue,
  userCompareValue,
  userControl,
  userCounter,
  writeCompareValue,
  writeControl,
  writeTimerValue,
} from '../timer/arch-timer.ts';
import type { Timer } from '../timer/arch-timer.ts';
import { monotonicTime } from '../timer/clock.ts';
import { SYSREG_DONE, SYSREG_LEAVE, SYSREG_TRAP, untrapped } from './row.ts';
import type { SysregEnv, SysregRow, SysregUserAccess } from './row.ts';

/** CNTKCTL_EL1: what EL0 may use. */
const EL0PCTEN = 1 << 0;
const EL0VCTEN = 1 << 1;
const EL0VTEN = 1 << 8;
const EL0PTEN = 1 << 9;

const denied = (vcpu: Block, enables: number): boolean =>
  vcpu.get32(EL) === 0 && (vcpu.get32(CNTKCTL_EL1) & enables) === 0;

type Read = (vcpu: Block, to: number, env: SysregEnv) => void;
type Write = (vcpu: Block, from: number, env: SysregEnv) => void;

/** A register that EL0 may use if one of `enables` is set. */
function gated(
  name: keyof typeof SYSREGS,
  enables: number,
  read: Read,
  write?: Write,
  user?: SysregUserAccess,
): SysregRow {
  return {
    name,
    key: SYSREGS[name],
    readEl: 0,
    read(vcpu, to, env) {
      if (denied(vcpu, enables)) return SYSREG_TRAP;
      read(vcpu, to, env);
      return SYSREG_DONE;
    },
    ...(write === undefined
      ? {}
      : {
          writeEl: 0,
          write(vcpu, from, env) {
            if (denied(vcpu, enables)) return SYSREG_TRAP;
            write(vcpu, from, env);
            return SYSREG_LEAVE; // an interrupt may be due, or due earlier than the run loop knows
          },
        }),
    ...(user === undefined ? {} : { user }),
  };
}

const word = (vcpu: Block, to: number, value: number): void => {
  vcpu.set32(to, value);
  vcpu.set32(to + 4, 0);
};

const counter =
  (timer: Timer): Read =>
  (vcpu, to, { host }) =>
    readCounter(vcpu, timer, monotonicTime(vcpu, host), vcpu.base + to);

/** CTL, CVAL and TVAL of one timer. @param cvalKey - under which user space knows CVAL */
function timerRows(prefix: 'CNTV' | 'CNTP', timer: Timer, enables: number, cvalKey: number): SysregRow[] {
  return [
    gated(
      `${prefix}_CTL_EL0`,
      enables,
      (vcpu, to, { host }) => word(vcpu, to, readControl(vcpu, timer, monotonicTime(vcpu, host))),
      (vcpu, from, { host }) => writeControl(vcpu, timer, vcpu.get32(from), host),
      userControl(timer),
    ),
    gated(
      `${prefix}_CVAL_EL0`,
      enables,
      (vcpu, to) => {
        const at = compareValueAt(vcpu, timer);
        vcpu.set32(to, vcpu.words.get32(at));
        vcpu.set32(to + 4, vcpu.words.get32(at + 4));
      },
      (vcpu, from, { host }) => writeCompareValue(vcpu, timer, vcpu.get32(from), vcpu.get32(from + 4), host),
      { ...userCompareValue(timer), key: cvalKey },
    ),
    gated(
      `${prefix}_TVAL_EL0`,
      enables,
      (vcpu, to, { host }) => word(vcpu, to, readTimerValue(vcpu, timer, monotonicTime(vcpu, host))),
      (vcpu, from, { host }) => writeTimerValue(vcpu, timer, vcpu.get32(from) | 0, host),
    ),
  ];
}

/** The physical timer can be saved and restored. */
const PHYSICAL_FOR_USER = releases({ since: '6.4' });

/**
 * Of the virtual timer, user space knows the counter by the compare value's encoding and the reverse: a lasting slip. The
 * guest of a host with VHE has both timers to itself.
 */
export const timerSysregs: readonly SysregRow[] = [
  gated('CNTFRQ_EL0', EL0PCTEN | EL0VCTEN, (vcpu, to) => word(vcpu, to, COUNTER_FREQUENCY)),
  {
    ...gated('CNTPCT_EL0', EL0PCTEN, counter(PHYSICAL), undefined, userCounter(PHYSICAL)),
    userReleases: PHYSICAL_FOR_USER,
  },
  gated('CNTVCT_EL0', EL0VCTEN, counter(VIRTUAL), undefined, {
    ...userCounter(VIRTUAL),
    key: SYSREGS.CNTV_CVAL_EL0,
  }),
  ...timerRows('CNTP', PHYSICAL, EL0PTEN, SYSREGS.CNTP_CVAL_EL0).map((row) => ({
    ...row,
    userReleases: PHYSICAL_FOR_USER,
  })),
  ...timerRows('CNTV', VIRTUAL, EL0VTEN, SYSREGS.CNTVCT_EL0),
].map(untrapped);
