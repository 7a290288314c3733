/** Attributes as one text, whatever their order. */

import type { Attributes } from '@opentelemetry/api';

export function attributesKey(attributes: Attributes): string {
  return JSON.stringify(Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1)));
}
