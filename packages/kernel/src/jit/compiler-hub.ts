/** One compiler for several vCPUs: each gets the answers to what it has asked. */
import type { CompileAnswer, RegionCompiler } from './compiler.ts';

interface Client {
  readonly answers: CompileAnswer[];
}

export class CompilerHub {
  readonly #compiler: RegionCompiler;
  /** Who asked, and what the request was called there, by its number here. */
  readonly #asked = new Map<number, { readonly client: Client; readonly id: number }>();
  #requests = 0;

  constructor(compiler: RegionCompiler) {
    this.#compiler = compiler;
  }

  #collect(): void {
    for (let answer = this.#compiler.take(); answer; answer = this.#compiler.take()) {
      const asked = this.#asked.get(answer.id);
      this.#asked.delete(answer.id);
      asked?.client.answers.push({ ...answer, id: asked.id });
    }
  }

  /** The compiler as one vCPU sees it. */
  client(): RegionCompiler {
    const client: Client = { answers: [] };
    return {
      post: (request) => {
        const id = ++this.#requests;
        this.#asked.set(id, { client, id: request.id });
        this.#compiler.post({ ...request, id });
      },
      take: () => {
        if (client.answers.length === 0) this.#collect();
        return client.answers.shift();
      },
    };
  }
}
