import { create } from '@bufbuild/protobuf';
import { methodOf } from '../../src/core/method.js';
import { Greeter, HelloReplySchema, HelloRequestSchema } from '../../src/gen/demo/greeter_pb.js';
import { Health } from '../../src/gen/grpc/health_pb.js';
import { Inference } from '../../src/gen/lumen/inference_pb.js';

describe('methodOf', () => {
  it.each([
    [Greeter.method.sayHello, '/demo.Greeter/SayHello', 'unary'],
    [Greeter.method.lotsOfReplies, '/demo.Greeter/LotsOfReplies', 'serverStreaming'],
    [Greeter.method.chat, '/demo.Greeter/Chat', 'bidiStreaming'],
    [Health.method.watch, '/grpc.health.v1.Health/Watch', 'serverStreaming'],
    [Inference.method.infer, '/home_native.v1.Inference/Infer', 'bidiStreaming'],
  ])('knows the path and the shape of a method (%#)', (descriptor, path, kind) => {
    expect(methodOf(descriptor)).toMatchObject({ path, kind });
    expect(methodOf(descriptor)).toBe(methodOf(descriptor));
  });

  it('finds every shape among the methods of the Greeter', () => {
    const kinds = Object.values(Greeter.method).map((descriptor) => methodOf(descriptor).kind);
    expect(new Set(kinds)).toEqual(new Set(['unary', 'serverStreaming', 'clientStreaming', 'bidiStreaming']));
  });

  it('makes, writes and reads messages', () => {
    const method = methodOf(Greeter.method.sayHello);
    const request = method.message({ name: 'Ada' });
    expect(request).toEqual(create(HelloRequestSchema, { name: 'Ada' }));
    // Whole messages pass as they are.
    expect(method.message(request)).toBe(request);
    const reply = create(HelloReplySchema);
    const bytes = methodOf({ ...Greeter.method.sayHello, input: HelloReplySchema } as never).encode(reply as never);
    expect(method.decode(bytes)).toEqual(reply);
  });

  it('calls a method safe to repeat only when its proto says so', () => {
    const idempotency = Object.values(Greeter.method).map((descriptor) => methodOf(descriptor).idempotency);
    expect(idempotency.every((each) => ['unknown', 'noSideEffects', 'idempotent'].includes(each))).toBe(true);
    expect(methodOf({ ...Greeter.method.sayHello, idempotency: 1 } as never).idempotency).toBe('noSideEffects');
    expect(methodOf({ ...Greeter.method.sayHello, idempotency: 2 } as never).idempotency).toBe('idempotent');
    expect(methodOf({ ...Greeter.method.sayHello, idempotency: 0 } as never).idempotency).toBe('unknown');
  });
});
