/** What a vCPU's engine did: for whoever asks where the time goes. vkvm's own; since ABI revision 3. */

import { struct, u64n } from './layout.ts';

/** Argument of `VKVM_GET_ENGINE_STATS`. All of them only grow, from the vCPU's creation on. */
export const vkvmEngineStats = struct('vkvm_engine_stats', 64, {
  instructions: u64n(0), // retired
  compiled_instructions: u64n(8), // of them, those in compiled regions
  regions: u64n(16), // regions compiled, whether they are still there or not
  region_instructions: u64n(24), // instructions that these were made of
  code_bytes: u64n(32), // of their Wasm modules
  compile_ns: u64n(40), // time that the vCPU's thread has spent on compiling
  tlb_fills: u64n(48), // entries put into the TLB for data
  reserved: u64n(56),
});
