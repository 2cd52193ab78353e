/** `pnpm imports`: holds every import of the workspace against `imports.config.ts`. */

import { globSync, readFileSync } from 'node:fs';
import { posix, sep } from 'node:path';
import { importRules } from '../imports.config.ts';
import type { FolderRule, ImportRules, LayerRule } from '../imports.config.ts';

/** Sources by path: relative to the root of the workspace, with `/`. */
export type Sources = ReadonlyMap<string, string>;

/** One import that a rule forbids. */
export interface Violation {
  readonly file: string;
  readonly specifier: string;
  /** The rule, in a sentence that says what to do. */
  readonly rule: string;
}

/**
 * `import … from 'x'`, `export … from 'x'` and `import 'x'` where a statement starts: at the beginning of a
 * line, which is where the formatter puts it. Between the keyword and `from` stand names, braces and stars only.
 */
const STATEMENT = /^(?:import|export)\s+(?:[\w$*{},\s]*?\bfrom\s*)?['"]([^'"\n]+)['"]/gm;

/** `import('x')`, as an expression or as a type, and `import.meta.resolve('x')`; not where `x` is put together. */
const EXPRESSION = /\bimport(?:\.meta\.resolve)?\(\s*['"]([^'"\n$]+)['"]/g;

/** @returns the module specifiers that a TypeScript source names, in no particular order */
export function specifiersOf(source: string): string[] {
  return [STATEMENT, EXPRESSION].flatMap((pattern) =>
    Array.from(source.matchAll(pattern), (match) => match[1] ?? ''),
  );
}

const isInside = (file: string, folder: string): boolean => file.startsWith(`${folder}/`);

const isTest = (file: string): boolean => file.endsWith('.test.ts');

/** Whether a file exists for tests: one itself, or beside them in a package's `test` folder. */
const isForTests = (file: string, rule: FolderRule): boolean =>
  isTest(file) || isInside(file, `${rule.folder}/test`);

/** @returns `@scope/name` or `name`, without a subpath */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** The rule of a folder that the import of a package or of a built-in module breaks, if any. */
function brokenByPackage(
  file: string,
  specifier: string,
  rule: FolderRule,
  rules: ImportRules,
): string | undefined {
  const inFolder = file.slice(rule.folder.length + 1);
  if (specifier.startsWith('node:')) {
    if (isForTests(file, rule) || rule.node.some((place) => inFolder.startsWith(place))) return undefined;
    const places = rule.node.length === 0 ? 'tests' : rule.node.join(', ');
    return `${rule.folder} imports node:* only in ${places}; elsewhere take a port as an argument`;
  }
  const name = packageOf(specifier);
  if (rule.packages.includes(name) || rule.libraries.includes(name)) return undefined;
  if (isForTests(file, rule) && (rules.testLibraries.includes(name) || name === rule.name)) return undefined;
  const allowed = [...rule.packages, ...rule.libraries];
  return `${rule.folder} may import ${allowed.length === 0 ? 'no package' : `only ${allowed.join(', ')}`}`;
}

/** The part of a layered folder that a file belongs to. */
function partOf(file: string, layer: LayerRule): string {
  const [first = ''] = file.slice(layer.folder.length + 1).split('/');
  return first.replace(/\.ts$/, '');
}

/** The rule that an import from one part of a layered folder to another breaks, if any. */
function brokenByLayer(from: string, to: string, layer: LayerRule): string | undefined {
  if (from === to) return undefined;
  const rowOf = (part: string): number => layer.rows.findIndex((row) => row.includes(part));
  for (const part of [from, to]) {
    if (rowOf(part) < 0) return `'${part}' has no row in ${layer.folder}: give it one in imports.config.ts`;
  }
  if (layer.closed.includes(from)) return `'${from}' imports no other part of ${layer.folder}`;
  if (rowOf(from) > rowOf(to)) return `imports point down only, and '${to}' lies above '${from}'`;
  return undefined;
}

/** An import between two parts of a layered folder. */
interface Edge {
  readonly from: string;
  readonly to: string;
  readonly violation: Violation;
}

/** The imports that close a circle of parts. As rows only point down, that is a circle inside one row. */
function circles(edges: readonly Edge[]): Violation[] {
  const reachable = (start: string, seen = new Set<string>()): Set<string> => {
    for (const { from, to } of edges) if (from === start && !seen.has(to)) reachable(to, seen.add(to));
    return seen;
  };
  return edges.filter(({ from, to }) => reachable(to).has(from)).map(({ violation }) => violation);
}

/** @returns every import in `sources` that `rules` forbid, in the order of the sources */
export function findViolations(sources: Sources, rules: ImportRules): Violation[] {
  const violations: Violation[] = [];
  const edges: Edge[] = [];
  for (const [file, source] of sources) {
    const rule = rules.folders.find(({ folder }) => isInside(file, folder));
    if (rule === undefined) continue;
    const layer = rules.layers.find(({ folder }) => isInside(file, folder) && !isTest(file));
    for (const specifier of specifiersOf(source)) {
      const report = (broken: string | undefined): void => {
        if (broken !== undefined) violations.push({ file, specifier, rule: broken });
      };
      if (!specifier.startsWith('.')) {
        report(brokenByPackage(file, specifier, rule, rules));
        continue;
      }
      const target = posix.join(posix.dirname(file), specifier);
      if (!isInside(target, rule.folder)) {
        report(`an import by path stays inside ${rule.folder}; name the package instead`);
      } else if (layer !== undefined && isInside(target, layer.folder)) {
        const [from, to] = [partOf(file, layer), partOf(target, layer)];
        const broken = brokenByLayer(from, to, layer);
        report(broken);
        if (broken === undefined && from !== to) {
          const rule = `'${from}' and '${to}' must not depend on each other, not even in a roundabout way`;
          edges.push({ from, to, violation: { file, specifier, rule } });
        }
      }
    }
  }
  return [...violations, ...circles(edges)];
}

/** @returns the TypeScript sources below the folders that have a rule */
function readSources(root: string, rules: ImportRules): Sources {
  const patterns = rules.folders.map(({ folder }) => `${folder}/**/*.ts`);
  const files = globSync(patterns, {
    cwd: root,
    exclude: (name) => /(?:^|[\\/])(?:node_modules|dist)$/.test(name),
  });
  return new Map(
    files.toSorted().map((file) => [file.split(sep).join('/'), readFileSync(`${root}/${file}`, 'utf8')]),
  );
}

if (import.meta.main) {
  const sources = readSources(`${import.meta.dirname}/..`, importRules);
  const violations = findViolations(sources, importRules);
  for (const { file, specifier, rule } of violations) console.error(`${file}: '${specifier}': ${rule}`);
  console.error(`imports: ${sources.size} files, ${violations.length} violations`);
  process.exitCode = violations.length === 0 ? 0 : 1;
}
