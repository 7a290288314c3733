/** The load reports of gRPC (ORCA), from the wire into our words. */

import { fromBinary } from '@bufbuild/protobuf';
import type { LoadReport } from '../core/loadReport.js';
import type { Metadata, MetadataValue } from '../core/metadata.js';
import { OrcaLoadReportSchema, type OrcaLoadReport } from '../gen/xds/orca_load_report_pb.js';

/** Under which a node sends its report with the end of a call. gRFC A51. */
const key = 'endpoint-load-metrics-bin';

/**
 * What trailers say of the load of their node, by gRFC A51; undefined when they do not. Never throws: what cannot be
 * read is no report.
 */
export function loadReportOf(trailers: Metadata): LoadReport | undefined {
  const value = trailers[key];
  if (value === undefined) return undefined;
  const bytes = Array.isArray(value) ? (value as readonly MetadataValue[])[0] : value;
  if (!(bytes instanceof Uint8Array) || bytes.length === 0) return undefined;
  try {
    return readLoadReport(fromBinary(OrcaLoadReportSchema, bytes));
  } catch {
    return undefined;
  }
}

/** The report of a message; figures that make no sense count as not said. */
export function readLoadReport(message: OrcaLoadReport): LoadReport {
  return {
    cpuUtilization: atLeast0(message.cpuUtilization),
    memoryUtilization: atLeast0(message.memUtilization),
    applicationUtilization: atLeast0(message.applicationUtilization),
    // Nodes from before 2023 know whole requests only.
    requestsPerSecond: atLeast0(message.rpsFractional) || Number(message.rps),
    errorsPerSecond: atLeast0(message.eps),
    utilization: message.utilization,
    requestCost: message.requestCost,
    named: message.namedMetrics,
  };
}

function atLeast0(value: number): number {
  return value > 0 && Number.isFinite(value) ? value : 0;
}
