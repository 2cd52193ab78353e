/** What code has at hand on one thread of a process: views and caches that can be made again, never state. */
import type { Host } from '../host.ts';
import type { Words } from '../state/words.ts';
import type { TraceSink } from '../trace.ts';

export interface Thread {
  readonly words: Words;
  readonly host: Host;
  /** Absent: nothing is traced. */
  readonly trace?: TraceSink;
}
