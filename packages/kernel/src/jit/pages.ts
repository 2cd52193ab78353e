/**
 * The pages that a region runs through: one, those beside it in virtual memory, and those of functions that are inlined.
 * Ops are numbered by their instructions' addresses: from 0 in the page of the hot one, on in the pages behind, and with
 * negative numbers in those before.
 */
import { OPS_PER_PAGE } from '../interp/uop.ts';

/** The ops of one decoded page, with the handlers they have where no region begins. */
export interface DecodedPage {
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
}

/** Decoded pages by their distance from the one that is asked about, in pages of virtual memory. */
export type Pages = ReadonlyMap<number, DecodedPage>;

/** Which page an op is in: a key of {@link Pages}. */
export const pageOf = (index: number): number => Math.floor(index / OPS_PER_PAGE);

/** An op lies in no page that is beside that of another, nor in the same. */
export const isFar = (from: number, to: number): boolean => Math.abs(pageOf(to) - pageOf(from)) > 1;

/** Index of the first op of a page. */
export const startOf = (page: number): number => page * OPS_PER_PAGE;

/** By page: how much further its ops lie than if all pages' lay one behind the other, in bytes. */
export type Distances = ReadonlyMap<number, number>;

/** How much further the ops of a page lie from those of another than their numbers say, in bytes. */
export const detour = (distances: Distances, from: number, to: number): number =>
  (distances.get(to) ?? 0) - (distances.get(from) ?? 0);
