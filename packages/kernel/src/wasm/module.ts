/** A module: types, imports, functions, one table, one imported memory. Source: WebAssembly specification, section 5.5. */
import { ByteSink } from './leb128.ts';
import { Code, type ValueType } from './code.ts';

/** Limits of the imported memory, in 64 KiB pages. A shared memory must declare a maximum. */
export interface MemoryImport {
  readonly module: string;
  readonly name: string;
  readonly initial: number;
  readonly maximum: number;
  readonly shared: boolean;
}

interface FunctionImport {
  readonly module: string;
  readonly name: string;
  readonly type: number;
}

interface GlobalImport {
  readonly module: string;
  readonly name: string;
  readonly type: ValueType;
}

const FUNCTION = 0;
const MEMORY = 2;
const GLOBAL = 3;
const FUNCTION_TYPE = 0x60;
const FUNCREF = 0x70;

interface FunctionBody {
  readonly type: number;
  /** Absent once the body is complete. */
  code: Code | undefined;
  /** Where it then lies among the complete bodies. */
  start: number;
  end: number;
}

export class ModuleBuilder {
  readonly #types: { params: readonly ValueType[]; results: readonly ValueType[] }[] = [];
  readonly #typeIndices = new Map<string, number>();
  readonly #imports: FunctionImport[] = [];
  readonly #globals: GlobalImport[] = [];
  readonly #functions: FunctionBody[] = [];
  readonly #complete = new ByteSink(1 << 20);
  /** What complete bodies were made in. */
  readonly #spare: Code[] = [];
  readonly #exports: { name: string; index: number }[] = [];
  #memory: MemoryImport | undefined;
  #table: readonly number[] = [];

  /** The index of a function type, made if new. */
  type(params: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${params.join()}:${results.join()}`;
    const found = this.#typeIndices.get(key);
    if (found !== undefined) return found;
    this.#types.push({ params, results });
    this.#typeIndices.set(key, this.#types.length - 1);
    return this.#types.length - 1;
  }

  importMemory(memory: MemoryImport): void {
    this.#memory = memory;
  }

  /** Imports an immutable global and gives its index. */
  importGlobal(module: string, name: string, type: ValueType): number {
    this.#globals.push({ module, name, type });
    return this.#globals.length - 1;
  }

  /** Imports a function and gives its index. All imports come before the first {@link function}. */
  importFunction(
    module: string,
    name: string,
    params: readonly ValueType[],
    results: readonly ValueType[],
  ): number {
    if (this.#functions.length > 0) throw new RangeError(`import ${name} after a function was defined`);
    this.#imports.push({ module, name, type: this.type(params, results) });
    return this.#imports.length - 1;
  }

  /** Adds a function; its body may be emitted until {@link complete} or {@link encode}. */
  function(
    params: readonly ValueType[],
    results: readonly ValueType[],
    exportName?: string,
  ): { readonly index: number; readonly code: Code } {
    const spare = this.#spare.pop();
    spare?.restart(params.length);
    const code = spare ?? new Code(params.length);
    this.#functions.push({ type: this.type(params, results), code, start: 0, end: 0 });
    const index = this.#imports.length + this.#functions.length - 1;
    if (exportName !== undefined) this.#exports.push({ name: exportName, index });
    return { index, code };
  }

  /** The body of a function is complete: its `code` will serve others and must no longer be used. Saves time. */
  complete(index: number): void {
    const body = this.#functions[index - this.#imports.length]!;
    const { code } = body;
    if (!code) throw new RangeError(`function ${index} is complete already`);
    body.start = this.#complete.length;
    code.encode(this.#complete);
    body.end = this.#complete.length;
    body.code = undefined;
    this.#spare.push(code);
  }

  /** Table 0 holds these functions, in this order. */
  table(functions: readonly number[]): void {
    this.#table = functions;
  }

  encode(): Uint8Array<ArrayBuffer> {
    const out = new ByteSink(1 << 16);
    out.bytes([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const section = (id: number, write: (body: ByteSink) => void): void => {
      const body = new ByteSink(1 << 12);
      write(body);
      out.byte(id);
      out.u32(body.length);
      out.sink(body);
    };
    section(1, (body) => {
      body.u32(this.#types.length);
      for (const { params, results } of this.#types) {
        body.byte(FUNCTION_TYPE);
        body.u32(params.length);
        body.bytes(params);
        body.u32(results.length);
        body.bytes(results);
      }
    });
    section(2, (body) => {
      body.u32(this.#imports.length + this.#globals.length + (this.#memory ? 1 : 0));
      if (this.#memory) writeMemoryImport(body, this.#memory);
      for (const { module, name, type } of this.#globals) {
        body.name(module);
        body.name(name);
        body.bytes([GLOBAL, type, 0]);
      }
      for (const { module, name, type } of this.#imports) {
        body.name(module);
        body.name(name);
        body.byte(FUNCTION);
        body.u32(type);
      }
    });
    section(3, (body) => {
      body.u32(this.#functions.length);
      for (const { type } of this.#functions) body.u32(type);
    });
    if (this.#table.length > 0) {
      section(4, (body) => {
        body.u32(1);
        body.bytes([FUNCREF, 1]);
        body.u32(this.#table.length);
        body.u32(this.#table.length);
      });
    }
    section(7, (body) => {
      body.u32(this.#exports.length);
      for (const { name, index } of this.#exports) {
        body.name(name);
        body.byte(FUNCTION);
        body.u32(index);
      }
    });
    if (this.#table.length > 0) {
      section(9, (body) => {
        body.u32(1);
        body.bytes([0, 0x41, 0, 0x0b]); // table 0, at offset i32.const 0
        body.u32(this.#table.length);
        for (const index of this.#table) body.u32(index);
      });
    }
    section(10, (body) => {
      body.u32(this.#functions.length);
      for (const [i, one] of this.#functions.entries()) {
        if (one.code) this.complete(this.#imports.length + i);
        body.u32(one.end - one.start);
        body.bytes(this.#complete.view().subarray(one.start, one.end));
      }
    });
    return out.done();
  }
}

function writeMemoryImport(body: ByteSink, memory: MemoryImport): void {
  body.name(memory.module);
  body.name(memory.name);
  body.byte(MEMORY);
  body.byte(memory.shared ? 3 : 1); // bit 0: a maximum follows; bit 1: shared
  body.u32(memory.initial);
  body.u32(memory.maximum);
}
