import { KeyedLanes } from '../../src/call/keyedLanes.js';

interface Lane {
  readonly key: string;
  idle: boolean;
}

const lanes = (most: number) =>
  new KeyedLanes<Lane>(
    (key) => ({ key, idle: true }),
    ({ idle }) => idle,
    most,
  );

describe('keyedLanes', () => {
  it('keeps one lane for each key', () => {
    const kept = lanes(10);
    expect(kept.of('a')).toBe(kept.of('a'));
    expect(kept.of('a')).not.toBe(kept.of('b'));
    expect([...kept].map(([key]) => key)).toEqual(['a', 'b']);
  });

  it('never keeps more than its bound, however many keys callers bring', () => {
    const kept = lanes(100);
    for (let i = 0; i < 10_000; i++) kept.of(`user-${i}`);
    expect(kept.size).toBe(100);
  });

  it('forgets only what is idle, so that a new key does not free one that is used up', () => {
    const kept = lanes(50);
    for (let i = 0; i < 50; i++) kept.of(`busy-${i}`).idle = i % 10 === 0;
    const busy = kept.of('busy-1');
    for (let i = 0; i < 200; i++) kept.of(`user-${i}`);
    expect(kept.of('busy-1')).toBe(busy);
    expect(kept.size).toBe(50);
  });

  it('lets new keys share a lane while none can be forgotten, and gives them their own again after', () => {
    const kept = lanes(2);
    kept.of('a').idle = false;
    kept.of('b').idle = false;
    const shared = kept.of('c');
    shared.idle = false;
    expect(kept.of('d')).toBe(shared);
    expect(kept.size).toBe(3);
    kept.of('a').idle = true;
    expect(kept.of('e').key).toBe('e');
  });
});
