/**
 * Address translation in generated code: memslot lookup, stage-1 walk, TLB fill.
 * Source: Arm DDI 0487, D8.2 to D8.5 (VMSAv8-64) and D24.2.40 (ESR_ELx).
 */
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY } from '@vkvm/uapi';
import { EC, type I32, type I64 } from '../a64/emitter.ts';
import {
  EL,
  FAULT_PA,
  FAULT_VA,
  FILL_LOG_CAPACITY,
  FILL_LOG_GLOBAL,
  FILL_LOG_NON_GLOBAL,
  HUGE_MAPPINGS,
  LARGE_MAPPINGS,
  LAST_ENTRY,
  LIKELY_ENTRY,
  MAIR_EL1,
  SYNDROME,
  TLB,
  TLB_TABLE_SIZE,
  WALK_LEAF,
  WALK_SIZE,
} from '../state/vcpu-state.ts';
import { GUEST_VM, MEMSLOT_FLAGS, MEMSLOT_GPA, MEMSLOT_USER_ADDRESS } from '../state/vm-state.ts';
import type { Local } from '../wasm/code.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { I32_TYPE, I64_TYPE } from '../wasm/opcode.ts';
import {
  HALF_GRANULE,
  HALF_INPUT_BITS,
  HALF_NOT_FOR_EL0,
  HALF_START_LEVEL,
  HALF_TABLE,
  HALF_TOP_BYTE_IGNORED,
  PHYSICAL_BITS,
  REGIME_HALVES,
  REGIME_HALF_SIZE,
  REGIME_MMU,
  REGIME_OUTPUT_BITS,
  REGIME_STACK_FAULTS,
  REGIME_WXN,
} from './regime.ts';
import { emitFindSlot, emitMarkDirty, emitSharedSlot } from './slots.ts';
import { offsetOfEntry } from './tlb.ts';

/**
 * What a translation is for: bits 1:0, with EL0's permissions if bit 2 is set. Bit 3: the access is one that Device
 * memory refuses, because it is not aligned or because it is DC ZVA.
 */
export const TRANSLATE_READ = 0;
export const TRANSLATE_WRITE = 1;
export const TRANSLATE_FETCH = 2;
export const TRANSLATE_UNPRIVILEGED = 4;
export const TRANSLATE_UNALIGNED = 8;
/** Only to know: nothing is accessed afterwards. */
export const TRANSLATE_PROBE = 16;

/** Results of `translate` that are not a host address. */
export const TRANSLATE_FAULT = 0;
export const TRANSLATE_NO_MEMORY = 1;
/** Leave guest code before the store, which is made when the instruction is executed again: the dirty ring is full. */
export const TRANSLATE_AGAIN = 2;

/** Fault status codes; the level is added. Source: D24.2.40, ISS encoding for an exception from a Data Abort. */
const ADDRESS_SIZE_FAULT = 0x00;
const TRANSLATION_FAULT = 0x04;
const ACCESS_FLAG_FAULT = 0x08;
const PERMISSION_FAULT = 0x0c;
const EXTERNAL_ABORT = 0x10;
const EXTERNAL_ABORT_ON_WALK = 0x14;
export const ALIGNMENT_FAULT = 0x21;

/** ESR_ELx.IL: the instruction is 32 bits long. */
const IL = 1 << 25;
const WNR = 1 << 6;

/** Address of an output or of a table in a descriptor or TTBRn_EL1; a table of few entries may lie at any 16 bytes. */
const ADDRESS_MASK = 0x0000_ffff_ffff_fff0n;

/** Descriptor bits. Source: D8.3. */
const DESC_ATTRIBUTE_INDEX = 2; // AttrIndx[2:0]
const DESC_USER = 6; // AP[1]
const DESC_READ_ONLY = 7; // AP[2]
const DESC_ACCESS = 10; // AF
export const DESC_NON_GLOBAL = 11; // nG
const DESC_PXN = 53;
const DESC_UXN = 54;
const TABLE_PXN = 59;
const TABLE_UXN = 60;
const TABLE_NO_USER = 61; // APTable[0]
const TABLE_READ_ONLY = 62; // APTable[1]

/** The functions of the module that translate. */
export interface WalkFunctions {
  /** `(va: i64, purpose: i32) → i32`: host address, or one of the `TRANSLATE_*` results. */
  readonly translate: number;
}

/** @param globals - indices of the imported block addresses */
export function emitWalk(
  module: ModuleBuilder,
  globals: { readonly vcpu: number; readonly vm: number },
): WalkFunctions {
  const findSlot = emitFindSlot(module);
  const syndrome = emitSyndrome(module, globals.vcpu);
  const fill = emitFill(module, globals.vcpu);
  const mark = emitMark(module, globals.vcpu);
  const sharedSlot = emitSharedSlot(module, findSlot);
  const dirty = emitMarkDirty(module, globals.vcpu);
  const translate = emitTranslate(module, globals, { findSlot, syndrome, fill, mark, sharedSlot, dirty });
  return { translate };
}

/** `(va: i64, purpose: i32, status: i32) → i32`: writes SYNDROME and FAULT_VA; answers TRANSLATE_FAULT. */
function emitSyndrome(module: ModuleBuilder, vcpuGlobal: number): number {
  const { index, code } = module.function([I64_TYPE, I32_TYPE, I32_TYPE], [I32_TYPE]);
  const { i32, i64 } = code.ops;
  const va = code.param<I64>(0);
  const purpose = code.param<I32>(1);
  const status = code.param<I32>(2);
  const vcpu = code.letI32(code.globalGet<I32>(vcpuGlobal));
  const kind = (): I32 => i32.and(purpose.get(), i32.const(3));
  const exceptionClass = code.letI32(
    code.select(
      i32.const(EC.INSTRUCTION_ABORT_LOWER),
      i32.const(EC.DATA_ABORT_LOWER),
      i32.eq(kind(), i32.const(TRANSLATE_FETCH)),
    ),
  );
  // "Same level" is the next number: EL1 takes its own faults, LDTR's included.
  const level = code.load<I32>('i32.load', vcpu.get(), EL);
  const full = i32.shl(i32.add(exceptionClass.get(), level), i32.const(26));
  const write = i32.mul(i32.eq(kind(), i32.const(TRANSLATE_WRITE)), i32.const(WNR));
  const value = code.letI32(i32.or(i32.or(i32.or(full, i32.const(IL)), write), status.get()));
  code.store('i64.store', vcpu.get(), i64.extend_i32_u(value.get()), SYNDROME);
  code.store('i64.store', vcpu.get(), va.get(), FAULT_VA);
  i32.const(TRANSLATE_FAULT);
  return index;
}

/**
 * `(va: i64, entry: i64, table: i32, log: i32)`: writes one TLB entry and logs it. `table` is the offset of the table in
 * the block, `log` that of the log.
 */
function emitFill(module: ModuleBuilder, vcpuGlobal: number): number {
  const { index, code } = module.function([I64_TYPE, I64_TYPE, I32_TYPE, I32_TYPE], []);
  const { i32 } = code.ops;
  const [va, entry] = [code.param<I64>(0), code.param<I64>(1)];
  const [table, log] = [code.param<I32>(2), code.param<I32>(3)];
  const vcpu = code.letI32(code.globalGet<I32>(vcpuGlobal));
  const at = code.letI32(
    i32.add(i32.add(vcpu.get(), table.get()), offsetOfEntry(code.ops, i32.wrap_i64(va.get()))),
  );
  code.store('i64.store', at.get(), entry.get());
  // The log was seen to have room before.
  const logAt = code.letI32(i32.add(vcpu.get(), log.get()));
  const count = code.letI32(code.load<I32>('i32.load', logAt.get()));
  const place = i32.add(logAt.get(), i32.shl(count.get(), i32.const(2)));
  code.store('i32.store', place, at.get(), 4);
  code.store('i32.store', logAt.get(), i32.add(count.get(), i32.const(1)));
  return index;
}

/**
 * `(va: i64, leaf: i32)`: notes that TLB entries may come from this mapping of 2^leaf bytes, more than a page. The guest
 * may invalidate it at any of its addresses, so all stretches of 2 MiB that it covers are marked. Data and fetch TLB
 * share the note.
 */
function emitMark(module: ModuleBuilder, vcpuGlobal: number): number {
  const { index, code } = module.function([I64_TYPE, I32_TYPE], []);
  const { i32, i64 } = code.ops;
  const va = code.param<I64>(0);
  const leaf = code.param<I32>(1);
  const stretch = code.letI32(i32.and(i32.wrap_i64(i64.shr_u(va.get(), i64.const(21))), i32.const(0x7ff)));
  const byte = code.letI32(i32.add(code.globalGet<I32>(vcpuGlobal), i32.shr_u(stretch.get(), i32.const(3))));
  const bit = code.letI32(i32.shl(i32.const(1), i32.and(stretch.get(), i32.const(7))));
  code.if(i32.le_u(leaf.get(), i32.const(21)), () => {
    const marked = code.letI32(i32.or(code.load<I32>('i32.load8_u', byte.get(), LARGE_MAPPINGS), bit.get()));
    code.store('i32.store8', byte.get(), marked.get(), LARGE_MAPPINGS);
    code.return();
  });
  // Sizes above 2 MiB are 32 MiB, 512 MiB and 1 GiB: whole bytes of the bitmap, which are marked together.
  const known = i32.and(code.load<I32>('i32.load8_u', byte.get(), HUGE_MAPPINGS), bit.get());
  code.if(i32.eqz(known), () => {
    const count = code.letI32(i32.shl(i32.const(1), i32.sub(leaf.get(), i32.const(24))));
    const inBitmap = i32.and(i32.shr_u(stretch.get(), i32.const(3)), i32.sub(i32.const(0), count.get()));
    const first = i32.add(i32.add(inBitmap, code.globalGet<I32>(vcpuGlobal)), i32.const(HUGE_MAPPINGS));
    code.memoryFill(first, i32.const(0xff), count.get());
  });
  return index;
}

function emitTranslate(
  module: ModuleBuilder,
  globals: { readonly vcpu: number; readonly vm: number },
  functions: {
    readonly findSlot: number;
    readonly syndrome: number;
    readonly fill: number;
    readonly mark: number;
    readonly sharedSlot: number;
    readonly dirty: number;
  },
): number {
  const { index, code } = module.function([I64_TYPE, I32_TYPE], [I32_TYPE], 'translate');
  const { i32, i64 } = code.ops;
  const va = code.param<I64>(0);
  const purpose = code.param<I32>(1);
  const vcpu = code.local<I32>(I32_TYPE);
  const pa = code.local<I64>(I64_TYPE);
  const descriptor = code.local<I64>(I64_TYPE);
  // Table attributes, accumulated: they only take away.
  const tables = code.local<I64>(I64_TYPE);
  const shift = code.local<I32>(I32_TYPE);
  const level = code.local<I32>(I32_TYPE);
  const half = code.local<I32>(I32_TYPE);
  const slot = code.local<I32>(I32_TYPE);
  const host = code.local<I32>(I32_TYPE);
  /** 1 = EL0's permissions apply. */
  const user = code.local<I32>(I32_TYPE);
  const mayWrite = code.local<I32>(I32_TYPE);
  /** 1 = Device memory, whose accesses must be aligned. */
  const device = code.local<I32>(I32_TYPE);
  const log = code.local<I32>(I32_TYPE);

  const word = (offset: number): I32 => code.load<I32>('i32.load', vcpu.get(), offset);
  const halfWord = (offset: number): I32 => code.load<I32>('i32.load', half.get(), REGIME_HALVES + offset);
  const kind = (): I32 => i32.and(purpose.get(), i32.const(3));
  const isKind = (value: number): I32 => i32.eq(kind(), i32.const(value));
  const bit = (value: Local<I64>, n: number): I32 =>
    i32.wrap_i64(i64.and(i64.shr_u(value.get(), i64.const(n)), i64.const(1)));
  const fault = (status: I32): void => {
    const value = code.letI32(status);
    code.call<I32>(functions.syndrome, va.get(), purpose.get(), value.get());
    code.return();
  };
  const levelFault = (status: number): void => fault(i32.or(i32.const(status), level.get()));
  const isTooLarge = (address: I64): I32 =>
    i64.ne(i64.shr_u(address, i64.extend_i32_u(word(REGIME_OUTPUT_BITS))), i64.const(0));
  const checkAlignment = (): void => {
    const unaligned = i32.ne(i32.and(purpose.get(), i32.const(TRANSLATE_UNALIGNED)), i32.const(0));
    code.if(i32.and(unaligned, device.get()), () => fault(i32.const(ALIGNMENT_FAULT)));
  };

  vcpu.set(code.globalGet<I32>(globals.vcpu));
  user.set(
    i32.or(
      i32.eqz(word(EL)),
      i32.ne(i32.and(purpose.get(), i32.const(TRANSLATE_UNPRIVILEGED)), i32.const(0)),
    ),
  );
  mayWrite.set(i32.const(1));
  log.set(i32.const(FILL_LOG_GLOBAL));
  shift.set(i32.const(12));
  half.set(i32.add(vcpu.get(), i32.mul(bit(va, 55), i32.const(REGIME_HALF_SIZE))));

  code.if(
    word(REGIME_MMU),
    () => {
      // The bits above the input size must be copies of bit 55, but for an ignored top byte.
      const inputBits = code.letI32(halfWord(HALF_INPUT_BITS));
      const hidden = i32.and(user.get(), halfWord(HALF_NOT_FOR_EL0));
      code.if(i32.or(i32.eqz(inputBits.get()), hidden), () => fault(i32.const(TRANSLATION_FAULT)));
      const topBits = code.letI64(i64.extend_i32_u(i32.shl(halfWord(HALF_TOP_BYTE_IGNORED), i32.const(3))));
      const upper = i64.shr_s(
        i64.shl(va.get(), topBits.get()),
        i64.add(topBits.get(), i64.extend_i32_u(inputBits.get())),
      );
      const extension = i64.sub(i64.const(0), i64.extend_i32_u(bit(va, 55)));
      code.if(i64.ne(upper, extension), () => fault(i32.const(TRANSLATION_FAULT)));

      level.set(halfWord(HALF_START_LEVEL));
      descriptor.set(code.load<I64>('i64.load', half.get(), REGIME_HALVES + HALF_TABLE));
      code.if(isTooLarge(descriptor.get()), () => fault(i32.const(ADDRESS_SIZE_FAULT)));
      // The first table may be short: its index is what is left of the input address.
      const indexMask = code.letI64(
        i64.sub(
          i64.shl(
            i64.const(1),
            i64.extend_i32_u(
              i32.sub(
                inputBits.get(),
                shift.tee(
                  i32.add(
                    halfWord(HALF_GRANULE),
                    i32.mul(
                      i32.sub(i32.const(3), level.get()),
                      i32.sub(halfWord(HALF_GRANULE), i32.const(3)),
                    ),
                  ),
                ),
              ),
            ),
          ),
          i64.const(1),
        ),
      );
      const leaf = code.block();
      const next = code.loop();
      const tableAddress = i64.and(descriptor.get(), i64.const(ADDRESS_MASK));
      const entryIndex = i64.and(i64.shr_u(va.get(), i64.extend_i32_u(shift.get())), indexMask.get());
      pa.set(i64.or(tableAddress, i64.shl(entryIndex, i64.const(3))));
      slot.set(code.call<I32>(functions.findSlot, code.globalGet<I32>(globals.vm), pa.get()));
      code.if(i32.eqz(slot.get()), () => levelFault(EXTERNAL_ABORT_ON_WALK));
      const hostOf = (): I32 =>
        i32.add(
          code.load<I32>('i32.load', slot.get(), MEMSLOT_USER_ADDRESS),
          i32.wrap_i64(i64.sub(pa.get(), code.load<I64>('i64.load', slot.get(), MEMSLOT_GPA))),
        );
      descriptor.set(code.load<I64>('i64.load', hostOf()));
      code.if(i32.eqz(bit(descriptor, 0)), () => levelFault(TRANSLATION_FAULT));
      code.if(
        i32.eq(level.get(), i32.const(3)),
        () => {
          code.if(i32.eqz(bit(descriptor, 1)), () => levelFault(TRANSLATION_FAULT));
          code.br(leaf);
        },
        () => {
          code.if(i32.eqz(bit(descriptor, 1)), () => {
            // A block: at level 2 of every granule, at level 1 of 4 KiB only.
            code.if(
              i32.or(
                i32.eq(level.get(), i32.const(2)),
                i32.and(i32.eq(level.get(), i32.const(1)), i32.eq(halfWord(HALF_GRANULE), i32.const(12))),
              ),
              () => code.br(leaf),
            );
            levelFault(TRANSLATION_FAULT);
          });
        },
      );
      tables.set(i64.or(tables.get(), descriptor.get()));
      // A table's address ends at the granule; what is below is not part of it.
      descriptor.set(
        i64.and(
          i64.and(descriptor.get(), i64.const(ADDRESS_MASK)),
          i64.shl(i64.const(-1), i64.extend_i32_u(halfWord(HALF_GRANULE))),
        ),
      );
      code.if(isTooLarge(descriptor.get()), () => levelFault(ADDRESS_SIZE_FAULT));
      level.set(i32.add(level.get(), i32.const(1)));
      shift.set(i32.sub(shift.get(), i32.sub(halfWord(HALF_GRANULE), i32.const(3))));
      indexMask.set(
        i64.sub(
          i64.shl(i64.const(1), i64.extend_i32_u(i32.sub(halfWord(HALF_GRANULE), i32.const(3)))),
          i64.const(1),
        ),
      );
      code.br(next);
      code.end();
      code.end();

      code.store('i64.store', vcpu.get(), descriptor.get(), WALK_LEAF);
      const size = code.letI64(i64.shl(i64.const(1), i64.extend_i32_u(shift.get())));
      code.store('i64.store', vcpu.get(), size.get(), WALK_SIZE);
      const offsetMask = code.letI64(i64.sub(size.get(), i64.const(1)));
      pa.set(
        i64.or(
          i64.and(
            i64.and(descriptor.get(), i64.const(ADDRESS_MASK)),
            i64.xor(offsetMask.get(), i64.const(-1)),
          ),
          i64.and(va.get(), offsetMask.get()),
        ),
      );
      code.if(isTooLarge(pa.get()), () => levelFault(ADDRESS_SIZE_FAULT));
      code.if(i32.eqz(bit(descriptor, DESC_ACCESS)), () => levelFault(ACCESS_FLAG_FAULT));
      // MAIR_EL1 has a byte for each index; 0b0000dd00 is Device.
      const attribute = i64.shr_u(
        code.load<I64>('i64.load', vcpu.get(), MAIR_EL1),
        i64.and(
          i64.shl(i64.shr_u(descriptor.get(), i64.const(DESC_ATTRIBUTE_INDEX)), i64.const(3)),
          i64.const(0x38),
        ),
      );
      device.set(i64.eqz(i64.and(attribute, i64.const(0xf0))));
      checkAlignment();
      const userAccess = code.letI32(
        i32.and(bit(descriptor, DESC_USER), i32.eqz(bit(tables, TABLE_NO_USER))),
      );
      const writable = code.letI32(
        i32.eqz(i32.or(bit(descriptor, DESC_READ_ONLY), bit(tables, TABLE_READ_ONLY))),
      );
      const permission = (allowed: I32): void => {
        code.if(i32.eqz(allowed), () => levelFault(PERMISSION_FAULT));
      };
      mayWrite.set(i32.and(writable.get(), i32.or(userAccess.get(), i32.eqz(user.get()))));
      code.if(
        isKind(TRANSLATE_FETCH),
        () => {
          code.if(
            user.get(),
            () => {
              // Not userAccess: a page may be executable and not readable.
              permission(i32.eqz(i32.or(bit(descriptor, DESC_UXN), bit(tables, TABLE_UXN))));
            },
            () => {
              // EL1 never executes what EL0 may write.
              permission(
                i32.eqz(
                  i32.or(
                    i32.or(bit(descriptor, DESC_PXN), bit(tables, TABLE_PXN)),
                    i32.and(userAccess.get(), writable.get()),
                  ),
                ),
              );
            },
          );
          permission(i32.eqz(i32.and(word(REGIME_WXN), mayWrite.get())));
        },
        () => {
          permission(i32.or(userAccess.get(), i32.eqz(user.get())));
          code.if(isKind(TRANSLATE_WRITE), () => permission(mayWrite.get()));
        },
      );
      code.if(bit(descriptor, DESC_NON_GLOBAL), () => log.set(i32.const(FILL_LOG_NON_GLOBAL)));
    },
    () => {
      const ignored = (): I64 => i64.extend_i32_u(i32.shl(halfWord(HALF_TOP_BYTE_IGNORED), i32.const(3)));
      pa.set(i64.shr_u(i64.shl(va.get(), ignored()), ignored()));
      code.if(i64.ne(i64.shr_u(pa.get(), i64.const(PHYSICAL_BITS)), i64.const(0)), () =>
        fault(i32.const(ADDRESS_SIZE_FAULT)),
      );
      device.set(i32.const(1));
      checkAlignment();
      code.store('i64.store', vcpu.get(), i64.const(0), WALK_LEAF);
      code.store('i64.store', vcpu.get(), i64.const(1n << BigInt(PHYSICAL_BITS)), WALK_SIZE);
    },
  );

  code.store('i64.store', vcpu.get(), pa.get(), FAULT_PA);
  slot.set(code.call<I32>(functions.findSlot, code.globalGet<I32>(globals.vm), pa.get()));
  const flags = (): I32 => code.load<I32>('i32.load', slot.get(), MEMSLOT_FLAGS);
  code.if(i32.eqz(slot.get()), () => {
    code.if(isKind(TRANSLATE_FETCH), () => fault(i32.const(EXTERNAL_ABORT)));
    code.store('i64.store', vcpu.get(), va.get(), FAULT_VA);
    i32.const(TRANSLATE_NO_MEMORY);
    code.return();
  });
  host.set(
    i32.add(
      code.load<I32>('i32.load', slot.get(), MEMSLOT_USER_ADDRESS),
      i32.wrap_i64(i64.sub(pa.get(), code.load<I64>('i64.load', slot.get(), MEMSLOT_GPA))),
    ),
  );
  code.if(i32.gt_u(shift.get(), i32.const(12)), () => code.call(functions.mark, va.get(), shift.get()));
  code.if(isKind(TRANSLATE_FETCH), () => {
    host.get();
    code.return();
  });
  code.if(
    i32.and(isKind(TRANSLATE_WRITE), i32.ne(i32.and(flags(), i32.const(KVM_MEM_READONLY)), i32.const(0))),
    () => {
      code.store('i64.store', vcpu.get(), va.get(), FAULT_VA);
      i32.const(TRANSLATE_NO_MEMORY);
      code.return();
    },
  );

  code.if(i32.and(purpose.get(), i32.const(TRANSLATE_PROBE)), () => {
    host.get();
    code.return();
  });
  code.if(isKind(TRANSLATE_WRITE), () => {
    const logged = code.letI32(
      code.select(slot.get(), i32.const(0), i32.and(flags(), i32.const(KVM_MEM_LOG_DIRTY_PAGES))),
    );
    // The memslots of a secure runtime have no log of their own.
    const guest = code.letI32(code.load<I32>('i32.load', code.globalGet<I32>(globals.vm), GUEST_VM));
    code.if(i32.ne(guest.get(), i32.const(0)), () =>
      logged.set(code.call<I32>(functions.sharedSlot, slot.get(), guest.get(), pa.get())),
    );
    code.if(i32.ne(logged.get(), i32.const(0)), () => {
      code.if(code.call<I32>(functions.dirty, logged.get(), pa.get()), () => {
        i32.const(TRANSLATE_AGAIN);
        code.return();
      });
    });
  });

  // A hit does not know what memory it is, nor does it look at SP's alignment, so where accesses must be aligned there is
  // an entry only if all must: REGIME_ALIGNED. And a full log is emptied by its reader; until then this page is translated
  // at every access.
  const logged = code.load<I32>('i32.load', i32.add(vcpu.get(), log.get()));
  code.if(
    i32.or(
      i32.gt_u(logged, i32.const(FILL_LOG_CAPACITY - 2)),
      i32.or(i32.and(device.get(), word(REGIME_MMU)), word(REGIME_STACK_FAULTS)),
    ),
    () => {
      host.get();
      code.return();
    },
  );
  const page = (value: I64): I64 => i64.and(value, i64.const(-4096));
  const entry = code.letI64(i64.sub(page(i64.extend_i32_u(host.get())), page(va.get())));
  code.if(i64.eq(code.load<I64>('i64.load', vcpu.get(), LAST_ENTRY), entry.get()), () =>
    code.store('i64.store', vcpu.get(), entry.get(), LIKELY_ENTRY),
  );
  code.store('i64.store', vcpu.get(), entry.get(), LAST_ENTRY);
  const level1Tables = i32.mul(i32.eqz(user.get()), i32.const(2 * TLB_TABLE_SIZE));
  const table = code.letI32(i32.add(level1Tables, i32.const(TLB)));
  code.call(functions.fill, va.get(), entry.get(), table.get(), log.get());
  code.if(i32.and(isKind(TRANSLATE_WRITE), i32.eqz(i32.and(flags(), i32.const(KVM_MEM_READONLY)))), () => {
    table.set(i32.add(table.get(), i32.const(TLB_TABLE_SIZE)));
    code.call(functions.fill, va.get(), entry.get(), table.get(), log.get());
  });
  host.get();
  return index;
}
