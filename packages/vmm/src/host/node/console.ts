/** Standard input as the keyboard of a guest. */
import type { ConsoleInput } from '../../cli/host.ts';

/**
 * Reads standard input, raw if it is a terminal. The terminal is put back when the result is disposed, and when the
 * process ends in any other way that lets it.
 */
export function openConsole({ receive, end }: ConsoleInput): Disposable {
  const { stdin } = process;
  const raw = stdin.isTTY;
  const restore = (): void => void stdin.setRawMode(false);
  if (raw) {
    stdin.setRawMode(true);
    process.on('exit', restore);
  }
  stdin.on('data', receive);
  stdin.on('end', end);
  stdin.on('error', end);
  stdin.resume();
  return {
    [Symbol.dispose]() {
      stdin.off('data', receive);
      stdin.off('end', end);
      stdin.pause();
      if (raw) {
        restore();
        process.off('exit', restore);
      }
      if ('unref' in stdin) stdin.unref(); // an open pipe must not keep the process
    },
  };
}
