/** Where events go: nowhere and for nothing, unless somebody looks. */

/** A `Subject` is one. Whoever has an event looks at `observed` first, and makes none where it is false. */
export interface EventSink<E> {
  readonly observed: boolean;
  next(event: E): void;
}
