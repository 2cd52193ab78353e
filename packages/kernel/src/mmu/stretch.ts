/** How far memory goes on as it is mapped at a page. */
import type { I32, I64 } from '../a64/emitter.ts';
import { WALK_LEAF, WALK_SIZE, WINDOW_PROBES } from '../state/vcpu-state.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { I32_TYPE, I64_TYPE } from '../wasm/opcode.ts';
import { DESC_NON_GLOBAL } from './walk.ts';

/**
 * Exports `stretch(page: i64, probes: i32, step: i32, purpose: i32) → i64`: the end of the stretch around a page of memory
 * that lies in process memory in one piece, may all be accessed for a purpose, and is global or not as the page is. With
 * step 1 the first address behind it, with −1 its first one. So many mappings are looked at, at most; WINDOW_PROBES is then
 * how many were not.
 */
export function emitStretch(
  module: ModuleBuilder,
  { vcpu, translate }: { readonly vcpu: number; readonly translate: number },
): void {
  const { index, code } = module.function([I64_TYPE, I32_TYPE, I32_TYPE, I32_TYPE], [I64_TYPE]);
  const { i32, i64 } = code.ops;
  const page = code.param<I64>(0);
  const probes = code.param<I32>(1);
  const step = code.param<I32>(2);
  const purpose = code.param<I32>(3);
  const end = code.local<I64>(I64_TYPE);
  const word = (offset: number): I64 => code.load<I64>('i64.load', code.globalGet<I32>(vcpu), offset);
  const isDown = (): I32 => i32.lt_s(step.get(), i32.const(0));
  const distance = (): I64 =>
    i64.sub(i64.extend_i32_u(code.call<I32>(translate, page.get(), purpose.get())), page.get());
  const nonGlobal = (): I64 => i64.and(word(WALK_LEAF), i64.const(1 << DESC_NON_GLOBAL));
  /** The mapping at hand is part of it. */
  const add = (): void => {
    end.set(i64.and(page.get(), i64.sub(i64.const(0), word(WALK_SIZE))));
    code.if(i32.eqz(isDown()), () => end.set(i64.add(end.get(), word(WALK_SIZE))));
  };
  const found = code.letI64(distance());
  const kind = code.letI64(nonGlobal());
  add();
  const done = code.block();
  const next = code.loop();
  code.brIf(i32.eqz(probes.get()), done);
  probes.set(i32.sub(probes.get(), i32.const(1)));
  page.set(i64.sub(end.get(), i64.extend_i32_u(i32.shl(isDown(), i32.const(12)))));
  code.brIf(i64.ne(distance(), found.get()), done);
  code.brIf(i64.ne(nonGlobal(), kind.get()), done);
  add();
  code.br(next);
  code.end();
  code.end();
  code.store('i32.store', code.globalGet<I32>(vcpu), probes.get(), WINDOW_PROBES);
  end.get();
  module.exportFunction(index, 'stretch');
}
