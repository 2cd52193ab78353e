/** What binutils said of the samples, as it is kept in the repository: hashes and counts, no words. */
import { readFileSync, writeFileSync } from 'node:fs';
import type { Census } from './census.ts';

export interface EncodingRecord {
  /** Of Debian's binutils. */
  readonly binutils: string;
  readonly march: string;
  readonly samples: Readonly<Record<string, Census>>;
  /** Extension that is not announced → words that `-march` admits. */
  readonly beyond: Readonly<Record<string, number>>;
  /** Reviewed disagreement → words. */
  readonly reviewed: Readonly<Record<string, number>>;
}

const FILE = new URL('record.json', import.meta.url);

export const readRecord = (): EncodingRecord => JSON.parse(readFileSync(FILE, 'utf8')) as EncodingRecord;
export const writeRecord = (record: EncodingRecord): void =>
  writeFileSync(FILE, `${JSON.stringify(record, null, 2)}\n`);
