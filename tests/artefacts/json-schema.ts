/** As much of JSON Schema 2020-12 as the published schemas use; a keyword that is not known throws. */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const TYPES: Readonly<Record<string, (value: Json) => boolean>> = {
  object: isObject,
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
};

/** Says what is wrong with a value; nothing if it is as the keyword wants. */
type Keyword = (argument: Json, value: Json, schema: JsonObject, check: Check) => readonly string[];
type Check = (schema: Json | undefined, value: Json, where?: string) => readonly string[];

const fails = (isWrong: boolean, message: string): readonly string[] => (isWrong ? [message] : []);
const isSame = (a: Json, b: Json): boolean => JSON.stringify(a) === JSON.stringify(b);
const entries = (value: Json): [string, Json][] => (isObject(value) ? Object.entries(value) : []);
const list = (value: Json): readonly Json[] => (Array.isArray(value) ? value : []);

const KEYWORDS: Readonly<Record<string, Keyword>> = {
  type: (types, value) =>
    fails(![types].flat().some((type) => TYPES[String(type)]?.(value)), `is not ${JSON.stringify(types)}`),
  const: (wanted, value) => fails(!isSame(wanted, value), `is not ${JSON.stringify(wanted)}`),
  enum: (wanted, value) =>
    fails(!list(wanted).some((each) => isSame(each, value)), `is none of ${JSON.stringify(wanted)}`),
  pattern: (pattern, value) =>
    fails(
      typeof value === 'string' && !new RegExp(String(pattern), 'u').test(value),
      `is not ${String(pattern)}`,
    ),
  minimum: (least, value) =>
    fails(typeof value === 'number' && value < Number(least), `is below ${String(least)}`),
  minItems: (least, value) => fails(Array.isArray(value) && value.length < Number(least), 'is too short'),
  maxItems: (most, value) => fails(Array.isArray(value) && value.length > Number(most), 'is too long'),
  required: (names, value) =>
    list(names).flatMap((name) =>
      fails(isObject(value) && !(String(name) in value), `lacks ${String(name)}`),
    ),
  properties: (rows, value, _, check) =>
    entries(rows).flatMap(([name, row]) => {
      const property = isObject(value) ? value[name] : undefined;
      return property === undefined ? [] : check(row, property, name);
    }),
  additionalProperties: (rest, value, { properties = {} }, check) =>
    entries(value).flatMap(([name, property]) =>
      isObject(properties) && name in properties ? [] : check(rest, property, name),
    ),
  items: (row, value, _, check) => list(value).flatMap((item, n) => check(row, item, String(n))),
  allOf: (rows, value, _, check) => list(rows).flatMap((row) => check(row, value)),
  anyOf: (rows, value, _, check) =>
    fails(!list(rows).some((row) => check(row, value).length === 0), 'fits none of anyOf'),
  oneOf: (rows, value, _, check) =>
    fails(
      list(rows).filter((row) => check(row, value).length === 0).length !== 1,
      'does not fit one of oneOf',
    ),
  if: (condition, value, { then: yes = true, else: no = true }, check) =>
    check(check(condition, value).length === 0 ? yes : no, value),
};

/** Keywords that say nothing by themselves. */
const SILENT = new Set(['$schema', '$defs', '$ref', 'title', 'description', 'then', 'else']);

/** @returns what is wrong with a value and where, or nothing @throws RangeError the schema has an unknown keyword */
export function validate(root: JsonObject, value: Json): readonly string[] {
  const check: Check = (schema = true, each, where = '') => {
    if (typeof schema === 'boolean') return fails(!schema, `${where}: is not expected`);
    if (!isObject(schema)) throw new RangeError('a schema is an object or a boolean');
    const reference = schema['$ref'];
    const target = typeof reference === 'string' ? (root['$defs'] as JsonObject)[reference.slice(8)] : true;
    const found = Object.entries(schema).flatMap(([name, argument]) => {
      const keyword = KEYWORDS[name];
      if (keyword) return keyword(argument, each, schema, check);
      if (SILENT.has(name)) return [];
      throw new RangeError(`the keyword ${name} is not known`);
    });
    return [...check(target, each), ...found].map((message) =>
      where === '' ? message : `${where}: ${message}`,
    );
  };
  return check(root, value);
}
