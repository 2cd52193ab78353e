/**
 * `pnpm fuzz [--calls N] [--seed N]`: random system calls at the kernel, in all profiles, a million of them unless told
 * otherwise. A finding is printed with the seed and the call at which it can be seen again; status 1.
 */
import { parseArgs } from 'node:util';
import { fuzz } from '../packages/kernel/test/fuzz.ts';
import { PROFILES } from '../packages/uapi/src/index.ts';

/** Calls to one kernel before a fresh one takes its place: a VM that was asked all sorts of things is soon dead. */
const ROUND = 500;

const { values } = parseArgs({
  options: { calls: { type: 'string', default: '1000000' }, seed: { type: 'string' } },
});
const calls = Number(values.calls);
const first = values.seed === undefined ? Math.trunc(Date.now() / 1000) : Number(values.seed);
if (!Number.isInteger(calls) || calls < 1 || !Number.isInteger(first)) {
  console.error('fuzz: --calls and --seed are whole numbers');
  process.exit(2);
}
console.log(`seed ${first}, ${calls} calls`);

const start = performance.now();
for (let done = 0, round = 0; done < calls; round++) {
  const { name } = PROFILES[round % PROFILES.length]!;
  const count = Math.min(ROUND, calls - done);
  const wrong = fuzz(first + round, count, name);
  if (wrong !== undefined) {
    console.log(`${name}: ${wrong}`);
    process.exit(1);
  }
  done += count;
  const rate = Math.round(done / ((performance.now() - start) / 1000));
  process.stderr.write(`\r${done} calls, ${rate} a second`);
}
process.stderr.write('\n');
console.log('nothing thrown, nothing written that no call named');
