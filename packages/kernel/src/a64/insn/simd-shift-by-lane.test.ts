import { expect, test } from 'vitest';
import { FlatMachine, RAM } from '../../../test/flat-machine.ts';
import { V } from '../../state/vcpu-state.ts';

/*
 * SSHL and USHL by amounts that are the same in all lanes go a way of their own. What a lane becomes is written down here
 * once more, from the manual: shifted by the signed low byte of its amount.
 */

const AMOUNTS = Array.from({ length: 256 }, (_, i) => i - 128);
const VALUE = 0x8123_4567_89ab_cdefn;
/** All but the low byte of an amount is ignored. */
const IGNORED = 0xa5a5_a5a5_a5a5_a500n;

const halfOf = (bits: number, lane: (at: number) => bigint): bigint => {
  let half = 0n;
  for (let at = 0; at < 64; at += bits) half |= BigInt.asUintN(bits, lane(at)) << BigInt(at);
  return half;
};

function shifted(value: bigint, bits: number, amount: number, isSigned: boolean): bigint {
  return halfOf(bits, (at) => {
    const lane = (isSigned ? BigInt.asIntN : BigInt.asUintN)(bits, value >> BigInt(at));
    return amount >= 0 ? lane << BigInt(amount) : lane >> BigInt(-amount);
  });
}

test.each(
  [0, 1, 2, 3].flatMap((size) => [
    ['SSHL', 8 << size, 0x4e22_4420 | (size << 22), true] as const,
    ['USHL', 8 << size, 0x6e22_4420 | (size << 22), false] as const,
  ]),
)('%s of lanes of %i bits by one amount', (_name, bits, word, isSigned) => {
  const machine = new FlatMachine();
  machine.place(RAM, [word, 0x1400_0000]); // b .
  const { vcpu } = machine;
  const results = AMOUNTS.map((amount) => {
    const amounts = halfOf(bits, () => (IGNORED & -256n) | BigInt(amount & 0xff));
    for (const [register, half] of [
      [1, VALUE],
      [2, amounts],
    ] as const) {
      vcpu.set64(V + 16 * register, half);
      vcpu.set64(V + 16 * register + 8, half);
    }
    machine.run(BigInt(RAM), 1);
    return [vcpu.get64(V), vcpu.get64(V + 8)];
  });
  expect(results).toEqual(
    AMOUNTS.map((amount) => {
      const half = shifted(VALUE, bits, amount, isSigned);
      return [half, half];
    }),
  );
});
