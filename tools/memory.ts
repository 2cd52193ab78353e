/**
 * `pnpm memory [FUNCTIONS]`: a guest that touches all of its RAM and runs so many hot functions (default 200 000), of
 * each kind, and how much memory the command needs for it. Status 1 if that is too much.
 */
import { KINDS, measure } from './memory/measure.ts';

const count = Number(process.argv[2] ?? 200_000);
if (!Number.isInteger(count) || count < 1) {
  console.error(`memory: ${process.argv[2]}: how many functions? Give a whole number`);
  process.exit(2);
}

for (const [name, kind] of Object.entries(KINDS)) {
  const start = performance.now();
  const { status, regions, peak, bound, stderr } = await measure({ count, ...kind });
  const seconds = Math.round((performance.now() - start) / 1000);
  if (status !== 0) console.error(stderr);
  const isGood = status === 0 && regions >= count && peak <= bound;
  if (!isGood) process.exitCode = 1;
  console.log(
    `${name}: ${regions} regions in ${seconds} s, ${Math.ceil(peak)} of ${bound} MiB${isGood ? '' : ': WRONG'}`,
  );
}
