/** Cold handlers as functions. */
import type { Routine } from '../a64/emitter.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { I32_TYPE, I64_TYPE, V128_TYPE } from '../wasm/opcode.ts';
import type { I32, I64, Value } from '../wasm/pure.ts';
import type { Handler } from './build.ts';
import type { HandlerImports } from './frame.ts';
import { HandlerEmitter } from './handlers.ts';

/** Module of every import. */
export const ENV = 'vkvm';
const MAX_PAGES = 65536;
const TYPE_OF = { i32: I32_TYPE, i64: I64_TYPE, v128: V128_TYPE } as const;

/** Imports the memory. */
export const importMemory = (module: ModuleBuilder, shared: boolean): void =>
  module.importMemory({ module: ENV, name: 'memory', initial: 1, maximum: MAX_PAGES, shared });

/** Adds the routines of a module as they are asked for. */
export function withRoutines(
  module: ModuleBuilder,
  rest: Omit<HandlerImports, 'routineIndex'>,
): HandlerImports {
  const routines = new Map<Routine, number>();
  const imports: HandlerImports = {
    ...rest,
    routineIndex(routine) {
      const known = routines.get(routine);
      if (known !== undefined) return known;
      const { index, code } = module.function(
        routine.params.map((type) => TYPE_OF[type]),
        [TYPE_OF[routine.result]],
      );
      routines.set(routine, index);
      const params = routine.params.map((_, i) => code.param<Value & I32 & I64>(i));
      routine.emit(new HandlerEmitter(code, imports), ...(params as never[]));
      module.complete(index);
      return index;
    },
  };
  return imports;
}

/** Imports what handlers call: functions of the interpreter's module, and what it imports itself. */
export function importHandlers(module: ModuleBuilder, shared: boolean): Omit<HandlerImports, 'routineIndex'> {
  const port = (
    name: string,
    params: readonly (typeof I32_TYPE | typeof I64_TYPE)[],
    result = true,
  ): number => module.importFunction(ENV, name, params, result ? [I32_TYPE] : []);
  const access = [I64_TYPE, I32_TYPE, I32_TYPE] as const;
  return {
    vcpu: module.importGlobal(ENV, 'vcpu', I32_TYPE),
    shared,
    read: port('read', access),
    write: port('write', [...access, I64_TYPE]),
    probe: port('probe', access),
    locate: port('locate', access),
    fetch: port('fetch', [I64_TYPE]),
    hypercall: port('hypercall', [I32_TYPE, I32_TYPE]),
    sysreg: port('sysreg', [I32_TYPE]),
    decode: port('decode', [I32_TYPE], false),
    stackMoved: port('stackMoved', [], false),
  };
}

/** `(op: i32) → i32`: a handler as a function. @returns its index */
export function emitCold(
  module: ModuleBuilder,
  { insn, point, looksAtStack }: Handler,
  imports: HandlerImports,
): number {
  const { index, code } = module.function([I32_TYPE], [I32_TYPE]);
  const emitter = new HandlerEmitter(code, imports);
  insn.emit(emitter, point);
  if (looksAtStack) emitter.lookAtStack();
  emitter.next();
  module.complete(index);
  return index;
}
