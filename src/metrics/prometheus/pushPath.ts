/** The path of a group at the Pushgateway. https://github.com/prometheus/pushgateway#url */

/** `/metrics/job/batch/instance/host%3A17`: the labels of a group, the job first. */
export function pushPath(job: string, grouping: Readonly<Record<string, string>>): string {
  const pairs = [['job', job] as const, ...Object.entries(grouping)];
  return `/metrics/${pairs.map(([name, value]) => segment(name, value)).join('/')}`;
}

/** As it is where it can be; what would be taken for a part of the path, or for none, goes as base64. */
function segment(name: string, value: string): string {
  if (value === '') return `${name}@base64/=`;
  // Dots alone would be taken out of the path on the way.
  const plain = /^[\x20-\x2e\x30-\x7e]+$/.test(value) && !/^\.{1,2}$/.test(value);
  return plain ? `${name}/${encodeURIComponent(value)}` : `${name}@base64/${Buffer.from(value).toString('base64url')}`;
}
