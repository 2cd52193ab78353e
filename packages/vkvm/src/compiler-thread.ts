/** A thread beside the vCPU's that compiles, so that the guest does not wait for it. */
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { CompileAnswer, RegionCompiler } from '@vkvm/kernel';

/** Starts it. It does not keep the process alive. */
export function startCompiler(): RegionCompiler {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL(import.meta.resolve('vkvm/compile-worker')), {
    workerData: { port: port2 },
    transferList: [port2],
    // Most of what it makes is garbage at once: V8 would let it grow to hundreds of MiB before it looked.
    resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 128 },
  });
  worker.unref();
  port1.unref();
  return {
    // Copied: after the first buffer that is transferred, V8 asks at every access of this thread whether there still is one.
    post: (request) => port1.postMessage(request),
    take: () => (receiveMessageOnPort(port1) as { readonly message: CompileAnswer } | undefined)?.message,
  };
}
