import { log, type Logger, type LogOptions } from '../../src/call/log.js';
import { trace } from '../../src/call/trace.js';
import { FleetError } from '../../src/core/fleetError.js';
import { marble, type MarbleHelpers } from '../../src/testing/marble.js';
import { drawnClient, failedAt, type Answers } from './drawnClient.js';

const down = new FleetError('UNAVAILABLE', 'down');
const unknown = new FleetError('NOT_FOUND', 'nobody of that name');

/** A logger that keeps its lines, and a client that writes them. */
function logged(m: MarbleHelpers, answers: Record<string, Answers>, options?: LogOptions) {
  const lines: { level: string; fields: Record<string, unknown>; message: string }[] = [];
  const writer = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, fields: { ...fields }, message });
  const logger: Logger = {
    debug: writer('debug'),
    info: writer('info'),
    warn: writer('warn'),
    error: writer('error'),
  };
  return { ...drawnClient(m, answers, { policies: [trace(), log(logger, options)] }), lines };
}

describe('log', () => {
  marble('a call that succeeds is one line, with its method, node, latency and trace', (m) => {
    const client = logged(m, { x: m.cold('-a|') });
    m.expectObservable(client.call()).toBe('-a|');
    m.flush();
    expect(client.lines).toHaveLength(1);
    expect(client.lines[0]).toMatchObject({
      level: 'debug',
      message: 'call OK after 2 ms',
      fields: { method: 'call', code: 'OK', latencyMs: 2, firstMessageMs: 1, messages: 1, node: 'x' },
    });
    expect(client.lines[0]!.fields['traceId']).toMatch(/^[0-9a-f]{32}$/);
  });

  marble('a call that fails through its nodes is an error, with each attempt and what to do', (m) => {
    const dead = () => m.cold('#', {}, down);
    const client = logged(m, { x: dead(), y: dead(), z: dead() });
    m.expectObservable(client.call()).toBe('------#', {}, failedAt(down, ['x', 0], ['y', 0], ['z', 0]));
    m.flush();
    expect(client.lines).toMatchObject([
      {
        level: 'error',
        message: 'call UNAVAILABLE after 6 ms: down',
        fields: { attempts: [{ node: 'x' }, { node: 'y' }, { node: 'z' }], remedy: down.remedy },
      },
    ]);
  });

  marble('a failure that the request is to blame for is a warning, and a caller who leaves is neither', (m) => {
    const client = logged(m, { x: m.cold('#', {}, unknown) });
    m.expectObservable(client.call()).toBe('#', {}, failedAt(unknown, ['x', 0]));
    const other = logged(m, { x: m.cold('-') });
    m.expectObservable(other.call(), '^-!').toBe('-');
    m.flush();
    expect(client.lines.map(({ level }) => level)).toEqual(['warn']);
    expect(other.lines).toMatchObject([{ level: 'debug', fields: { code: 'CANCELLED' } }]);
  });

  marble('a success after failed attempts says how many, and one that was slow is a warning', (m) => {
    const client = logged(m, { x: m.cold('#', {}, down), y: m.cold('----a|') }, { slowMs: 5 });
    m.expectObservable(client.call()).toBe('------a|');
    m.flush();
    expect(client.lines).toMatchObject([{ level: 'warn', message: 'call OK after 7 ms, 1 failed attempt' }]);
  });

  marble('levels and fields are the user’s, and silence is none', (m) => {
    let asked = 0;
    const fields = () => ({ asked: ++asked });
    const quiet = logged(m, { x: m.cold('a|') }, { success: 'silent', fields });
    const loud = logged(m, { x: m.cold('a|') }, { success: 'info', fields });
    m.expectObservable(quiet.call()).toBe('a|');
    m.expectObservable(loud.call()).toBe('a|');
    m.flush();
    expect(quiet.lines).toEqual([]);
    expect(loud.lines).toMatchObject([{ level: 'info', fields: { asked: 1 } }]);
  });

  marble('headers are never logged: they may be secrets', (m) => {
    const client = logged(m, { x: m.cold('a|') });
    m.expectObservable(client.call({ metadata: { authorization: 'Bearer s3cret' } })).toBe('a|');
    m.flush();
    expect(JSON.stringify(client.lines)).not.toContain('s3cret');
  });

  marble('a logger that throws does not harm the call', (m) => {
    const throwing = () => {
      throw new Error('disk full');
    };
    const logger = { debug: throwing, info: throwing, warn: throwing, error: throwing };
    const { call } = drawnClient(m, { x: m.cold('a|') }, { policies: [log(logger)] });
    m.expectObservable(call()).toBe('a|');
  });

  it('refuses what is no logger', () => {
    expect(() => log({} as Logger)).toThrow('log.logger must be a logger with the method debug');
    expect(() => log(console as unknown as Logger, { slowMs: 0 })).toThrow('log.slowMs');
  });
});
