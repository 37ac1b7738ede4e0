import type { AdminDeps } from '#admin/deps.ts';
import type { Exchange } from '#admin/exchange.ts';

/** The page that Prometheus reads, for those on the node, whether or not it is served to others. */
export async function showMetrics({ metrics }: AdminDeps, { response }: Exchange): Promise<void> {
  const { contentType, text } = await metrics.page();
  response.writeHead(200, { 'content-type': contentType }).end(text);
}
