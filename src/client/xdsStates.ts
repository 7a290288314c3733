/** Where the xDS clients among the discoveries stand, for those who begin to look later. */

import type { XdsEvent, XdsState } from '../discovery/xds/xdsEvent.js';

export class XdsStates {
  readonly #states = new Map<number, XdsState>();

  take(event: XdsEvent): void {
    if (event.type !== 'state') return;
    if (event.servers.length > 0) this.#states.set(event.client, event);
    else this.#states.delete(event.client);
  }

  all(): readonly XdsState[] {
    return [...this.#states.values()];
  }
}
