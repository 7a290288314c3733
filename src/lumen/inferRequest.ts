/** What a user asks of a node, and the checks that need no node. */

import { FleetError } from '../core/fleetError.js';
import { tensorMeta, tensorMime, type TensorInput } from './tensorInput.js';

/** One inference. */
export interface InferRequest {
  /**
   * The task, such as `ocr`. Nodes of different makes name the same work differently: of several names, the first that
   * some node offers is used.
   */
  readonly task: string | readonly string[];
  /** The input; text goes as UTF-8. Must not be empty. */
  readonly payload: Uint8Array | string;
  /**
   * The MIME type of the payload. Default: `text/plain` for text and for text tasks, `application/octet-stream` for a
   * tensor; for other bytes it must be given.
   */
  readonly mime?: string;
  /** Goes only to nodes that have this model, as meta `lumen.model.id`. */
  readonly model?: string;
  /** Goes only to this service of a node, as meta `service`. Default: filled in where a node has several. */
  readonly service?: string;
  /** Options of the task. */
  readonly meta?: Readonly<Record<string, string>>;
  /** Set when the payload is a tensor and not a file. */
  readonly tensor?: TensorInput;
  /** Names the call in the logs of both sides. Default: a random UUID. */
  readonly correlationId?: string;
}

/** A request that passed the checks, complete but for what depends on the node. */
export interface PreparedRequest {
  readonly tasks: readonly string[];
  readonly payload: Uint8Array;
  readonly mime: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly model: string | undefined;
  readonly service: string | undefined;
  readonly tensor: TensorInput | undefined;
  readonly correlationId: string;
}

const utf8 = new TextEncoder();
const textTask = /(^|_)text_(embed|generation)$|^semantic_text_embed$/;
/** The tasks of the hub that take pictures; it refuses other payloads. */
const imageTasks: ReadonlySet<string> = new Set([
  'semantic_image_embed',
  'bioclip_classify',
  'ocr',
  'face_recognition',
]);
const imageMimes: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/webp', 'image/avif']);

/**
 * Checks a request and fills in its defaults.
 *
 * @throws FleetError `INVALID_ARGUMENT` saying what is wrong and what to do; nothing was sent.
 */
export function prepareRequest(request: InferRequest, newId: () => string): PreparedRequest {
  const tasks = typeof request.task === 'string' ? [request.task] : [...(request.task ?? [])];
  if (tasks.length === 0 || tasks.some((task) => typeof task !== 'string' || task.trim() === '')) {
    throw invalid('request.task must name a task, such as "ocr"');
  }
  const name = `request for task ${tasks[0]}`;
  const { payload } = request;
  if (typeof payload !== 'string' && !(payload instanceof Uint8Array)) {
    throw invalid(`the payload of the ${name} must be text or a Uint8Array`);
  }
  const bytes = typeof payload === 'string' ? utf8.encode(payload) : payload;
  if (bytes.length === 0) throw invalid(`the payload of the ${name} is empty: give the text or the bytes to work on`);

  const mime = mimeOf(request, tasks);
  if (!mime) throw invalid(`the ${name} needs a MIME type: set request.mime, such as "image/jpeg"`);
  const tensor = request.tensor ? tensorMeta(request.tensor, bytes.length) : {};
  const wrong = tasks.map((task) => wrongMime(task, mime, request.tensor !== undefined)).find((text) => text);
  if (wrong) throw invalid(wrong);

  return {
    tasks,
    payload: bytes,
    mime,
    meta: {
      ...request.meta,
      ...tensor,
      ...(request.model === undefined ? {} : { 'lumen.model.id': request.model }),
      ...(request.service === undefined ? {} : { service: request.service }),
    },
    model: request.model ?? request.meta?.['lumen.model.id'],
    service: request.service ?? request.meta?.['service'],
    tensor: request.tensor,
    correlationId: request.correlationId || newId(),
  };
}

function mimeOf({ mime, payload, tensor }: InferRequest, tasks: readonly string[]): string | undefined {
  if (mime !== undefined) return mime.trim();
  if (tensor) return tensorMime;
  return typeof payload === 'string' || tasks.every((task) => textTask.test(task)) ? 'text/plain' : undefined;
}

/** The rules of the Go client, which the hub enforces. */
function wrongMime(task: string, mime: string, tensor: boolean): string | undefined {
  const type = mime.split(';', 1)[0]!.trim().toLowerCase();
  if (type === 'application/vnd.lumen.tensor+json') {
    return `${type} is no longer spoken: describe the tensor in request.tensor and send its bytes`;
  }
  if (tensor) {
    return type === tensorMime ? undefined : `a tensor goes as ${tensorMime}, not ${mime}`;
  }
  if (task === 'semantic_text_embed' && type !== 'text/plain') return `task ${task} takes text/plain, not ${mime}`;
  if (imageTasks.has(task) && !imageMimes.has(type)) {
    return `task ${task} takes ${[...imageMimes].join(', ')} or a tensor, not ${mime}`;
  }
  return undefined;
}

function invalid(message: string): FleetError {
  return new FleetError('INVALID_ARGUMENT', message, { sent: false });
}
