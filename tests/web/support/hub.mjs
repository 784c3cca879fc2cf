// The hub under test: the executable that the environment variable HUB names, on a free port of its own.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { ask } from "./ask.mjs";
import { start } from "./program.mjs";

/// Starts a hub and waits until it listens. `options` are its command line; a port among them wins.
export async function start_hub(...options) {
  const program = run_hub(...options);
  const [, url] = await program.printed(/^listening on (http:\S+)\n/);
  return new Hub(program, url);
}

/// Starts one that speaks TLS with `pair`, which `authority` has issued.
export async function start_tls_hub(authority, pair, ...options) {
  const program = run_hub("--tls-cert", pair.certificate, "--tls-key", pair.key, ...options);
  const [, url] = await program.printed(/^listening on (https:\S+)\n/);
  return new TlsHub(program, url, authority.pem);
}

/// Starts one none of whose files grows beyond `kibibytes`, as if the disk were full, until `grow` lifts that.
export async function start_hub_on_small_disk(kibibytes, ...options) {
  assert.ok(process.env.HUB, "set HUB to the hub's executable");
  const limited = `trap "" XFSZ; ulimit -S -f ${kibibytes}; exec "$0" "$@"`;
  const program = start("bash", ["-c", limited, process.env.HUB, "--port", "0", ...options]);
  const [, url] = await program.printed(/^listening on (http:\S+)\n/);
  const hub = new Hub(program, url);
  hub.grow = () => execFileSync("prlimit", ["--pid", String(program.pid), "--fsize=unlimited"]);
  return hub;
}

/// One that somebody else has started, to ask it; `ca` says whom to trust where it speaks TLS.
export const hub_at = (url, ca) => (ca ? new TlsHub(undefined, url, ca) : new Hub(undefined, url));

/// Runs the hub, whatever becomes of it.
export function run_hub(...options) {
  assert.ok(process.env.HUB, "set HUB to the hub's executable");
  return start(process.env.HUB, ["--port", "0", ...options]);
}

class Hub {
  constructor(program, url) {
    this.program = program;
    this.url = url;
    this.port = Number(new URL(url).port);
  }

  fetch(path, options) {
    return fetch(this.url + path, options);
  }

  /// Ends the hub in peace; throws when it does not exit with 0.
  async stop() {
    assert.equal(await this.program.stop("SIGTERM"), 0, this.program.stderr);
  }

  /// Ends it as a crash would.
  async kill() {
    await this.program.stop("SIGKILL");
  }

  async post(path, body, headers = {}) {
    const response = await this.fetch(path, { method: "POST", body, headers });
    return { status: response.status, json: await response.json() };
  }

  /// Sends and expects it to be taken; returns `{id, streams}`.
  async send(path, body, headers) {
    const { status, json } = await this.post(path, body, headers);
    assert.equal(status, 202, JSON.stringify(json));
    return json;
  }

  async get(path) {
    return (await this.fetch(path)).json();
  }

  /// The value of a metric, with its labels as they are printed.
  async metric(name) {
    const lines = (await (await this.fetch("/metrics")).text()).split("\n");
    const line = lines.find((each) => each.startsWith(name + " ")) ?? assert.fail(`there is no metric ${name}`);
    return Number(line.slice(name.length + 1));
  }

  users() {
    return this.get("/sse/users");
  }

  count() {
    return this.get("/sse/count");
  }

  async position() {
    return (await this.get("/sse/position")).id;
  }
}

class TlsHub extends Hub {
  constructor(program, url, ca) {
    super(program, url);
    this.ca = ca;
  }

  async fetch(path, options) {
    const answer = await ask(this.url + path, { ca: this.ca, ...options });
    return { ...answer, text: async () => answer.text };
  }
}
