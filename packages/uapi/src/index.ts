export type { Process, Syscalls } from './syscalls.ts';
export { array, bytes, s16, s32, struct, u16, u32, u64, u64n, u8 } from './layout.ts';
export type { Bytes, Field, Fields, Struct, Values } from './layout.ts';
