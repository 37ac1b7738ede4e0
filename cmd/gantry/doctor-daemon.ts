import type { NodeDescription } from '#admin/routes/describe-node.ts';
import type { Operations } from '#admin/routes/list-operations.ts';
import { describe } from '#errors/fault.ts';
import type { NetworkFindingView } from '#network/orphans.ts';
import packageJson from '#package' with { type: 'json' };
import type { AdminClient } from './admin-client.ts';
import { type Finding, ok, problem, warning } from './finding.ts';
import { formatDuration } from './times.ts';

/** An operation that takes longer than this is stuck, or pulls a large image. */
const longMs = 2 * 60 * 1000;

/** Whether the daemon answers, at once, and is of our version. */
export async function checkDaemon(admin: AdminClient): Promise<Finding[]> {
  const startedAt = performance.now();
  try {
    const node = await admin.ask<NodeDescription>({ method: 'GET', path: '/v1/node' });
    const tookMs = performance.now() - startedAt;
    const { running } = await admin.ask<Operations>({ method: 'GET', path: '/v1/operations' });
    const { findings: network } = await admin.ask<{
      readonly findings: readonly NetworkFindingView[];
    }>({ method: 'GET', path: '/v1/net/check' });
    return [
      versionFinding(node),
      ...slowFinding(tookMs),
      ...stuckFindings(running),
      ...network.map(networkFinding),
    ];
  } catch (error) {
    return [problem('gantryd', describe(error), 'systemctl status gantryd; journalctl -u gantryd')];
  }
}

function versionFinding({ version, pid, startedAt }: NodeDescription): Finding {
  const detail = `${version}, pid ${pid}, since ${startedAt}`;
  if (version === packageJson.version) return ok('gantryd', detail);
  const sentence = `${detail}; this is gantry ${packageJson.version}`;
  return warning('gantryd', sentence, 'systemctl restart gantryd');
}

function networkFinding({ subject, problem: what }: NetworkFindingView): Finding {
  return warning('leaks: network', `${subject} ${what}`, 'gantry net check --fix');
}

function slowFinding(tookMs: number): Finding[] {
  if (tookMs < 500) return [];
  return [warning('gantryd: delay', `answered after ${Math.round(tookMs)} ms`, 'gantry trace')];
}

function stuckFindings(running: Operations['running']): Finding[] {
  const nowMs = Date.now();
  return running
    .filter(({ startedAtMs }) => nowMs - startedAtMs > longMs)
    .map(({ id, name, startedAtMs }) => {
      const detail = `${name} has gone on for ${formatDuration(nowMs - startedAtMs)}`;
      return warning('gantryd: operation', detail, `gantry trace ${id}`);
    });
}
