/** An AIO server on virtual time: each answer takes two frames, and what it answers is up to the case. */

import { create } from '@bufbuild/protobuf';
import { concat, defer, map, NEVER, Observable, of, Subject, take, timer, type SchedulerLike } from 'rxjs';
import type { Transport } from '../../src/core/channel.js';
import { AioAccess } from '../../src/discovery/aio/access.js';
import type { AioAccessOptions } from '../../src/discovery/aio/aioAccessOptions.js';
import { ListServicesResponseSchema, RegistryService } from '../../src/gen/aio/registry_pb.js';
import { ClientAuthService } from '../../src/gen/aio/user_pb.js';
import { fakeChannel, type FakeCall, type WireEvent } from '../../test/core/fakeChannel.js';

/** What a method answers to its `n`-th call, 1 the first; a text is the name of the status it fails with; undefined: nothing, for ever. */
export type Answer = (n: number, request: Record<string, unknown>) => object | string | undefined;

export interface DrawnAio {
  readonly access: AioAccess;
  /** Each call and each heartbeat as it arrives: `ListServices`, `beat KEY`. */
  readonly arrived$: Observable<string>;
}

const answerMs = 2;

/** `answers` by method name, `Heartbeat` for one beat; what is not named is answered well. */
export function drawnAio(
  scheduler: SchedulerLike,
  answers: Readonly<Record<string, Answer>> = {},
  options: Partial<AioAccessOptions> = {},
): DrawnAio {
  const arrived$ = new Subject<string>();
  const counts: Record<string, number> = {};
  const outputs = new Map(
    [...RegistryService.methods, ...ClientAuthService.methods].map(({ name, output }) => [name, output]),
  );
  const answered = (name: string, request: Record<string, unknown>): Observable<WireEvent> => {
    const n = (counts[name] = (counts[name] ?? 0) + 1);
    const answer = answers[name]?.(n, request) ?? (name in answers ? undefined : wellAnswered(name, n, scheduler));
    if (answer === undefined) return NEVER;
    if (typeof answer === 'string') {
      return timer(answerMs, scheduler).pipe(map(() => ({ end: { code: answer as 'UNAVAILABLE' } })));
    }
    const output = outputs.get(name) ?? RegistryService.method.heartbeatStream.output;
    return timer(answerMs, scheduler).pipe(map(() => ({ message: create(output, answer as never) })));
  };
  /** A stream answers each message by one, in order. */
  const beats = (call: FakeCall): Observable<WireEvent> =>
    new Observable<WireEvent>((subscriber) => {
      const send = call.send.bind(call);
      const arrive = (message: unknown) => {
        const request = message as Record<string, unknown>;
        arrived$.next(`beat ${String(request['instanceKey'])}`);
        subscriber.add(answered('Heartbeat', request).subscribe((event) => subscriber.next(event)));
      };
      call.sent.forEach(arrive);
      call.send = (message) => {
        arrive(message);
        return send(message);
      };
    });
  const wire = (call: FakeCall): Observable<WireEvent> => {
    const { name } = call.method.descriptor;
    if (name === 'HeartbeatStream') return beats(call);
    arrived$.next(name);
    return defer(() => {
      const answer$ = answered(name, (call.sent[0] ?? {}) as Record<string, unknown>).pipe(take(1));
      return concat(answer$, of<WireEvent>({ end: {} }));
    });
  };
  const transport: Transport = { name: 'drawn', open: () => fakeChannel(wire) };
  const who = { registryAddr: 'aio:50051', clientKey: 'key', clientSecret: 'secret' };
  const access = new AioAccess({ ...who, transport, scheduler, random: () => 0.5, ...options });
  return { access, arrived$ };
}

function wellAnswered(name: string, n: number, scheduler: SchedulerLike): object | undefined {
  const inSeconds = (s: number) => BigInt(Math.floor(scheduler.now() / 1_000) + s);
  switch (name) {
    case 'AuthenticateClient':
    case 'RenewToken':
      return { accessToken: tokenOf(`${name[0]}${n}`, 3_600), expiresAt: inSeconds(3_600), tokenType: 'Bearer' };
    case 'EnsureService':
      return { service: { id: 1n }, created: true };
    case 'RegisterInstance':
      return { instanceKey: 'k', expiresAt: inSeconds(60) };
    case 'DeregisterInstance':
      return { success: true };
    case 'Heartbeat':
      return { expiresAt: inSeconds(60) };
    case 'ListServices':
      return create(ListServicesResponseSchema, {});
    default:
      return undefined;
  }
}

/** A token that says how long it lives. */
export function tokenOf(name: string, lifeSeconds: number): string {
  const claims = Buffer.from(JSON.stringify({ iat: 1_000, exp: 1_000 + lifeSeconds })).toString('base64url');
  return `${name}.${claims}.signature`;
}
