import { KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_STOPPED, KVM_MP_STATE_SUSPENDED } from '@vkvm/uapi';
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { PowerStates, Traveller, readGuest, sectionsOf } from './travel.ts';

const guest = readGuest('traveller');
const OUTPUT = '012345MmS6cdefF';

const HOUR = 3.6e12;

/** Lets the guest run, and moves it at every stop. @param at - called before each move; answers how long it takes, in ns */
async function travel(traveller: Traveller, at: (stop: number) => number = () => 0): Promise<number> {
  for (let stop = 0; ; stop += 1) {
    const { kind } = await traveller.step();
    if (kind !== 'paused') {
      expect(kind).toBe('shutdown');
      return stop;
    }
    const away = at(stop);
    await traveller.goOn(await traveller.save(), { later: away });
  }
}

/** Of CNTV_CTL_EL0, by its register id: what a run leaves there and user space cannot set. */
const ISTATUS = /("0x603000000013df19":"0x)5"/;

/** A snapshot without the one bit that a kernel computes anew when the vCPU runs. */
const withoutStatus = (snapshot: Uint8Array): string[] =>
  sectionsOf(snapshot).map(({ type, payload }) =>
    type === 'VCPU' ? new TextDecoder().decode(payload).replace(ISTATUS, '$11"') : hash(payload),
  );

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Moving takes a few dozen milliseconds, and machines that run tests are busy. */
const timeout = 60_000;

describe('a bare-metal guest', { timeout }, () => {
  test('prints what it prints when nobody saves it', async () => {
    const traveller = await Traveller.start(guest);
    expect(await traveller.place.machine.run()).toEqual({ kind: 'shutdown' });
    expect(traveller.output).toBe(OUTPUT);
  });

  test('prints the same when it goes on in another process at every stop, however long it was away', async () => {
    const traveller = await Traveller.start(guest);
    let typed = false;
    const stops = await travel(traveller, (stop) => {
      if (!typed && traveller.output.endsWith('M')) {
        // While the guest masks interrupts: the UART's is pending with the others, and the FIFO comes along.
        traveller.place.machine.receive(new TextEncoder().encode('xyz'));
        typed = true;
      }
      return stop * HOUR;
    });
    expect(traveller.output).toBe('012345MmS6xyzcdefF');
    expect(stops).toBeGreaterThan(30);
  });

  test('is the same after it was restored, to the last bit', async () => {
    const traveller = await Traveller.start(guest);
    let saves = 0;
    while ((await traveller.step()).kind === 'paused') {
      saves += 1;
      if (saves % 3 !== 0) continue;
      const before = await traveller.save();
      await traveller.goOn(before);
      expect(withoutStatus(await traveller.save()), `save ${saves}`).toEqual(withoutStatus(before));
    }
    expect(saves).toBeGreaterThan(30);
  });

  test.each(['exit', 'user'] as const)('keeps the owner of its PSCI: %s', async (psciOwner) => {
    const traveller = await Traveller.start(guest, { psciOwner });
    while (!traveller.output.includes('M')) await traveller.step();
    expect(await travel(traveller)).toBeGreaterThan(5); // it turns a CPU on and off, and the machine off
    expect(traveller.output).toBe(OUTPUT);
  });

  test('can be restored twice from one file', async () => {
    const traveller = await Traveller.start(guest);
    while (!traveller.output.includes('M')) await traveller.step();
    const [snapshot, sofar] = [await traveller.save(), traveller.output];
    for (const _ of [1, 2]) {
      traveller.output = sofar;
      await traveller.goOn(snapshot);
      await traveller.place.machine.run();
      expect(traveller.output).toBe(OUTPUT);
    }
  });

  test('goes on where it was saved, too', async () => {
    const traveller = await Traveller.start(guest);
    while ((await traveller.step()).kind === 'paused') await traveller.save();
    expect(traveller.output).toBe(OUTPUT);
  });

  test('resets itself after it was restored: the files it boots from came along', async () => {
    const traveller = await Traveller.start(guest);
    await traveller.step();
    await traveller.goOn(await traveller.save());
    traveller.place.machine.reset();
    traveller.output = '';
    await traveller.place.machine.run();
    expect(traveller.output).toBe(OUTPUT);
  });
});

describe('the power state of a vCPU', { timeout }, () => {
  test('STOPPED and SUSPENDED come along, and end as they would have', async () => {
    const traveller = await Traveller.start(guest);
    while (!traveller.output.includes('2')) await traveller.step();
    const there = new PowerStates(traveller);
    // The VMM suspends the first vCPU, whose timer is armed; the other one has not been turned on yet.
    there.set(0, KVM_MP_STATE_SUSPENDED);
    await traveller.goOn(await traveller.save());
    const here = new PowerStates(traveller);
    expect([here.get(0), here.get(1)]).toEqual([KVM_MP_STATE_SUSPENDED, KVM_MP_STATE_STOPPED]);
    // The timer wakes it, the VMM lets it run, and it turns the other one on.
    expect(await travel(traveller)).toBeGreaterThan(0);
    expect(traveller.output).toBe(OUTPUT);
  });

  test('SUSPENDED stays until the VMM ends it', async () => {
    const traveller = await Traveller.start(guest);
    while (!traveller.output.includes('2')) await traveller.step();
    new PowerStates(traveller).set(0, KVM_MP_STATE_SUSPENDED);
    const snapshot = await traveller.save();
    await traveller.goOn(snapshot);
    new PowerStates(traveller).set(0, KVM_MP_STATE_RUNNABLE);
    await traveller.goOn(await traveller.save());
    expect(new PowerStates(traveller).get(0)).toBe(KVM_MP_STATE_RUNNABLE);
    await traveller.place.machine.run();
    expect(traveller.output).toBe(OUTPUT);
  });
});
