// slowhttptest against the hub: its own probe, and a client that behaves, are served all the time.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Bystander } from "./support/bystander.mjs";
import { start_hub } from "./support/hub.mjs";
import { descriptors } from "./support/process_use.mjs";
import { start } from "./support/program.mjs";
import { until, within } from "./support/until.mjs";

// 1,050 connections, 150 a second: longer than the five seconds after which slowhttptest says how it stands.
const attack = ["-c", "1050", "-r", "150", "-l", "10", "-p", "3"];
const kinds = {
  "slow headers": ["-H", "-i", "1", "-u", "/healthz"],
  "slow bodies": ["-B", "-i", "1", "-u", "/sse/send/nobody"],
  ranges: ["-R", "-u", "/"],
  "slow reading": ["-X", "-k", "10", "-w", "10", "-y", "20", "-n", "1", "-z", "32", "-u", "/"],
};

describe("slowhttptest", { timeout: 240_000 }, () => {
  let hub;
  before(async () => (hub = await start_hub("--request-timeout-ms", "2000", "--write-timeout-ms", "2000")));
  after(() => hub?.stop());

  for (const [kind, options] of Object.entries(kinds)) {
    test(kind, async () => {
      const open_before = descriptors(hub.program.pid);
      const bystander = await Bystander.start(hub);
      let second;
      try {
        const url = hub.url + options.at(-1);
        const program = start("slowhttptest", [...options.slice(0, -1), url, ...attack]);
        await within("the end of slowhttptest", program.exit, 60_000);
        const report = program.stdout.replace(/\x1b\[[0-9;]*[A-Za-z]/g, "");
        const verdicts = [...report.matchAll(/on (\d+)th second:[^]*?service available:\s+(\w+)/g)];
        second = Number(verdicts.at(-1)?.[1]);
        assert.ok(second >= 5, report + program.stderr);
        for (const [, when, verdict] of verdicts) assert.equal(verdict, "YES", `in second ${when}`);
      } finally {
        await bystander.stop();
      }
      // A connection that the bystander sent on may be kept alive.
      await until("descriptors to be given back", () => descriptors(hub.program.pid) <= open_before + 2);
      const waited = Math.ceil(bystander.slowest_ms);
      console.log(`${kind}: service available: YES, up to second ${second}; the bystander waited ${waited} ms at most`);
    });
  }
});
