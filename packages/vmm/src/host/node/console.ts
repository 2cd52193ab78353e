/** Standard input as the keyboard of a guest. */
import type { ConsoleInput } from '../../cli/host.ts';

/** Bytes that may wait for the guest before reading pauses. */
const BACKLOG_MAX = 0x1_0000;
/** How often to look whether the guest has caught up. Milliseconds. */
const CATCH_UP_INTERVAL = 20;

/**
 * Reads standard input, raw if it is a terminal, no faster than the guest takes it. The terminal is put back when the
 * result is disposed, and when the process ends in any other way that lets it.
 */
export function openConsole({ receive, end, backlog }: ConsoleInput): Disposable {
  const { stdin } = process;
  const raw = stdin.isTTY;
  const restore = (): void => void stdin.setRawMode(false);
  if (raw) {
    stdin.setRawMode(true);
    process.on('exit', restore);
  }
  let timer: NodeJS.Timeout | undefined;
  const resume = (): void => {
    if (backlog() > BACKLOG_MAX) timer = setTimeout(resume, CATCH_UP_INTERVAL);
    else stdin.resume();
  };
  const onData = (bytes: Uint8Array): void => {
    receive(bytes);
    if (backlog() <= BACKLOG_MAX) return;
    stdin.pause();
    timer = setTimeout(resume, CATCH_UP_INTERVAL);
  };
  stdin.on('data', onData);
  stdin.on('end', end);
  stdin.on('error', end);
  stdin.resume();
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      stdin.off('data', onData);
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
