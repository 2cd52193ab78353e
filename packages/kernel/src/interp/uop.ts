/**
 * The decoded op: sixteen bytes, `{u16 handler, u16 a, u16 b, u16 c, i64 imm}`.
 *
 * A decoded page is 1024 ops and a page-end op, keyed by the user page that holds the code. An op's place gives its
 * pc, so nothing in it depends on the virtual address: all mappings of a page share it.
 */
export const OP_A = 2;
export const OP_B = 4;
export const OP_C = 6;
/** Of a branch to a register: where it went the last times, which is for the compiler. See jit/targets.ts. */
export const OP_IMM = 8;
export const OP_SIZE = 16;

/** Of such a branch: bits that say how many instructions it went ahead, the last time the lowest ones. */
export const TARGET_BITS = 16;

export const OPS_PER_PAGE = 1024;
/** Ops, then the page-end op; its immediate is the address of the user page. */
export const DECODED_PAGE_SIZE = (OPS_PER_PAGE + 1) * OP_SIZE;

/** Handlers that are not instructions. A fresh op is all zero: decode me. */
export const HANDLER_DECODE = 0;
export const HANDLER_PAGE_END = 1;
/** The word is not allocated. */
export const HANDLER_UNDEFINED = 2;
/** Go to the pc word: the op of the vCPU state that every stay in guest code begins with. */
export const HANDLER_ENTER = 3;
export const SPECIAL_HANDLERS = 4;
