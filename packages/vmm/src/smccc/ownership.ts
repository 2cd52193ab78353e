/**
 * Who answers each PSCI function, and with which version: computed when a machine is set up, before its first KVM_RUN.
 * The kernel is as permissive as Linux; here is where two owners of a function, or none, are found.
 */
import { PSCI_NOT_SUPPORTED } from '@vkvm/uapi';
import type { PsciVersion } from '@vkvm/uapi';
import { AbiMismatchError } from '../kvm/error.ts';
import type { FunctionRange } from '../kvm/vm.ts';
import { PSCI_IDS, PSCI_RANGES, hasId, isAboutOneCpu } from './psci-ids.ts';
import type { PsciId } from './psci-ids.ts';

/** Every {@link PsciOwner}. */
export const PSCI_OWNERS = ['kernel', 'exit', 'user'] as const;

/** Who serves PSCI: `kernel`, as Linux does; `exit`, the kernel what is about one CPU; `user`, this VMM all of it. */
export type PsciOwner = (typeof PSCI_OWNERS)[number];

/** Functions with another owner than the machine's {@link PsciOwner} gives them. */
export interface PsciRoute extends FunctionRange {
  readonly to: 'kernel' | 'user';
}

/** Calls that the SMCCC filter takes from the kernel. */
export interface SmcccFilter extends FunctionRange {
  readonly action: 'deny' | 'forward';
}

/** How PSCI is set up. */
export interface PsciSetup {
  readonly owner: PsciOwner;
  readonly routes: readonly PsciRoute[];
  readonly filters: readonly SmcccFilter[];
  /** The version the kernel answers with. */
  readonly kernel: PsciVersion;
  /** The version this VMM answers with; undefined: it serves no calls. */
  readonly user: PsciVersion | undefined;
  /** Whether the kernel and this VMM see each other's power states: `KVM_CAP_MP_STATE`. */
  readonly mirrorsPower: boolean;
}

/** Where a call of a function ends. */
export type Answerer = 'kernel' | 'user' | 'nobody';

/** Says who owns a function id, and why. */
interface Claim {
  readonly by: string;
  readonly to: Answerer;
}

const includes = ({ base, count }: FunctionRange, id: number): boolean => id >= base && id < base + count;

/** What was said about an id in particular. */
function claimsOf({ routes, filters }: PsciSetup, id: number): Claim[] {
  return [
    ...filters
      .filter((range) => includes(range, id))
      .map(({ action }): Claim =>
        action === 'deny'
          ? { by: 'the SMCCC filter denies it', to: 'nobody' }
          : { by: 'the SMCCC filter forwards it to this VMM', to: 'user' },
      ),
    ...routes
      .filter((range) => includes(range, id))
      .map(({ to }): Claim => ({
        by: `a route gives it to ${to === 'user' ? 'this VMM' : 'the kernel'}`,
        to,
      })),
  ];
}

function ownerByModel(owner: PsciOwner, { name }: PsciId): Answerer {
  if (owner === 'exit') return isAboutOneCpu(name) ? 'kernel' : 'user';
  return owner;
}

const format = (version: PsciVersion): string => `${version >>> 16}.${version & 0xffff}`;
const describe = ({ name, id }: PsciId): string =>
  `${name.startsWith('PSCI_') ? '' : 'PSCI '}${name} (0x${id.toString(16)})`;

/** @throws {AbiMismatchError} the id has two owners */
function ownerOf(setup: PsciSetup, row: PsciId): Answerer {
  const claims = claimsOf(setup, row.id);
  const [first, second] = [claims[0], claims.find(({ to }) => to !== claims[0]?.to)];
  if (first && second) {
    throw new AbiMismatchError(
      `${describe(row)} has two owners: ${first.by}, and ${second.by}; leave one of the two away`,
    );
  }
  return first?.to ?? ownerByModel(setup.owner, row);
}

/** The function ids that are this VMM's by model and routes, as few ranges. */
export function userRanges({ owner, routes }: Pick<PsciSetup, 'owner' | 'routes'>): FunctionRange[] {
  const kept = new Set(PSCI_IDS.filter((row) => ownerByModel(owner, row) === 'kernel').map(({ id }) => id));
  const isOurs = (id: number): boolean => {
    const route = routes.find((range) => includes(range, id));
    return route ? route.to === 'user' : owner !== 'kernel' && !kept.has(id);
  };
  const ranges: { base: number; count: number }[] = [];
  for (const { base, count } of PSCI_RANGES) {
    for (let id = base; id < base + count; id += 1) {
      const last = ranges.at(-1);
      if (!isOurs(id)) continue;
      if (last && last.base + last.count === id) last.count += 1;
      else ranges.push({ base: id, count: 1 });
    }
  }
  return ranges;
}

/** The owner of every function id. @throws {AbiMismatchError} an id has two */
export function psciOwners(setup: PsciSetup): ReadonlyMap<PsciId, Answerer> {
  return new Map(PSCI_IDS.map((row) => [row, ownerOf(setup, row)]));
}

/**
 * Refuses a set-up in which the guest would get two answers, or none.
 *
 * @returns the version that the guest finds
 * @throws {AbiMismatchError} naming the function, both sides and the remedy: an id with two owners or none, owners of
 *   different versions, power functions split between owners that do not see each other's power states
 */
export function checkOwnership(setup: PsciSetup): PsciVersion {
  const owners = psciOwners(setup);
  const { kernel, user, mirrorsPower } = setup;
  const ownedBy = (who: Answerer): PsciId[] => PSCI_IDS.filter((row) => owners.get(row) === who);

  const [unserved] = ownedBy('user');
  if (unserved && user === undefined) {
    throw new AbiMismatchError(
      `${describe(unserved)} has no owner: the kernel sends it to this VMM, which serves no PSCI; let the kernel own it`,
    );
  }
  const [theirs] = ownedBy('kernel');
  const [ours] = ownedBy('user');
  if (theirs && ours && user !== kernel) {
    throw new AbiMismatchError(
      `the kernel answers ${describe(theirs)} as version ${format(kernel)}, this VMM ${describe(ours)} as ` +
        `version ${format(user as PsciVersion)}; choose one version that both have, or one owner`,
    );
  }
  const version = ours && !theirs ? (user as PsciVersion) : kernel;
  // What PSCI_FEATURES does not announce may be denied: nobody relies on it.
  const denied = ownedBy('nobody').find((row) => hasId(row, version) && row.features !== PSCI_NOT_SUPPORTED);
  if (denied) {
    throw new AbiMismatchError(
      `${describe(denied)} has no owner: the SMCCC filter denies it, yet PSCI ${format(version)} announces it; ` +
        `forward it to this VMM, or leave it to the kernel`,
    );
  }
  const power = PSCI_IDS.filter((row) => isAboutOneCpu(row.name) && hasId(row, version));
  const [kept, moved] = [
    power.find((row) => owners.get(row) === 'kernel'),
    power.find((row) => owners.get(row) === 'user'),
  ];
  if (moved && !kept && !mirrorsPower) {
    throw new AbiMismatchError(
      `this VMM owns ${describe(moved)} and turns vCPUs on and off by MP_STATE, but this kernel has no KVM_CAP_MP_STATE; ` +
        `let the kernel own what is about one CPU`,
    );
  }
  if (kept && moved && !mirrorsPower) {
    throw new AbiMismatchError(
      `the kernel owns ${describe(kept)}, this VMM ${describe(moved)}, and this kernel has no KVM_CAP_MP_STATE by ` +
        `which either could see what power state the other gave a vCPU; give them one owner`,
    );
  }
  return version;
}
