/** A trace: what a kernel answered to each step of a scenario. */
import { FormatError, isObject, parseObject } from './json.ts';
import type { JsonObject } from './json.ts';

/** A trace, read and checked. */
export interface Trace {
  /** The scenario's name. */
  readonly name: string;
  /** The release that answered, as it calls itself. */
  readonly kernel: string;
  /** Why nothing was run, if so. */
  readonly skipped?: string;
  /** What each step saw. */
  readonly steps: readonly TraceStep[];
}

/** One step of a trace. */
export interface TraceStep {
  readonly op: string;
  readonly out: JsonObject;
}

/**
 * Reads a trace: a line of JSON for the head, one for each step, one for the end.
 *
 * @param source - what errors call the text, such as its path
 * @throws {FormatError} it is not in the format, or it is cut off; says where
 */
export function parseTrace(text: string, source: string): Trace {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const objects = lines.map((line, index) => parseObject(line, `${source}:${index + 1}`));
  const [head, ...rest] = objects;
  const end = rest.pop();
  if (!head || typeof head['trace'] !== 'string')
    throw new FormatError(`${source}: the first line is no head`);
  if (!end || end['end'] !== true) throw new FormatError(`${source}: cut off: the last line is no end`);
  if (end['steps'] !== rest.length) {
    throw new FormatError(`${source}: ${rest.length} steps, and the end counts ${String(end['steps'])}`);
  }
  const { trace: name, kernel, skipped } = head;
  return {
    name,
    kernel: typeof kernel === 'string' ? kernel : '',
    ...(typeof skipped === 'string' ? { skipped } : {}),
    steps: rest.map((step, index) => parseTraceStep(step, index, `${source}:${index + 2}`)),
  };
}

function parseTraceStep({ i, op, out }: JsonObject, index: number, where: string): TraceStep {
  if (i !== index) throw new FormatError(`${where}: step ${String(i)} where ${index} is due`);
  if (typeof op !== 'string' || !isObject(out)) throw new FormatError(`${where}: no "op" or no "out"`);
  return { op, out };
}
