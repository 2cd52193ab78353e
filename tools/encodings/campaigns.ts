/** Campaigns of `pnpm isa-fuzz` that were run to their end. */
export interface Campaign {
  /** ISO 8601. */
  readonly date: string;
  readonly seed: number;
  readonly instructions: number;
  readonly mismatches: number;
  /** What the instruction table had. */
  readonly rows: number;
  readonly extensions: string;
}

const LATER = 'the same, SHA512, SHA3, RDM, DotProd, FP16, FRINTTS, FlagM2, LRCPC2, JSCVT, FCMA, SB';

export const CAMPAIGNS: readonly Campaign[] = [
  {
    date: '2026-11-22',
    seed: 20_261_122,
    instructions: 10_035_869,
    mismatches: 0,
    rows: 585,
    extensions: 'CRC32, LSE, AES, PMULL, SHA1, SHA256',
  },
  {
    date: '2026-11-22',
    seed: 20_261_123,
    instructions: 10_039_471,
    mismatches: 0,
    rows: 735,
    extensions: LATER,
  },
  {
    date: '2026-11-22',
    seed: 20_261_124,
    instructions: 10_041_049,
    mismatches: 0,
    rows: 735,
    extensions: `${LATER}; with hints, barriers, MRS and MSR`,
  },
];
