/**
 * Who may import whom: the rules that `tools/imports.ts` checks in `pnpm check`. Type-only imports count like
 * any other: a type that points upward is a dependency that points upward.
 */

/** What the sources of one folder may import from outside of that folder. */
export interface FolderRule {
  /** Relative to the root, with `/`. An import by path never leaves the folder. */
  readonly folder: string;
  /** The package that the folder is. Its tests may import it by name, as its users do. */
  readonly name?: string;
  /** Packages of this workspace, by name. */
  readonly packages: readonly string[];
  /** Where `node:*` may be imported: beginnings of paths inside the folder; `''` is all of it. Tests may anyway. */
  readonly node: readonly string[];
  /** Packages from npm. */
  readonly libraries: readonly string[];
}

/** A folder whose parts are stacked: imports point down the rows, never up. */
export interface LayerRule {
  readonly folder: string;
  /**
   * Top row first. A part is a folder, or a file without its suffix, directly below `folder`. Parts of one row
   * may use one another as long as no circle comes of it.
   */
  readonly rows: readonly (readonly string[])[];
  /** Parts that import no other part at all. */
  readonly closed: readonly string[];
}

export interface ImportRules {
  readonly folders: readonly FolderRule[];
  readonly layers: readonly LayerRule[];
  /** What tests may import besides. Inside their own folder the layers do not bind them. */
  readonly testLibraries: readonly string[];
}

const everyPackage = ['@vkvm/uapi', '@vkvm/kernel', '@vkvm/vmm', 'vkvm'];

export const importRules: ImportRules = {
  folders: [
    // Itself, because the ledger lists what it exports.
    { folder: 'packages/uapi', name: '@vkvm/uapi', packages: ['@vkvm/uapi'], node: [], libraries: [] },
    { folder: 'packages/kernel', name: '@vkvm/kernel', packages: ['@vkvm/uapi'], node: [], libraries: [] },
    {
      folder: 'packages/vmm',
      name: '@vkvm/vmm',
      packages: ['@vkvm/uapi'],
      node: ['src/host/node/'],
      libraries: [],
    },
    {
      folder: 'packages/vkvm',
      name: 'vkvm',
      // Itself, because it names its Worker by its own export.
      packages: everyPackage,
      node: ['src/'],
      libraries: [],
    },
    { folder: 'examples', packages: everyPackage, node: [''], libraries: [] },
    { folder: 'tests', packages: everyPackage, node: [''], libraries: ['vitest'] },
    { folder: 'bench', packages: [], node: [''], libraries: [] },
  ],
  layers: [
    {
      folder: 'packages/kernel/src',
      rows: [
        ['index', 'kernel'],
        ['ioctl'],
        ['vcpu', 'vm'],
        ['smccc'],
        ['psci'],
        ['sysreg', 'pmu', 'vgic', 'timer'],
        ['engine'],
        ['interp', 'jit', 'eval'],
        ['mmu'],
        ['a64', 'wasm'],
        ['state', 'uaccess', 'host', 'fd-table', 'trace'],
      ],
      // The encoder of Wasm modules knows nothing of Arm, nor of anything else here.
      closed: ['wasm'],
    },
  ],
  testLibraries: ['vitest', 'fast-check'],
};
