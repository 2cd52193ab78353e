/** What V8 is told while it runs. */
import { setFlagsFromString } from 'node:v8';

/** Sets flags of Node 24's V8; of a later one we do not know them. */
export function setFlags(...flags: readonly string[]): void {
  if (process.versions.v8.startsWith('13.')) for (const flag of flags) setFlagsFromString(flag);
}
