/** The makes of Lumen node: they share one proto and differ in nearly everything else. */

/**
 * - `hub`: the Rust hub. Status codes; reads until half-close, one request a stream; `grpc.health.v1`.
 * - `python`: one of the single Python servers. Errors inside answers that end as OK; several requests a stream.
 * - `pythonHub`: the Python hub. As `python`, but knows no `StreamCapabilities` and gives no version.
 */
export type LumenFlavour = 'hub' | 'python' | 'pythonHub';

/** The TXT record that this make announces. Python servers make up an id for each run. */
export function txtOf(flavour: LumenFlavour, newId: () => string): Readonly<Record<string, string>> {
  return flavour === 'hub' ? { v: '0.1.2', runtime: 'cpu' } : { uuid: newId(), status: 'ready', version: '1.0.0' };
}
