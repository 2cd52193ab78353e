/** A module: types, imports, functions, one table, one imported memory. Source: WebAssembly specification, section 5.5. */
import { ByteSink } from './leb128.ts';
import { Code, type ValueType } from './code.ts';
import { OP } from './opcode.ts';

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

/** Section number. */
const CUSTOM_SECTION = 0;
const CODE_SECTION = 10;
/** A hint: its length, and that the branch is not taken. */
const UNLIKELY = [1, 0];
const FUNCTION = 0;
const TABLE = 1;
const MEMORY = 2;
const GLOBAL = 3;
const FUNCTION_TYPE = 0x60;
const FUNCREF = 0x70;

/** Table 0 of a module: its own. */
interface OwnTable {
  readonly size: number;
  readonly exportName: string | undefined;
}

interface FunctionBody {
  readonly type: number;
  /** Absent once the body is complete. */
  code: Code | undefined;
  /** Where it then lies among the complete bodies. */
  start: number;
  end: number;
  /** Where branches stand in it that are seldom taken. */
  unlikely: readonly number[];
}

export class ModuleBuilder {
  readonly #types: { params: readonly ValueType[]; results: readonly ValueType[] }[] = [];
  readonly #typeIndices = new Map<string, number>();
  readonly #imports: FunctionImport[] = [];
  readonly #globals: GlobalImport[] = [];
  readonly #functions: FunctionBody[] = [];
  readonly #complete: ByteSink;
  /** What complete bodies were made in. */
  readonly #spare: Code[] = [];
  readonly #exports: { name: string; index: number }[] = [];
  #memory: MemoryImport | undefined;
  #table: OwnTable | undefined;
  #importedTable: { readonly module: string; readonly name: string } | undefined;
  #elements: { readonly first: number; readonly functions: readonly number[] } | undefined;

  /** @param capacity - how many bytes of functions there may be; more cost time */
  constructor(capacity = 1 << 14) {
    this.#complete = new ByteSink(capacity);
  }

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
    this.#functions.push({ type: this.type(params, results), code, start: 0, end: 0, unlikely: [] });
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
    body.unlikely = code.encode(this.#complete);
    body.end = this.#complete.length;
    body.code = undefined;
    this.#spare.push(code);
  }

  /** Exports a function, imported ones too. */
  exportFunction(index: number, name: string): void {
    this.#exports.push({ name, index });
  }

  /** Table 0 holds these functions, in this order, and then nothing. @param size - of its entries, at least that many */
  table(functions: readonly number[], size = functions.length, exportName?: string): void {
    this.#table = { size, exportName };
    this.elements(0, functions);
  }

  /** Where table 0 holds these functions, in this order. @param first - the entry of the first one */
  elements(first: number, functions: readonly number[]): void {
    this.#elements = { first, functions };
  }

  /** Table 0 is another module's. */
  importTable(module: string, name: string): void {
    this.#importedTable = { module, name };
  }

  encode(): Uint8Array<ArrayBuffer> {
    const out = new ByteSink(2 * this.#complete.length + (1 << 10));
    out.bytes([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const section = (id: number, write: (body: ByteSink) => void): void => {
      const body = new ByteSink(id === CODE_SECTION ? this.#complete.length + (1 << 10) : 1 << 8);
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
      const [memory, table] = [this.#memory, this.#importedTable];
      body.u32(this.#imports.length + this.#globals.length + (memory ? 1 : 0) + (table ? 1 : 0));
      if (memory) writeMemoryImport(body, memory);
      if (table) {
        body.name(table.module);
        body.name(table.name);
        body.bytes([TABLE, FUNCREF, 0, 0]); // at least 0 entries
      }
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
    const table = this.#table;
    if (table) {
      section(4, (body) => {
        body.u32(1);
        body.bytes([FUNCREF, 1]);
        body.u32(table.size);
        body.u32(table.size);
      });
    }
    section(7, (body) => {
      body.u32(this.#exports.length + (table?.exportName === undefined ? 0 : 1));
      if (table?.exportName !== undefined) {
        body.name(table.exportName);
        body.bytes([TABLE, 0]);
      }
      for (const { name, index } of this.#exports) {
        body.name(name);
        body.byte(FUNCTION);
        body.u32(index);
      }
    });
    const elements = this.#elements;
    if (elements) {
      section(9, (body) => {
        body.u32(1);
        body.bytes([0, OP.i32_const]); // table 0, at this entry
        body.s32(elements.first);
        body.byte(OP.end);
        body.u32(elements.functions.length);
        for (const index of elements.functions) body.u32(index);
      });
    }
    for (const [i, one] of this.#functions.entries()) if (one.code) this.complete(this.#imports.length + i);
    if (this.#functions.some(({ unlikely }) => unlikely.length > 0)) {
      section(CUSTOM_SECTION, (body) => this.#branchHints(body));
    }
    section(CODE_SECTION, (body) => {
      body.u32(this.#functions.length);
      for (const one of this.#functions) {
        body.u32(one.end - one.start);
        body.bytes(this.#complete.view().subarray(one.start, one.end));
      }
    });
    return out.done();
  }

  /** Source: the branch hinting proposal of WebAssembly, "Branch Hints Section". */
  #branchHints(body: ByteSink): void {
    const hinted = [...this.#functions.entries()].filter(([, { unlikely }]) => unlikely.length > 0);
    body.name('metadata.code.branch_hint');
    body.u32(hinted.length);
    for (const [i, { unlikely }] of hinted) {
      body.u32(this.#imports.length + i);
      body.u32(unlikely.length);
      for (const at of unlikely) {
        body.u32(at);
        body.bytes(UNLIKELY);
      }
    }
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
