import { map, Observable } from 'rxjs';
import { currentDemand, withDemand, type Demand } from '../../src/core/demand.js';

const demand = (): Demand => ({ ready: true, whenReady: () => undefined });

describe('withDemand', () => {
  it('reaches the source through operators, and nobody who subscribes later', () => {
    const seen: (Demand | undefined)[] = [];
    const source$ = new Observable<number>(() => void seen.push(currentDemand()));
    const mine = demand();
    withDemand(mine, () => source$.pipe(map((n) => n + 1)).subscribe());
    source$.subscribe();
    expect(seen).toEqual([mine, undefined]);
  });

  it('is in force for the innermost, and afterwards for the outer one again', () => {
    const [outer, inner] = [demand(), demand()];
    const seen = withDemand(outer, () => [withDemand(inner, currentDemand), currentDemand()]);
    expect(seen[0]).toBe(inner);
    expect(seen[1]).toBe(outer);
    expect(currentDemand()).toBeUndefined();
  });

  it('does not stay in force after a subscription that throws', () => {
    expect(() =>
      withDemand(demand(), () => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(currentDemand()).toBeUndefined();
  });
});
