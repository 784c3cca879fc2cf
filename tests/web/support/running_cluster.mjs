// examples/cluster/run.sh as a user runs it: Redis, hubs and nginx behind one address.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { start } from "./program.mjs";

const script = fileURLToPath(new URL("../../../examples/cluster/run.sh", import.meta.url));

/// Starts it with the hub under test and waits until it listens. `options` are more of its command line.
export async function start_running_cluster(...options) {
  assert.ok(process.env.HUB, "set HUB to the hub's executable");
  const program = start(script, ["--hub", process.env.HUB, "--port", "0", ...options]);
  const [, url] = await program.printed(/^listening on (http:\S+)\n/);
  const nodes = [...program.stderr.matchAll(/^(node-\d+) (http:\S+) pid (\d+)$/gm)];
  return new RunningCluster(program, url, nodes.map(([, name, address, pid]) => ({ name, url: address, pid: Number(pid) })));
}

class RunningCluster {
  constructor(program, url, nodes) {
    this.program = program;
    this.url = url;
    /// `{name, url, pid}` of each hub.
    this.nodes = nodes;
  }

  /// As Ctrl-C does, or SIGTERM; throws when it does not exit with 0.
  async stop(signal = "SIGTERM") {
    assert.equal(await this.program.stop(signal), 0, this.program.stderr);
  }
}

/// Whether the process `pid` is there.
export function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
