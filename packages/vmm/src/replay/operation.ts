/** A row of the table of operations. */
import type { InputValues, Inputs } from './input.ts';
import type { Observations, Session } from './session.ts';

/** What a step can do. */
export interface Operation {
  readonly name: string;
  readonly inputs: Inputs;
  readonly perform: (session: Session, inputs: Readonly<Record<string, unknown>>) => Observations;
}

/** Makes a row whose `perform` is typed by its inputs. */
export const operation = <const I extends Inputs>(
  name: string,
  inputs: I,
  perform: (session: Session, inputs: InputValues<I>) => Observations,
): Operation => ({ name, inputs, perform: perform as Operation['perform'] });
