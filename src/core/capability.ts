/** What a node says that it can do. */

/** One task of a service, such as `ocr`. */
export interface TaskCapability {
  readonly name: string;
  readonly inputMimes: readonly string[];
  readonly outputMimes: readonly string[];
  readonly limits: Readonly<Record<string, string>>;
  /** Id of the preprocessing that the tensor fast path of this task expects; empty when it has none. */
  readonly tensorPreprocessId: string;
  readonly tensorBatchingSupported: boolean;
}

/** One service of a node, with its models and tasks. */
export interface Capability {
  readonly service: string;
  readonly models: readonly string[];
  /** Such as `onnxrt-cuda`; informative. */
  readonly runtime: string;
  /** How many requests the service says it serves at once; advisory, 0 when it does not say. */
  readonly maxConcurrency: number;
  readonly precisions: readonly string[];
  readonly tasks: readonly TaskCapability[];
  /** Empty for nodes from before protocol versions. */
  readonly protocolVersion: string;
  readonly extra: Readonly<Record<string, string>>;
}
