/**
 * Part of each package's build, run in its folder: writes what `publishConfig` names of `dist` as few files. A process
 * that starts loads four of them, not four hundred: that is a sixth of a second.
 */

import { globSync, readFileSync, rmSync } from 'node:fs';
import { rolldown, type Plugin } from 'rolldown';
import { bytesOf } from './bytes-of.ts';

interface Manifest {
  readonly publishConfig: {
    readonly bin?: Readonly<Record<string, string>>;
    readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  };
}

/** The modules that users load, by their place in `dist` without suffix. */
function entriesOf({ publishConfig: { bin = {}, exports } }: Manifest): string[] {
  const targets = [
    ...Object.values(bin),
    ...Object.values(exports).map((target) => (typeof target === 'string' ? target : target.default)),
  ];
  return targets.flatMap((target) => /^\.\/dist\/(.*)\.js$/.exec(target)?.[1] ?? []);
}

/**
 * The functions of modules named `prebuilt.ts`, which return bytes, are called now: what is built has the bytes. Those with
 * a parameter return bytes for each number from 0 on, until they return `undefined`.
 *
 * As text: a file beside the module would be one more thing to find, in every bundler and every browser.
 */
const prebuilt: Plugin = {
  name: 'prebuilt',
  load: {
    filter: { id: /\/prebuilt\.ts$/ },
    async handler(id) {
      const functions = Object.entries((await import(id)) as Record<string, Make>);
      const texts = functions.map(([name, make]) =>
        make.length === 0
          ? `export const ${name} = () => bytesOf(${textOf(make()!)});`
          : `const ${name}s = [${allOf(make).map(textOf).join()}];
             export const ${name} = (number) => ${name}s[number] && bytesOf(${name}s[number]);`,
      );
      return { code: [bytesOf.toString(), ...texts].join('\n'), moduleType: 'js' };
    },
  },
};

type Make = (number?: number) => Uint8Array | undefined;

const textOf = (bytes: Uint8Array): string => JSON.stringify(Buffer.from(bytes).toString('base64'));

function allOf(make: Make): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let bytes = make(0); bytes; bytes = make(all.length)) all.push(bytes);
  return all;
}

const entries = entriesOf(JSON.parse(readFileSync('package.json', 'utf8')) as Manifest);
for (const file of globSync('dist/**/*.{js,js.map}')) rmSync(file);
const bundle = await rolldown({
  input: Object.fromEntries(entries.map((entry) => [entry, `src/${entry}.ts`])),
  // Other packages stay packages.
  external: (id) => !/^[./]/.test(id) && !id.startsWith('src/'),
  platform: 'neutral',
  plugins: [prebuilt],
  // A constant of another module costs a load and two tests wherever it is used.
  optimization: { inlineConst: { mode: 'all', pass: 3 } },
});
await bundle.write({
  dir: 'dist',
  format: 'esm',
  // They are for who reads the sources. V8 keeps the text once for each thread, in two bytes a character where one needs it.
  comments: { annotation: true, jsdoc: false, legal: false },
  sourcemap: true,
  entryFileNames: '[name].js',
  chunkFileNames: 'shared/[name].js',
});
