// The hub under test: the executable that the environment variable HUB names, on a free port of its own.
import assert from "node:assert/strict";
import { start } from "./program.mjs";

/// Starts a hub and waits until it listens. `options` are its command line; a port among them wins.
export async function start_hub(...options) {
  assert.ok(process.env.HUB, "set HUB to the hub's executable");
  const program = start(process.env.HUB, ["--port", "0", ...options]);
  const [, url] = await program.printed(/^listening on (http:\S+)\n/);
  return new Hub(program, url);
}

class Hub {
  constructor(program, url) {
    this.program = program;
    this.url = url;
    this.port = Number(new URL(url).port);
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
    const response = await fetch(this.url + path, { method: "POST", body, headers });
    return { status: response.status, json: await response.json() };
  }

  /// Sends and expects it to be taken; returns `{id, streams}`.
  async send(path, body, headers) {
    const { status, json } = await this.post(path, body, headers);
    assert.equal(status, 202, JSON.stringify(json));
    return json;
  }

  async get(path) {
    return (await fetch(this.url + path)).json();
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
