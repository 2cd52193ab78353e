/** An emulated KVM for arm64: the kernel side of `Syscalls`. */
export { LayoutError, ProfileError, adopt, createKernel } from './kernel.ts';
export type { Kernel, KernelIdentity, KernelOptions, KernelToken } from './kernel.ts';
export { createCompiler } from './engine/engine.ts';
export type { Tier } from './engine/engine.ts';
export type { CompileAnswer, CompileRequest, RegionCompiler } from './jit/compiler.ts';
export type { Host } from './host.ts';
export type { TraceSink } from './trace.ts';
