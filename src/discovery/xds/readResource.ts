/** What comes of reading a resource. */

/** Either `facts`, or at least one of `errors`. */
export interface ReadResource<T> {
  /** Empty when it was not legible. */
  readonly name: string;
  readonly facts?: T;
  /** Why the resource is refused; goes to the control plane. */
  readonly errors?: readonly string[];
  /** What is valid but not followed here, in sentences for the user. */
  readonly notes?: readonly string[];
}

/** The facts when there are no errors. */
export function readAs<T>(
  name: string,
  facts: T,
  errors: readonly string[],
  notes: readonly string[] = [],
): ReadResource<T> {
  return errors.length > 0 ? { name, errors } : { name, facts, notes };
}

/** The largest sum of weights that xDS allows. */
export const maxWeight = 4_294_967_295;
