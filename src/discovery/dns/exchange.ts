/** One question to one server over UDP or TCP: the only file of this folder that opens sockets. */

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { getServers } from 'node:dns';
import { connect } from 'node:net';
import { catchError, mergeMap, Observable, of, throwError } from 'rxjs';
import { formatAddress, isIPv6, type Address } from '../../core/address.js';
import { FleetError } from '../../core/fleetError.js';
import { decodeMessage, encodeQuery } from './message.js';
import { sameName, type Message, type Question } from './record.js';

/** Cold; emits the answer to the question, whatever it says, and completes. Waits for ever where nobody answers. */
export type Exchange = (server: Address, question: Question) => Observable<Message>;

/** The servers that the system is set up for, as `host`, `host:port` or `[v6]:port`. */
export function systemResolvers(): string[] {
  return getServers();
}

/**
 * Asks over UDP, and again over TCP when the answer was cut.
 *
 * Each query has a random id and, by its own socket, a random port. What comes from another peer, bears another id or
 * answers another question is passed over, as a forgery or an echo of the past. A server that does not understand EDNS
 * is asked without it.
 */
export const exchange: Exchange = (server, question) =>
  overUdp(server, question, true).pipe(
    mergeMap((message) => {
      const refusesEdns = message.rcode === 'FORMERR' || message.rcode === 'NOTIMP';
      return refusesEdns && !message.truncated ? overUdp(server, question, false) : of(message);
    }),
    mergeMap((message) => (message.truncated ? overTcp(server, question) : of(message))),
    catchError((cause: unknown) => throwError(() => unreachable(server, cause))),
  );

function overUdp({ host, port }: Address, question: Question, edns: boolean): Observable<Message> {
  return new Observable((subscriber) => {
    const id = randomInt(65_536);
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    socket.on('error', (cause) => subscriber.error(cause));
    socket.on('message', (bytes) => {
      const message = answerTo(question, id, bytes);
      if (!message) return;
      subscriber.next(message);
      subscriber.complete();
    });
    // Connected, the socket hears no other peer, and a closed port is an error at once.
    socket.connect(port, host, (cause?: Error) => {
      if (subscriber.closed) return;
      if (cause) subscriber.error(cause);
      else socket.send(encodeQuery(id, question, edns));
    });
    return () => socket.close();
  });
}

function overTcp({ host, port }: Address, question: Question): Observable<Message> {
  return new Observable((subscriber) => {
    const id = randomInt(65_536);
    const socket = connect({ host, port });
    let got = Buffer.alloc(0);
    socket.on('error', (cause) => subscriber.error(cause));
    socket.on('close', () => subscriber.error(new Error('the connection ended without an answer')));
    socket.on('connect', () => {
      const query = encodeQuery(id, question, true);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(query.length);
      socket.write(Buffer.concat([length, query]));
    });
    socket.on('data', (part) => {
      got = Buffer.concat([got, part]);
      while (got.length >= 2 && got.length >= 2 + got.readUInt16BE(0)) {
        const end = 2 + got.readUInt16BE(0);
        const message = answerTo(question, id, got.subarray(2, end));
        got = got.subarray(end);
        if (!message) continue;
        subscriber.next({ ...message, truncated: false });
        subscriber.complete();
        return;
      }
    });
    return () => socket.destroy();
  });
}

function answerTo({ name, type }: Question, id: number, bytes: Buffer): Message | undefined {
  let message: Message;
  try {
    message = decodeMessage(bytes);
  } catch {
    return undefined;
  }
  if (!message.isResponse || message.id !== id) return undefined;
  const echoed = message.question;
  // A server that cannot read the query may answer without it (RFC 1035, 4.1.1).
  if (!echoed) return message.rcode === 'FORMERR' || message.rcode === 'NOTIMP' ? message : undefined;
  return echoed.type === type && sameName(echoed.name, name) ? message : undefined;
}

function unreachable(server: Address, cause: unknown): FleetError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new FleetError('UNAVAILABLE', `${formatAddress(server)}: ${message || code || String(cause)}`, { cause });
}
