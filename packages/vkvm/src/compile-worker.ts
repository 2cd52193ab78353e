/** The thread that compiles hot guest code: it answers requests on the port that it is given. */
import { workerData, type MessagePort } from 'node:worker_threads';
import { createCompiler, type CompileRequest } from '@vkvm/kernel';

const { port } = workerData as { readonly port: MessagePort };
const compile = createCompiler();

port.on('message', (request: CompileRequest) => {
  const answer = compile(request);
  port.postMessage(answer, [answer.code.buffer]);
});
