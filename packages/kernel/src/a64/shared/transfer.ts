/** Transfers of one general register. Source: Arm DDI 0487, C4.1.95 "Load/store register", fields `size` and `opc`. */
import type { AccessForm } from '../emitter.ts';

/** What a single transfer is, by `size:opc`; null = not allocated, or PRFM, which has rows of its own. */
export const TRANSFERS = [
  'strb',
  'ldrb',
  'ldrsb64',
  'ldrsb32',
  'strh',
  'ldrh',
  'ldrsh64',
  'ldrsh32',
  'str32',
  'ldr32',
  'ldrsw',
  null,
  'str64',
  'ldr64',
  null,
  null,
] as const;
export type Transfer = Exclude<(typeof TRANSFERS)[number], null>;

/** An access and its direction. */
export interface TransferForm extends AccessForm {
  readonly load: boolean;
}

export const FORMS: { readonly [T in Transfer]: TransferForm } = {
  strb: { load: false, size: 0, syndrome: 32 },
  ldrb: { load: true, size: 0, syndrome: 32 },
  ldrsb64: { load: true, size: 0, signed: 64, syndrome: 64 },
  ldrsb32: { load: true, size: 0, signed: 32, syndrome: 32 },
  strh: { load: false, size: 1, syndrome: 32 },
  ldrh: { load: true, size: 1, syndrome: 32 },
  ldrsh64: { load: true, size: 1, signed: 64, syndrome: 64 },
  ldrsh32: { load: true, size: 1, signed: 32, syndrome: 32 },
  str32: { load: false, size: 2, syndrome: 32 },
  ldr32: { load: true, size: 2, syndrome: 32 },
  ldrsw: { load: true, size: 2, signed: 64, syndrome: 64 },
  str64: { load: false, size: 3, syndrome: 64 },
  ldr64: { load: true, size: 3, syndrome: 64 },
};

export const ALL_TRANSFERS = TRANSFERS.filter((transfer) => transfer !== null);
