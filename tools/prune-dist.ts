/**
 * Part of each package's build, run in its folder: deletes what earlier builds left in `dist` of sources that are
 * gone. The compiler never does, and a package would ship it.
 */

import { existsSync, globSync, rmSync } from 'node:fs';

for (const file of globSync('dist/**/*.{d.ts,d.ts.map}')) {
  const source = file.replace(/^dist/, 'src').replace(/\.d\.ts(?:\.map)?$/, '.ts');
  if (!existsSync(source)) rmSync(file);
}
