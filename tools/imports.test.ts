import { describe, expect, test } from 'vitest';
import { importRules } from '../imports.config.ts';
import { findViolations, specifiersOf } from './imports.ts';

const kernel = 'packages/kernel/src';

/** The rules broken by one file with one import. */
function broken(file: string, statement: string): string[] {
  return findViolations(new Map([[file, statement]]), importRules).map(({ rule }) => rule);
}

describe('specifiersOf', () => {
  test('finds every form of import and export', () => {
    const source = [
      "import './a.ts';",
      "import * as b from './b.ts';",
      "import type { C } from './c.ts';",
      "import {\n  d,\n  type D,\n} from './d.ts';",
      "export * from './e.ts';",
      "export { f as g } from './f.ts';",
      "const h = await import('./h.ts');",
      "let i: import('./i.ts').I;",
      "new Worker(new URL(import.meta.resolve('vkvm/j')));",
    ].join('\n');
    expect(specifiersOf(source).toSorted()).toEqual(
      ['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts', './f.ts', './h.ts', './i.ts', 'vkvm/j'].toSorted(),
    );
  });

  test('reads neither comments nor other declarations as imports', () => {
    const source = [
      '/**',
      " * import { x } from '@vkvm/kernel';",
      ' */',
      "// import './a.ts';",
      "export const from = 'nowhere';",
      "export function f(): string { return 'x'; }",
    ].join('\n');
    expect(specifiersOf(source)).toEqual([]);
  });
});

describe('packages', () => {
  test.each([
    ['packages/uapi/src/x.ts', '@vkvm/kernel'],
    ['packages/kernel/src/ioctl/x.ts', '@vkvm/vmm'],
    ['packages/vmm/src/machine/x.ts', '@vkvm/kernel'],
    ['packages/vmm/src/machine/x.test.ts', '@vkvm/kernel'],
    ['packages/kernel/src/host.ts', 'left-pad'],
  ])('%s may not import %s', (file, name) => {
    expect(broken(file, `import { x } from '${name}';`)).toHaveLength(1);
    expect(broken(file, `import type { X } from '${name}';`), 'nor its types').toHaveLength(1);
  });

  test.each([
    ['packages/kernel/src/ioctl/x.ts', '@vkvm/uapi'],
    ['packages/vmm/src/machine/x.ts', '@vkvm/uapi'],
    ['packages/vkvm/src/bin.ts', '@vkvm/kernel'],
    ['tests/boot/x.test.ts', 'vitest'],
    ['tests/boot/x.test.ts', 'vkvm'],
  ])('%s may import %s', (file, name) => {
    expect(broken(file, `import { x } from '${name}';`)).toEqual([]);
  });

  test('tests import their own package by its name, sources do not', () => {
    expect(broken('packages/kernel/test/selftest/x.test.ts', "import { x } from '@vkvm/kernel';")).toEqual(
      [],
    );
    expect(broken('packages/kernel/src/ioctl/x.ts', "import { x } from '@vkvm/kernel';")).toHaveLength(1);
  });

  test('a path never leads into another package', () => {
    expect(broken('packages/vmm/src/x.ts', "import { x } from '../../uapi/src/x.ts';")).toHaveLength(1);
    expect(broken('tests/boot/x.test.ts', "import { x } from '../../packages/vmm/src/x.ts';")).toHaveLength(
      1,
    );
  });

  test('node:* stays where the platform is', () => {
    const statement = "import { readFileSync } from 'node:fs';";
    expect(broken('packages/kernel/src/host.ts', statement)).toHaveLength(1);
    expect(broken('packages/vmm/src/loader/elf.ts', statement)).toHaveLength(1);
    expect(broken('packages/vmm/src/host/node/console.ts', statement)).toEqual([]);
    expect(broken('packages/kernel/src/host.test.ts', statement)).toEqual([]);
  });
});

describe('the layers of the kernel', () => {
  test.each([
    ['psci/cpu.ts', '../vcpu/run.ts'],
    ['a64/insn/branch.ts', '../../mmu/tlb.ts'],
    ['state/exit.ts', '../mmu/fault.ts'],
    ['interp/build.ts', '../sysreg/table.ts'],
    ['uaccess.ts', './ioctl/vm.ts'],
  ])('%s may not import %s, which lies above it', (file, target) => {
    expect(broken(`${kernel}/${file}`, `import type { X } from '${target}';`)).toHaveLength(1);
  });

  test.each([
    ['ioctl/vcpu.ts', '../state/exit.ts'],
    ['vcpu/run.ts', '../vm/vm.ts'],
    ['sysreg/gic.ts', '../vgic/icc.ts'],
    ['mmu/walk.ts', './fault.ts'],
  ])('%s may import %s', (file, target) => {
    expect(broken(`${kernel}/${file}`, `import { x } from '${target}';`)).toEqual([]);
  });

  test('wasm knows no other part', () => {
    expect(broken(`${kernel}/wasm/module.ts`, "import { x } from '../a64/decode.ts';")).toHaveLength(1);
    expect(broken(`${kernel}/wasm/module.ts`, "import { x } from '../host.ts';")).toHaveLength(1);
  });

  test('a part without a row is reported, so that none escapes the rules', () => {
    expect(broken(`${kernel}/helpers/x.ts`, "import { x } from '../host.ts';")).toHaveLength(1);
  });

  test('parts of one row may not go round in a circle', () => {
    const sources = new Map([
      [`${kernel}/sysreg/gic.ts`, "import { x } from '../vgic/icc.ts';"],
      [`${kernel}/vgic/icc.ts`, "import { x } from '../timer/arch-timer.ts';"],
      [`${kernel}/timer/arch-timer.ts`, "import { x } from '../sysreg/table.ts';"],
    ]);
    expect(findViolations(sources, importRules)).toHaveLength(3);
    sources.delete(`${kernel}/timer/arch-timer.ts`);
    expect(findViolations(sources, importRules)).toEqual([]);
  });
});
