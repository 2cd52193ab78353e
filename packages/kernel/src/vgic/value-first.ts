/** Attributes of a GIC whose value is looked at before all else. */
import { releases } from '../state/profile.ts';

/** SET reads the value before it looks for the vCPU, and GET of an address reads what it will overwrite. */
export const VALUE_FIRST = releases({ until: '6.0' });
