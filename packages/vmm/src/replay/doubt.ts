/** A step that was not answered as the trace has it. */
import type { Difference } from './compare.ts';
import type { JsonObject } from './json.ts';
import type { Scenario, Step } from './scenario.ts';
import type { Observations, Session } from './session.ts';

/** One difference, and all there is to judge it by. */
export interface Doubt {
  readonly session: Session;
  readonly scenario: Scenario;
  readonly step: Step;
  /** What the trace has of the step. */
  readonly expected: JsonObject;
  /** What was seen. */
  readonly got: Observations;
  readonly difference: Difference;
  /** What the kernel answers for a capability. */
  readonly capability: (number: number) => number;
}

/** Why a difference is the machine's. */
export interface Excuse {
  /** Names the feature, the register or the capability. */
  readonly reason: string;
  /** What comes after it on the same VM cannot be compared either. */
  readonly onward?: boolean;
}

/** Looks for an excuse of one kind. */
export type Rule = (doubt: Doubt) => Excuse | undefined;
