/** A Lumen client of grpc-js alone: it sends what it is told and gives back what came, so that a test can judge the node. */

import {
  create,
  fromBinary,
  toBinary,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { Health, type HealthCheckResponse } from '../../src/gen/grpc/health_pb.js';
import {
  Inference,
  InferRequestSchema,
  type Capability,
  type InferRequest,
  type InferResponse,
} from '../../src/gen/lumen/inference_pb.js';

export type RequestInit = MessageInitShape<typeof InferRequestSchema>;

/** How a call ended: its messages, and the number of its status. */
export interface Answer<T> {
  readonly messages: readonly T[];
  readonly code: number;
  readonly details: string;
}

export interface InferStream {
  /** What has come so far. */
  readonly messages: readonly InferResponse[];
  send(request: RequestInit): void;
  halfClose(): void;
  cancel(): void;
  /** Resolves with the first message that is not there yet. */
  readonly next: () => Promise<InferResponse>;
  readonly end: Promise<Answer<InferResponse>>;
}

const text = new TextDecoder();

export class BareClient {
  readonly #client: Client;

  constructor(address: string, maxReceiveBytes = 64 * 1024 * 1024) {
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': maxReceiveBytes,
      'grpc.max_send_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  /** Opens an `Infer` stream. */
  open(): InferStream {
    const { path, write, read } = codec(Inference.method.infer);
    const call = this.#client.makeBidiStreamRequest<InferRequest, InferResponse>(path, write, read);
    const messages: InferResponse[] = [];
    const waiting: ((message: InferResponse) => void)[] = [];
    call.on('data', (message: InferResponse) => {
      messages.push(message);
      waiting.shift()?.(message);
    });
    const end = new Promise<Answer<InferResponse>>((resolve) => {
      call.on('error', (error: ServiceError) => resolve({ messages, code: error.code, details: error.details }));
      call.on('status', ({ code, details }) => code === 0 && resolve({ messages, code, details }));
    });
    return {
      messages,
      send: (request) => void call.write(create(InferRequestSchema, request)),
      halfClose: () => call.end(),
      cancel: () => call.cancel(),
      next: () => new Promise((resolve) => waiting.push(resolve)),
      end,
    };
  }

  /** Sends the messages, half-closes, and waits for the end. */
  infer(...requests: readonly RequestInit[]): Promise<Answer<InferResponse>> {
    const stream = this.open();
    for (const request of requests) stream.send(request);
    stream.halfClose();
    return stream.end;
  }

  streamCapabilities(): Promise<Answer<Capability>> {
    return this.#stream(Inference.method.streamCapabilities, create(EmptySchema));
  }

  getCapabilities(): Promise<Answer<Capability>> {
    return this.#stream(Inference.method.getCapabilities, create(EmptySchema));
  }

  health(): Promise<Answer<unknown>> {
    return this.#stream(Inference.method.health, create(EmptySchema));
  }

  check(service = ''): Promise<Answer<HealthCheckResponse>> {
    return this.#stream(Health.method.check, create(Health.method.check.input, { service }));
  }

  /** Gives each status to `onStatus`; resolves when the node ends it. */
  watch(service: string, onStatus: (status: number) => void): Promise<Answer<HealthCheckResponse>> {
    return this.#stream(Health.method.watch, create(Health.method.watch.input, { service }), ({ status }) =>
      onStatus(status),
    );
  }

  close(): void {
    this.#client.close();
  }

  /** On the wire a unary call is a stream of one. */
  #stream<D extends DescMethod>(
    method: D,
    request: MessageShape<D['input']>,
    onMessage: (message: MessageShape<D['output']>) => void = () => {},
  ): Promise<Answer<MessageShape<D['output']>>> {
    const { path, write, read } = codec(method);
    const call = this.#client.makeServerStreamRequest(path, write, read, request);
    const messages: MessageShape<D['output']>[] = [];
    call.on('data', (message: MessageShape<D['output']>) => {
      messages.push(message);
      onMessage(message);
    });
    return new Promise((resolve) => {
      call.on('error', (error: ServiceError) => resolve({ messages, code: error.code, details: error.details }));
      call.on('status', ({ code, details }) => code === 0 && resolve({ messages, code, details }));
    });
  }
}

/** Joins the results of all messages. */
export function bytesOf(messages: readonly InferResponse[]): Uint8Array {
  return Buffer.concat(messages.map(({ result }) => result));
}

export function textOf(messages: readonly InferResponse[]): string {
  return text.decode(bytesOf(messages));
}

export function jsonOf(message: InferResponse): Record<string, never> {
  return JSON.parse(text.decode(message.result)) as Record<string, never>;
}

function codec<D extends DescMethod>({ input, output, parent, name }: D) {
  return {
    path: `/${parent.typeName}/${name}`,
    write: (message: MessageShape<D['input']>) => Buffer.from(toBinary(input, message)),
    read: (bytes: Buffer) => fromBinary(output, bytes) as MessageShape<D['output']>,
  };
}
