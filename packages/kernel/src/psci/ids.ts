/** Function ids of PSCI: the fixed ones in both widths, and those of version 0.1. */
import { PSCI_0_1_FUNCTIONS, PSCI_FUNCTIONS } from '@vkvm/uapi';
import type { PsciFunctionName } from '@vkvm/uapi';

/** First and last id. Numbers up to 0x1f of the standard service are PSCI's. Source: Arm DEN 0022, 5.1; DEN 0028, 6.2. */
const RANGES = [
  { first: 0x8400_0000, last: 0x8400_001f },
  { first: 0xc400_0000, last: 0xc400_001f },
  { first: 0x95c1_ba5e, last: 0x95c1_ba61 },
] as const;

/** Whether all ids from `first` to `last` are PSCI's. */
export const arePsci = (first: number, last: number): boolean =>
  RANGES.some((range) => first >= range.first && last <= range.last && first <= last);

/** Of a fixed id: the width, and the number up to 0x1f. */
const FREE_BITS = 0x4000_001f;
const FIXED_BITS = RANGES[0].first | 0;
const [, , { first: FIRST_0_1, last: LAST_0_1 }] = RANGES;

/** Whether an id is one of the fixed ones. Bitwise: with numbers above 2³¹ arithmetic is that of doubles. */
export const isFixedPsci = (id: number): boolean => (id & ~FREE_BITS) === FIXED_BITS;

/** Whether an id is PSCI's. Every call of a guest asks it. */
export const isPsci = (id: number): boolean => isFixedPsci(id) || (id >= FIRST_0_1 && id <= LAST_0_1);

const ABOUT_ONE_CPU: ReadonlySet<PsciFunctionName> = new Set([
  'CPU_SUSPEND',
  'CPU_OFF',
  'CPU_ON',
  'AFFINITY_INFO',
]);

const idsAboutOneCpu = new Set(
  [
    ...PSCI_0_1_FUNCTIONS.map(({ name, id }) => ({ name, ids: [id] })),
    ...PSCI_FUNCTIONS.map(({ name, smc32, smc64 }) => ({ name, ids: [smc32, smc64] })),
  ].flatMap(({ name, ids }) => (ABOUT_ONE_CPU.has(name) ? ids : [])),
);

/** Whether a function moves or tells the power state of CPUs: what the 2013 proposal leaves to the kernel. */
export const isAboutOneCpu = (id: number): boolean => idsAboutOneCpu.has(id);
