import {
  KVM_GET_MP_STATE,
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_STOPPED,
  KVM_MP_STATE_SUSPENDED,
  KVM_SET_MP_STATE,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
} from '@vkvm/uapi';
import { describe, expect, test } from 'vitest';
import { Traveller, readGuest } from './travel.ts';
import type { Place } from './travel.ts';

const guest = readGuest('traveller');
const OUTPUT = '012345MmS6cdefF';

/** Lets the guest run, and moves it at every stop. @param at - called at each stop, before the move */
async function travel(traveller: Traveller, at: (stop: number) => void = () => {}): Promise<number> {
  for (let stop = 0; ; stop += 1) {
    const { kind } = await traveller.step();
    if (kind !== 'paused') {
      expect(kind).toBe('shutdown');
      return stop;
    }
    at(stop);
    await traveller.goOn(await traveller.save());
  }
}

describe('a bare-metal guest', () => {
  test('prints what it prints when nobody saves it', async () => {
    const traveller = await Traveller.start(guest);
    expect(await traveller.place.machine.run()).toEqual({ kind: 'shutdown' });
    expect(traveller.output).toBe(OUTPUT);
  });

  test('prints the same when it goes on in another process at every stop', async () => {
    const traveller = await Traveller.start(guest);
    const stops = await travel(traveller);
    expect(traveller.output).toBe(OUTPUT);
    expect(stops).toBeGreaterThan(15);
  });

  test('is the same after it was restored, to the last bit', async () => {
    const traveller = await Traveller.start(guest);
    let saves = 0;
    while ((await traveller.step()).kind === 'paused') {
      const before = await traveller.save();
      await traveller.goOn(before);
      expect(Buffer.compare(await traveller.save(), before), `save ${saves}`).toBe(0);
      saves += 1;
    }
    expect(saves).toBeGreaterThan(15);
  });

  test('keeps what was typed and it has not read yet, and the interrupt that says so', async () => {
    const traveller = await Traveller.start(guest);
    let typed = false;
    await travel(traveller, () => {
      if (typed || !traveller.output.endsWith('M')) return;
      traveller.place.machine.receive(new TextEncoder().encode('xyz'));
      typed = true;
    });
    expect(traveller.output).toBe('012345MmS6xyzcdefF');
  });

  test('does not notice how long it was away', async () => {
    const traveller = await Traveller.start(guest);
    for (let hours = 0; (await traveller.step()).kind === 'paused'; hours += 1) {
      await traveller.goOn(await traveller.save(), hours * 3.6e12);
    }
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

/** MP_STATE of the vCPUs of a machine, past the VMM. */
class PowerStates {
  readonly #place: Place;
  readonly #fds: readonly number[];
  readonly #address: number;

  constructor(place: Place, fds: readonly number[]) {
    this.#place = place;
    this.#fds = fds;
    this.#address = place.syscalls.mmap(-1, PAGE_SIZE, PROT_READ | PROT_WRITE, 0);
  }

  get(vcpu: number): number {
    expect(this.#place.syscalls.ioctl(this.#fds[vcpu]!, KVM_GET_MP_STATE, this.#address)).toBe(0);
    return this.#word[0]!;
  }

  set(vcpu: number, state: number): void {
    this.#word[0] = state;
    expect(this.#place.syscalls.ioctl(this.#fds[vcpu]!, KVM_SET_MP_STATE, this.#address)).toBe(0);
  }

  get #word(): Uint32Array {
    return new Uint32Array(this.#place.process.memory.buffer, this.#address, 1);
  }
}

describe('the power state of a vCPU', () => {
  test('STOPPED and SUSPENDED come along, and end as they would have', async () => {
    const traveller = await Traveller.start(guest);
    while (!traveller.output.includes('2')) await traveller.step();
    const there = new PowerStates(traveller.place, traveller.vcpuFds);
    // The VMM suspends the first vCPU, whose timer is armed; the other one has not been turned on yet.
    there.set(0, KVM_MP_STATE_SUSPENDED);
    await traveller.goOn(await traveller.save());
    const here = new PowerStates(traveller.place, traveller.vcpuFds);
    expect([here.get(0), here.get(1)]).toEqual([KVM_MP_STATE_SUSPENDED, KVM_MP_STATE_STOPPED]);
    // The timer wakes it, the VMM lets it run, and it turns the other one on.
    expect(await travel(traveller)).toBeGreaterThan(0);
    expect(traveller.output).toBe(OUTPUT);
  });

  test('SUSPENDED stays until the VMM ends it', async () => {
    const traveller = await Traveller.start(guest);
    while (!traveller.output.includes('2')) await traveller.step();
    new PowerStates(traveller.place, traveller.vcpuFds).set(0, KVM_MP_STATE_SUSPENDED);
    const snapshot = await traveller.save();
    await traveller.goOn(snapshot);
    new PowerStates(traveller.place, traveller.vcpuFds).set(0, KVM_MP_STATE_RUNNABLE);
    await traveller.goOn(await traveller.save());
    expect(new PowerStates(traveller.place, traveller.vcpuFds).get(0)).toBe(KVM_MP_STATE_RUNNABLE);
    await traveller.place.machine.run();
    expect(traveller.output).toBe(OUTPUT);
  });
});
