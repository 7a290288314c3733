/** For what runs alone, without a client around it. */

import type { EventSink } from '../../src/core/eventSink.js';

export const noEvents: EventSink<never> = { observed: false, next: () => undefined };
