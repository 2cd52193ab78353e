/**
 * The ledger: everything this package publishes, as plain JSON. `abi/rN.json` freezes the ledger of ABI revision N;
 * a later table contains every older ledger unchanged.
 *
 * Pads and reserved words are left out: a later revision may give them a meaning, together with a capability.
 */

// By name: the bundle then has an object of all exports only where the ledger is asked for.
import * as uapi from '@vkvm/uapi';
import type { Struct } from './layout.ts';

/** A number of the ledger: as it is below 10 000, else as a string in hex. */
export type LedgerNumber = number | string;

/** What a revision published, by section and name. */
export interface Ledger {
  readonly revision: number;
  /** Members of `Syscalls` and their signatures. */
  readonly syscalls: Readonly<Record<string, string>>;
  /** Exported numbers. */
  readonly numbers: Readonly<Record<string, LedgerNumber>>;
  /** Requests: who takes them, and with what. */
  readonly ioctls: Readonly<
    Record<
      string,
      {
        readonly number: LedgerNumber;
        readonly files: readonly string[];
        readonly argument: string;
        readonly direction: string;
      }
    >
  >;
  /** Structs: size, and offset and type of each field. */
  readonly structs: Readonly<
    Record<string, { readonly size: number; readonly fields: Readonly<Record<string, string>> }>
  >;
  readonly coreRegs: Readonly<Record<string, LedgerNumber>>;
  readonly sysregs: Readonly<Record<string, LedgerNumber>>;
  readonly sysops: Readonly<Record<string, LedgerNumber>>;
  /** PSCI functions: the version that brought them, and their ids. */
  readonly psci: Readonly<Record<string, Readonly<Record<string, LedgerNumber>>>>;
}

/** A difference between two ledgers. `older` is absent where something came, `newer` where something went. */
export interface LedgerChange {
  /** Where in the ledger, such as `structs.kvm_run.fields.flags`. */
  readonly path: string;
  readonly older?: string;
  readonly newer?: string;
}

const SYSCALLS: Readonly<Record<keyof uapi.Syscalls, string>> = {
  open: "(path: '/dev/kvm') => number",
  close: '(fd: number) => number',
  ioctl: '(fd: number, request: number, arg?: number) => number',
  mmap: '(fd: number, length: number, prot: number, offset: number) => number',
  munmap: '(address: number, length: number) => number',
  eventfd: '(initial: number, flags: number) => number',
  read: '(fd: number, address: number, length: number) => number',
  write: '(fd: number, address: number, length: number) => number',
};

const PAD = /^(?:pad|padding|reserved)\d*$/;

const number = (value: number | bigint): LedgerNumber => {
  if (typeof value === 'number' && Math.abs(value) < 10_000) return value;
  return `0x${value.toString(16)}`;
};

const numbers = (table: Readonly<Record<string, unknown>>): Record<string, LedgerNumber> =>
  Object.fromEntries(
    Object.entries(table).flatMap(([name, value]) =>
      typeof value === 'number' || typeof value === 'bigint' ? [[name, number(value)]] : [],
    ),
  );

const isStruct = (value: unknown): value is Struct =>
  typeof value === 'object' && value !== null && 'offsets' in value && 'fields' in value;

const structs = (): Ledger['structs'] =>
  Object.fromEntries(
    Object.values<unknown>(uapi)
      .filter(isStruct)
      .map(({ name, size, fields }) => [
        name,
        {
          size,
          fields: Object.fromEntries(
            Object.entries(fields)
              .filter(([field]) => !PAD.test(field))
              .map(([field, { offset, type }]) => [field, `${offset} ${type}`]),
          ),
        },
      ]),
  );

/** Prints today's tables as a ledger. */
export const createLedger = (): Ledger => {
  const { ABI_REVISION, ...exported } = uapi;
  return {
    revision: ABI_REVISION,
    syscalls: SYSCALLS,
    numbers: numbers(exported),
    ioctls: Object.fromEntries(
      uapi.IOCTLS.map(({ name, number: value, files, argument, direction }) => [
        name,
        {
          number: number(value),
          files,
          argument: typeof argument === 'string' ? argument : argument.name,
          direction,
        },
      ]),
    ),
    structs: structs(),
    coreRegs: numbers(uapi.CORE_REGS),
    sysregs: numbers(uapi.SYSREGS),
    sysops: numbers(uapi.SYSOPS),
    psci: Object.fromEntries([
      ...uapi.PSCI_FUNCTIONS.map(({ name, ...ids }) => [name, numbers({ ...ids })]),
      ...uapi.PSCI_0_1_FUNCTIONS.map(({ name, id }) => [`0.1 ${name}`, numbers({ id })]),
    ]),
  };
};

const leaves = (value: unknown, path: string): [path: string, leaf: string][] =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.entries(value).flatMap(([key, member]) => leaves(member, path === '' ? key : `${path}.${key}`))
    : [[path, JSON.stringify(value)]];

/** Lists what differs between two ledgers, apart from their revisions, in the order of the older one. */
export const diffLedgers = (older: Ledger, newer: Ledger): LedgerChange[] => {
  const before = new Map(leaves({ ...older, revision: {} }, ''));
  const after = new Map(leaves({ ...newer, revision: {} }, ''));
  const changes: LedgerChange[] = [];
  for (const [path, leaf] of before) {
    const now = after.get(path);
    if (now === undefined) changes.push({ path, older: leaf });
    else if (now !== leaf) changes.push({ path, older: leaf, newer: now });
  }
  for (const [path, leaf] of after) if (!before.has(path)) changes.push({ path, newer: leaf });
  return changes;
};

/** Lists what of an older ledger a newer one lacks or has changed: an empty list means that it may follow. */
export const brokenBy = (older: Ledger, newer: Ledger): LedgerChange[] =>
  diffLedgers(older, newer).filter((change) => change.older !== undefined);
