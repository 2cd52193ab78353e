/** A scenario: what to do with `/dev/kvm`, step by step. */
import type { Inputs } from './input.ts';
import { FormatError, isObject, parseObject } from './json.ts';
import type { Json, JsonObject } from './json.ts';
import type { Operation } from './operation.ts';
import { OPERATIONS } from './operations/table.ts';

/** A step, read and checked. */
export interface Step {
  readonly operation: Operation;
  /** What its operation is given, defaults filled in. */
  readonly inputs: Readonly<Record<string, unknown>>;
}

/** A scenario, read and checked. */
export interface Scenario {
  readonly name: string;
  readonly category: string;
  readonly title: string;
  /** The interrupt controller of the machine that it was recorded on. */
  readonly host: 'gicv3' | 'gicv2';
  readonly steps: readonly Step[];
}

const HOSTS = ['gicv3', 'gicv2'] as const;
const KEYS = ['name', 'category', 'title', 'host', 'steps'];
/** Keys of a step that are not inputs. `asm` is a comment. */
const STEP_KEYS = ['op', 'asm'];

/**
 * Reads a scenario.
 *
 * @param source - what errors call the text, such as its path
 * @throws {FormatError} it is not in the format; says where
 */
export function parseScenario(text: string, source: string): Scenario {
  const scenario = parseObject(text, source);
  refuseUnknown(scenario, KEYS, source);
  const { name, category, title, host = 'gicv3', steps } = scenario;
  if (typeof name !== 'string' || name === '') throw new FormatError(`${source}: "name" is missing`);
  const knownHost = HOSTS.find((each) => each === host);
  if (!knownHost) throw new FormatError(`${source}: "host" is one of ${HOSTS.join(', ')}`);
  if (!Array.isArray(steps)) throw new FormatError(`${source}: "steps" is not a list`);
  return {
    name,
    category: typeof category === 'string' ? category : '',
    title: typeof title === 'string' ? title : '',
    host: knownHost,
    steps: steps.map((step: Json, index) => parseStep(step, `${source}: step ${index}`)),
  };
}

function parseStep(step: Json, where: string): Step {
  if (!isObject(step)) throw new FormatError(`${where}: not an object`);
  const { op } = step;
  const operation = typeof op === 'string' ? OPERATIONS.get(op) : undefined;
  if (!operation) throw new FormatError(`${where}: there is no operation ${JSON.stringify(op)}`);
  const place = `${where}, ${operation.name}`;
  refuseUnknown(step, [...STEP_KEYS, ...Object.keys(operation.inputs)], place);
  return { operation, inputs: parseInputs(step, operation.inputs, place) };
}

function parseInputs(step: JsonObject, inputs: Inputs, where: string): Step['inputs'] {
  const entries = Object.entries(inputs).map(([key, { kind, parse, otherwise }]) => {
    const given = step[key];
    if (given === undefined) {
      if (!otherwise) throw new FormatError(`${where}: "${key}" is missing`);
      return [key, otherwise.value] as const;
    }
    const value = parse(given);
    if (value === undefined)
      throw new FormatError(`${where}: "${key}" is not ${kind}: ${JSON.stringify(given)}`);
    return [key, value] as const;
  });
  return Object.fromEntries(entries);
}

function refuseUnknown(object: JsonObject, known: readonly string[], where: string): void {
  const unknown = Object.keys(object).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new FormatError(`${where}: "${unknown}" is not known`);
}
