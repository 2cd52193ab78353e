/**
 * How a table in guest memory is cached and shared: fields of the registers that hold its address. Tables are cached and
 * inner shareable, whatever the guest asks. Source: arch/arm64/kvm/vgic/vgic-mmio-v3.c; the fields, Arm IHI 0069.
 */
export interface AttributeFields {
  /** Lowest bit of the inner cacheability, and of the outer one, in 64 bits. */
  readonly inner: number;
  readonly outer: number;
}

/** GICR_PROPBASER and GICR_PENDBASER. */
export const REDISTRIBUTOR_FIELDS: AttributeFields = { inner: 7, outer: 56 };
/** GITS_CBASER and GITS_BASERn. */
export const ITS_FIELDS: AttributeFields = { inner: 59, outer: 53 };

const SHAREABILITY_SHIFT = 10;
const INNER_SHAREABLE = 1;
const OUTER_SHAREABLE = 2;
const NON_CACHEABLE = 1;
const READ_ALLOCATE_WRITE_BACK = 3;

/** Lower word of GICR_PROPBASER and GICR_PENDBASER before anyone writes them: cached and inner shareable, too. */
export const INITIAL_TABLE =
  (READ_ALLOCATE_WRITE_BACK << REDISTRIBUTOR_FIELDS.inner) | (INNER_SHAREABLE << SHAREABILITY_SHIFT);

/** Replaces the field of `mask << shift` in a word. */
function replace(word: number, shift: number, mask: number, change: (field: number) => number): number {
  const field = (word >>> shift) & mask;
  return (word & ~(mask << shift)) | (change(field) << shift);
}

const innerOf = (field: number): number => (field <= NON_CACHEABLE ? READ_ALLOCATE_WRITE_BACK : field);
const outerOf = (field: number): number => (field === NON_CACHEABLE ? field : 0); // 0 = as the inner one
const shareabilityOf = (field: number): number => (field === OUTER_SHAREABLE ? INNER_SHAREABLE : field);

/** What becomes of the lower word of such a register. */
export function sanitiseLow(word: number, { inner }: AttributeFields): number {
  const shared = replace(word, SHAREABILITY_SHIFT, 3, shareabilityOf);
  return inner < 32 ? replace(shared, inner, 7, innerOf) : shared;
}

/** And of the upper word. */
export function sanitiseHigh(word: number, { inner, outer }: AttributeFields): number {
  const cached = replace(word, outer - 32, 7, outerOf);
  return inner < 32 ? cached : replace(cached, inner - 32, 7, innerOf);
}
