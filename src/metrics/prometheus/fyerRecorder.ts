/**
 * Counts what fyer-rpc promises, the failovers, breakers and retries included that it has names for and never counts.
 */

import type { AttemptEnded, AttemptStarted, BreakerChanged } from '../../call/callEvent.js';
import type { Node } from '../../core/node.js';
import type { NodeSet } from '../../core/nodeSet.js';
import { RateWindow } from '../../core/rateWindow.js';
import { Counts } from '../counts.js';
import { Instances } from './instances.js';
import { isFailover } from '../isFailover.js';
import type { MetricScope } from './metricScope.js';
import { MethodTable } from '../methodTable.js';
import type { EventHandlers, Recorder } from '../recorder.js';
import type { seedMetrics } from './seedMetrics.js';
import type { Histogram, Scalar } from './series.js';

/** fyer-rpc looks back so far for its rate. */
const rateWindowMs = 300_000;
/** Retries past this number are counted with it. */
const lastRetry = 10;

/** What the recorder looks at. */
export interface FyerPorts {
  readonly nodes: () => NodeSet;
  readonly now: () => number;
  /** The service of methods that name none, as the uses of a pool. */
  readonly service: string;
}

interface Responses {
  readonly count: Scalar;
  readonly duration: Histogram;
}

interface MethodSeries {
  readonly service: string;
  readonly method: string;
  readonly rate: Rate;
  /** By the address of the node. */
  readonly success: Map<string, Responses>;
  readonly error: Map<string, Responses>;
}

/** Failovers and requests of one service, for the rate. */
interface Rate {
  readonly failovers: RateWindow;
  readonly requests: RateWindow;
}

export class FyerRecorder implements Recorder {
  readonly on: EventHandlers = {
    attemptStarted: (event) => this.attemptStarted(event),
    attemptEnded: (event) => this.attemptEnded(event),
    breakerChanged: (event) => this.breakerChanged(event),
  };
  private readonly methods: MethodTable<MethodSeries>;
  private readonly rates = new Map<string, Rate>();
  private readonly instances: Instances;
  private readonly ports: FyerPorts;
  private readonly responses;
  private readonly counts;

  constructor(scope: MetricScope, specs: ReturnType<typeof seedMetrics>, ports: FyerPorts, maxMethods: number) {
    this.ports = ports;
    this.instances = new Instances(ports.nodes, (instance) => this.gone(instance));
    this.responses = { duration: scope.metric(specs.responseTime), count: scope.metric(specs.rpcRequests) };
    const failovers = scope.metric(specs.failovers);
    const circuitBreaks = scope.metric(specs.circuitBreaks);
    const retries = scope.metric(specs.retries);
    this.counts = {
      failovers: new Counts(
        (service: string, from_instance: string, to_instance: string) =>
          failovers.scalar({ service, from_instance, to_instance }),
        (count) => failovers.remove(count),
      ),
      circuitBreaks: new Counts(
        (service: string, instance: string, state: string) => circuitBreaks.scalar({ service, instance, state }),
        (count) => circuitBreaks.remove(count),
      ),
      retries: new Counts(
        (service: string, instance: string, attempt: string) => retries.scalar({ service, instance, attempt }),
        (count) => retries.remove(count),
      ),
    };
    scope.metric(specs.failoverRate).reading((add) => {
      const now = ports.now();
      for (const [service, { failovers, requests }] of this.rates) {
        const all = requests.perSecond(now);
        add({ service }, all === 0 ? 0 : failovers.perSecond(now) / all);
      }
    });
    this.methods = new MethodTable(maxMethods, (name) => {
      const slash = name.lastIndexOf('/');
      const service = slash < 0 ? ports.service : name.slice(0, slash);
      const rate = this.rateOf(service);
      return { service, method: name.slice(slash + 1), rate, success: new Map(), error: new Map() };
    });
  }

  forget(node: Node): void {
    this.instances.forget(node);
  }

  moved(before: Node): void {
    this.instances.moved(before);
  }

  private attemptStarted(event: AttemptStarted): void {
    const { call, attempt, reason, node, at } = event;
    const { service, rate } = this.methods.of(call.name);
    rate.requests.count(at);
    if (attempt === 1 || !this.instances.hold(node)) return;
    const instance = this.instances.of(node);
    if (reason === 'retry' || reason === 'transparent') {
      const number = attempt > lastRetry ? `${lastRetry}+` : String(attempt - 1);
      this.counts.retries.add(service, instance, number);
    }
    if (!isFailover(event)) return;
    rate.failovers.count(at);
    this.counts.failovers.add(service, call.attempts.at(-1)?.address ?? '', instance);
  }

  private attemptEnded({ call, node, outcome }: AttemptEnded): void {
    // Who gives up says nothing of the instance.
    if (outcome.status === 'cancelled') return;
    const responses = this.responsesOf(this.methods.of(call.name), outcome.status === 'ok' ? 'success' : 'error', node);
    if (responses === undefined) return;
    responses.count.value++;
    responses.duration.observe(outcome.latencyMs / 1_000);
  }

  private breakerChanged({ node: id, method, to }: BreakerChanged): void {
    const node = this.ports.nodes().get(id);
    if (node === undefined || !this.instances.hold(node)) return;
    const service = method === undefined ? node.service || this.ports.service : this.methods.of(method).service;
    this.counts.circuitBreaks.add(service, this.instances.of(node), to === 'halfOpen' ? 'half-open' : to);
  }

  private responsesOf(series: MethodSeries, status: 'success' | 'error', node: Node): Responses | undefined {
    const instance = this.instances.of(node);
    const known = series[status].get(instance);
    if (known !== undefined || !this.instances.hold(node)) return known;
    const { service, method } = series;
    const labels = { service, method, instance, status };
    const { count, duration } = this.responses;
    const made = { count: count.scalar(labels), duration: duration.histogram(labels) };
    series[status].set(instance, made);
    return made;
  }

  private rateOf(service: string): Rate {
    let rate = this.rates.get(service);
    if (rate === undefined) {
      const now = this.ports.now();
      rate = { failovers: new RateWindow(now, rateWindowMs), requests: new RateWindow(now, rateWindowMs) };
      this.rates.set(service, rate);
    }
    return rate;
  }

  private gone(instance: string): void {
    for (const { success, error } of this.methods.all()) {
      for (const known of [success, error]) {
        const gone = known.get(instance);
        if (gone === undefined) continue;
        known.delete(instance);
        this.responses.count.remove(gone.count);
        this.responses.duration.remove(gone.duration);
      }
    }
    for (const counts of Object.values(this.counts)) counts.forget(instance);
  }
}
