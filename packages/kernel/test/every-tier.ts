/** Set-up of tests that run with `VKVM_TIER`: every kernel compiles what that says, unless its test has a say in it. */
import { vi } from 'vitest';
import type { KernelOptions, Tier } from '../src/index.ts';

const tier = process.env.VKVM_TIER as Tier;

vi.mock(import('../src/kernel.ts'), async (original) => {
  const module = await original();
  return {
    ...module,
    Kernel: class extends module.Kernel {
      constructor(options: KernelOptions = {}) {
        super({ tier, ...options });
      }
    },
    createKernel: (options: KernelOptions = {}) => module.createKernel({ tier, ...options }),
  };
});
