// Loaded before the command: says at the end how much memory the process had at most. Plain JavaScript, so that Node
// loads no compiler for it, which would be counted too.
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  process.on('exit', () => process.stderr.write(readFileSync('/proc/self/status', 'utf8')));
}
