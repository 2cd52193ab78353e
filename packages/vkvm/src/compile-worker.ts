/** The thread that compiles hot guest code: it answers requests on the port that it is given. */
import { enableCompileCache } from 'node:module';
import { workerData, type MessagePort } from 'node:worker_threads';
import type { CompileRequest } from '@vkvm/kernel';
import { setFlags } from './v8-flags.ts';

const { port } = workerData as { readonly port: MessagePort };
// For this thread, too, V8 need not compile our code again.
enableCompileCache();
const { createCompiler } = await import('@vkvm/kernel');
const compile = createCompiler();

/** Bytes that V8 has compiled here cost a tenth where they are compiled again, as long as somebody holds what came out. */
const held: WebAssembly.Module[] = [];
const MAX_HELD = 32;

// Functions are compiled here with their module, and not by the vCPU's thread when the guest calls them. From now on: of
// the interpreter, which that thread has made by now, few are ever called.
port.once('message', () => setFlags('--no-wasm-lazy-compilation'));

port.on('message', (request: CompileRequest) => {
  const answer = compile(request);
  if (answer.entries.length > 0) held.push(new WebAssembly.Module(answer.code));
  if (held.length > MAX_HELD) held.shift();
  port.postMessage(answer, [answer.code.buffer]);
});
