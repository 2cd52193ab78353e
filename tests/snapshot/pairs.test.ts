import { createKernel } from '@vkvm/kernel';
import { KVM_MP_STATE_SUSPENDED, PROFILES, PSCI_1_0, PSCI_1_1, PSCI_1_3 } from '@vkvm/uapi';
import type { ProfileName } from '@vkvm/uapi';
import { compareKernels, createProcess } from '@vkvm/vmm';
import type { FreshKernel, MoveVerdict } from '@vkvm/vmm';
import { beforeAll, describe, expect, test } from 'vitest';
import { PowerStates, Traveller, readGuest } from './travel.ts';
import type { Start } from './travel.ts';

const OUTPUT = '012345MmS6cdefF';
const guest = readGuest('traveller');

/** Kernels that have what the guest needs: PSCI 0.2 and a GICv3. */
const profiles = PROFILES.filter(({ recorded }) => recorded).map(({ name }) => name);
const pairs = profiles.flatMap((from) => profiles.map((to) => [from, to] as const));

const kernel =
  (profile: ProfileName): FreshKernel =>
  async () => {
    const process = createProcess({ size: 300 * 1024 * 1024, shared: false });
    return { process, syscalls: createKernel({ profile }).attach(process) };
  };

/** A guest on its way: its timer is armed, interrupts are pending, its other CPU is off. */
interface Saved {
  readonly snapshot: Uint8Array;
  readonly traveller: Traveller;
}

async function saveOn(profile: ProfileName, options: Omit<Start, 'profile'> = {}): Promise<Saved> {
  const traveller = await Traveller.start(guest, { profile, ...options });
  while (!traveller.output.includes('M')) expect((await traveller.step()).kind).toBe('paused');
  return { traveller, snapshot: await traveller.save() };
}

/** Moves the guest. @returns what it has printed in the end, or the name of the error */
async function move(
  { traveller, snapshot }: Saved,
  profile: ProfileName,
  dropSafe: boolean,
): Promise<string> {
  traveller.output = '012345M';
  try {
    await traveller.goOn(snapshot, { profile, dropSafe });
  } catch (error) {
    return (error as Error).name;
  }
  await traveller.place.machine.run();
  return traveller.output;
}

/** What a verdict says of a restore without and with dropSafe. */
const expected = ({ loads }: MoveVerdict): string[] => [
  loads === 'yes' ? OUTPUT : 'AbiMismatchError',
  loads === 'no' ? 'AbiMismatchError' : OUTPUT,
];

describe('what becomes of a guest on another kernel is what skew says', { timeout: 120_000 }, () => {
  const saved = new Map<ProfileName, Saved>();
  const pinned = new Map<string, Saved>();
  beforeAll(async () => {
    for (const profile of profiles) saved.set(profile, await saveOn(profile));
  }, 120_000);

  test.for(pairs)('from %s to %s', async ([from, to]) => {
    const skew = await compareKernels(kernel(from), kernel(to));
    const it = saved.get(from)!;
    expect([await move(it, to, false), await move(it, to, true)]).toEqual(expected(skew.verdict));
    if (skew.pinned) {
      const { psci, services, pmu, verdict } = skew.pinned;
      const name = `${from} ${psci} ${services} ${pmu}`;
      const start = {
        psci,
        ...(services === 'none' && { services: [] }),
        ...(pmu === 'none' && { pmu: false }),
      };
      const other = pinned.get(name) ?? (await saveOn(from, start));
      pinned.set(name, other);
      expect([await move(other, to, false), await move(other, to, true)]).toEqual(expected(verdict));
    }
  });

  test('a guest stays loadable where it was, and on newer kernels, but not on older ones unless it was started so', async () => {
    const verdictOf = async (from: ProfileName, to: ProfileName) => {
      const { verdict, pinned } = await compareKernels(kernel(from), kernel(to));
      return [verdict.loads, pinned?.psci, pinned?.verdict.loads];
    };
    expect(await verdictOf('linux-7.3', 'linux-7.3')).toEqual(['yes', undefined, undefined]);
    // Linux 5.10 has more bits in registers of the PMU than there are counters.
    expect(await verdictOf('linux-5.10', 'linux-7.3')).toEqual(['with changes', undefined, undefined]);
    expect(await verdictOf('linux-7.3', 'linux-6.12')).toEqual(['no', PSCI_1_1, 'with changes']);
    // Random numbers and KVM's own services, which 5.10 has not, must be left away from the start.
    expect(await verdictOf('linux-7.3', 'linux-5.10')).toEqual(['no', PSCI_1_0, 'with changes']);
    expect(await verdictOf('linux-6.1', 'linux-5.10')).toEqual(['no', PSCI_1_0, 'with changes']);
  });

  test('a guest of 7.3 that was started without services moves to 5.10, and one with them does not', async () => {
    const limited = await saveOn('linux-7.3', { psci: PSCI_1_0, services: [], pmu: false });
    expect(await move(limited, 'linux-5.10', true)).toBe(OUTPUT);
    const some = await saveOn('linux-7.3', { psci: PSCI_1_0, services: ['stolen-time'], pmu: false });
    expect(await move(some, 'linux-5.10', true)).toBe(OUTPUT);
    const random = await saveOn('linux-7.3', { psci: PSCI_1_0, services: ['trng'], pmu: false });
    await expect(
      random.traveller.goOn(random.snapshot, { profile: 'linux-5.10', dropSafe: true }),
    ).rejects.toThrow(/does not take STD_BMAP = 0x1 .*\(--psci, --services, --no-pmu; vkvm skew tells\)/);
  });

  test("a guest whose PSCI is the VMM's takes its version to kernels that lack it", async () => {
    const it = await saveOn('linux-7.3', { psciOwner: 'user', pmu: false });
    expect(await move(it, 'linux-6.1', true)).toBe(OUTPUT);
    expect(it.traveller.place.machine.psci).toBe(PSCI_1_3);
  });

  test('a vCPU that is SUSPENDED moves to kernels that have the state, and no other one', async () => {
    const it = await saveOn('linux-6.12', { pmu: false });
    new PowerStates(it.traveller).set(0, KVM_MP_STATE_SUSPENDED);
    const suspended = { ...it, snapshot: await it.traveller.save() };
    for (const profile of ['linux-7.3', 'linux-6.12', 'linux-6.1'] as const) {
      await it.traveller.goOn(suspended.snapshot, { profile, dropSafe: true });
      expect(new PowerStates(it.traveller).get(0), profile).toBe(KVM_MP_STATE_SUSPENDED);
      expect(await move(suspended, profile, true), profile).toBe(OUTPUT);
    }
    await expect(it.traveller.goOn(suspended.snapshot, { profile: 'linux-5.10' })).rejects.toThrow(
      'MP_STATE = 0xa (EINVAL)',
    );
  });
});
