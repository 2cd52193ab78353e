/** What may change code while somebody waits in it: all that compiled code has to notice. */
import type { FlatMachine } from './flat-machine.ts';
import { PageTables, READ_ONLY } from './page-tables.ts';

export interface CodeChange {
  readonly change: string;
  readonly make: (machine: FlatMachine) => void;
}

/**
 * @param at - an address of a page that is mapped to itself; at the other, too
 * @param instruction - what lies there afterwards
 * @param other - a page that has it there
 */
export function codeChanges(at: number, instruction: number, other: number): readonly CodeChange[] {
  const remap = (machine: FlatMachine): void =>
    new PageTables(machine).map(BigInt(at - (at % 0x1000)), other, READ_ONLY);
  return [
    { change: 'IC of its instruction', make: (machine) => machine.place(at, [instruction]) },
    {
      change: 'IC of everything',
      make(machine) {
        machine.words.set32(machine.userOf(at), instruction);
        machine.engine.flushCode();
      },
    },
    {
      change: 'TLBI of its page',
      make(machine) {
        remap(machine);
        machine.engine.flushTlbVa(BigInt(at));
      },
    },
    {
      change: 'TLBI of everything',
      make(machine) {
        remap(machine);
        machine.engine.flushTlb();
      },
    },
  ];
}
