/** The system registers of all layers below, in one table. */
import { CPU_SYSREGS, SysregTable } from '../sysreg/table.ts';
import { gicSysregs } from '../sysreg/gic.ts';
import { pmuSysregs } from '../sysreg/pmu.ts';
import { timerSysregs } from '../sysreg/timer.ts';

/** Constant: rows and the places of their storage. */
export const SYSREG_TABLE = new SysregTable([...CPU_SYSREGS, ...gicSysregs, ...pmuSysregs, ...timerSysregs]);
