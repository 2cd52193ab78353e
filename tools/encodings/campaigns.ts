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

export const CAMPAIGNS: readonly Campaign[] = [
  {
    date: '2026-11-22',
    seed: 20_261_122,
    instructions: 10_035_869,
    mismatches: 0,
    rows: 585,
    extensions: 'CRC32, LSE, AES, PMULL, SHA1, SHA256',
  },
];
