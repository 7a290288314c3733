/** Which of its two text formats Prometheus asks for. */

/**
 * True when an `Accept` header wants OpenMetrics 1.0.0 at least as much as the older text format, which everybody
 * understands and who asks for nothing gets (RFC 9110, 12.5.1).
 */
export function prefersOpenMetrics(accept: string | undefined): boolean {
  let open = 0;
  let text = 0;
  for (const range of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const valueOf = (name: string) => parameters.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
    const quality = Number(valueOf('q') ?? 1);
    if (!(quality > 0)) continue;
    const version = valueOf('version');
    if (type === 'application/openmetrics-text' && (version === undefined || version.startsWith('1.'))) {
      open = Math.max(open, quality);
    } else if (type === 'text/plain' || type === 'text/*' || type === '*/*') text = Math.max(text, quality);
  }
  return open > 0 && open >= text;
}
