// A hub under attack: what that costs its process, and a client that behaves, is measured, bounded and told.
//
//   const attacked = await AttackedHub.start(hub);
//   await attacked.bear(t, async (number) => {
//     ... // what one of the attackers does
//     return "GOAWAY ENHANCE_YOUR_CALM"; // how it ended for them
//   });
//   await attacked.stop();
//
// Each attack is told in a row, and those of a run make a table: `... | grep -o '| attack: .*'`.
import assert from "node:assert/strict";
import { Bystander } from "./bystander.mjs";
import { descriptors, forget_peak, peak_bytes, resident_bytes } from "./process_use.mjs";
import { until } from "./until.mjs";

// A sanitizer takes memory of its own.
const GROWTH_BYTES = (process.env.SANITIZE ? 64 : 8) * 1024 * 1024;
const ATTACKERS = 10;
// What others may wait more than before: this process is busy as well.
const SLOWER = 20;
const SLOWER_BY_MS = 50;

/// Tells the figures of an attack: what it was; bytes by which the memory of the hub grew at most; what an event took for
/// whoever behaves, before and meanwhile, in the middle and at most; how it ended for the attackers, and after how long.
export function tell_attack(t, { attack, grown_bytes, usual_ms, meanwhile_ms, slowest_ms, ended, took_ms }) {
  const kibibytes = Math.round(grown_bytes / 1024).toLocaleString("en");
  const ms = (time) => time.toFixed(time < 10 ? 1 : 0);
  const others = `${ms(usual_ms)} ms, then ${ms(meanwhile_ms)} (x ${(meanwhile_ms / usual_ms).toFixed(1)}), ${ms(slowest_ms)} at most`;
  t.diagnostic(`| attack: ${attack} | +${kibibytes} KiB | ${others} | ${ended} | ${(took_ms / 1000).toFixed(2)} s |`);
}

/// How it ended for several: each way with its number.
function ways_of(ends) {
  const counts = new Map();
  for (const end of ends) counts.set(end, (counts.get(end) ?? 0) + 1);
  return [...counts].map(([end, count]) => (ends.length > 1 ? `${end}: ${count}` : end)).join(", ");
}

export class AttackedHub {
  static async start(hub) {
    const one = new AttackedHub();
    one.hub = hub;
    one.bystander = await Bystander.start(hub);
    await one.bystander.until_served(6);
    one.descriptors = descriptors(hub.program.pid);
    return one;
  }
  async stop() {
    await this.bystander.stop();
    await this.hub.stop();
  }

  async all_given_back() {
    await until("descriptors to be given back", () => descriptors(this.hub.program.pid) <= this.descriptors + 2);
    await until("streams to be forgotten", async () => (await this.hub.count()).streams <= 1);
  }

  /// `attack` is made by several at once; the hub must not grow but by `due_bytes` of answers, and nobody else may notice.
  /// `what` tells it from others of the same test. Returns the figures.
  async bear(t, attack, { what, attackers = ATTACKERS, due_bytes = 0 } = {}) {
    const { bystander, hub } = this;
    const usual_ms = await bystander.median_ms(0);
    const { pid } = hub.program;
    const memory = resident_bytes(pid);
    forget_peak(pid);
    const from = bystander.took_ms.length;
    const begun = performance.now();
    const ends = await Promise.all(Array.from({ length: attackers }, (_, number) => attack(number)));
    const took_ms = performance.now() - begun;
    const most = peak_bytes(pid);
    const meanwhile_ms = await bystander.median_ms(from);
    const slowest_ms = Math.max(...bystander.took_ms.slice(from));
    for (const end of ends) assert.equal(typeof end, "string", "an attack says how it ended");
    const name = what === undefined ? t.name : `${t.name}: ${what}`;
    const figures = { grown_bytes: most - memory, usual_ms, meanwhile_ms, slowest_ms, took_ms };
    tell_attack(t, { attack: name, ended: ways_of(ends), ...figures });
    assert.ok(most < memory + due_bytes + GROWTH_BYTES, `from ${memory} to ${most} bytes`);
    const bound_ms = SLOWER * usual_ms + SLOWER_BY_MS;
    assert.ok(meanwhile_ms < bound_ms, `an event took ${meanwhile_ms} ms, and ${usual_ms} ms before`);
    await this.all_given_back();
    return figures;
  }
}
