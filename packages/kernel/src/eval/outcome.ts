/** How the evaluator meets the world: where memory is, and how an instruction ended. */

/** An access as the port sees it: it never crosses a page. */
export interface Access {
  readonly address: bigint;
  readonly bytes: number;
  readonly kind: 'read' | 'write';
  readonly unprivileged: boolean;
}

/** Where guest memory is. */
export interface EvaluatorMemory {
  /** @returns the host address of the bytes in process memory, or -1 if the access faults */
  translate(access: Access): number;
}

/** How an instruction ended. Only `next` and `branch` have moved the pc. */
export type Outcome =
  | { readonly kind: 'next' | 'branch' }
  | { readonly kind: 'undefined' | 'fp_trap' | 'exception_return' | 'system_register' }
  | { readonly kind: 'fault' | 'alignment'; readonly access: Access }
  | {
      readonly kind: 'exception';
      readonly exceptionClass: number;
      readonly iss: number;
      readonly after: boolean;
    }
  | { readonly kind: 'hypercall'; readonly conduit: 'hvc' | 'smc'; readonly immediate: number }
  | { readonly kind: 'wait'; readonly event: 'wfi' | 'wfe' };

/** Carries an outcome out of a definition. */
export class Leave extends Error {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super(outcome.kind);
    this.outcome = outcome;
  }
}
