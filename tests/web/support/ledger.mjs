// What was sent, by whom, to whom, and what became of it: what each recorder should have heard follows from it.
//
//   const ledger = new Ledger();
//   const publisher = ledger.publisher();             // one connection, one send after the other
//   await publisher.send(node.url, to_user("alice"));
//   ledger.check(recorder);                           // { lost: [...] }; throws on what must never be
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";

export const to_user = (user) => ({ path: `/sse/send/${user}`, includes: (each) => each === user });
export const to_users = (users) => ({
  path: "/sse/send?" + users.map((user) => `user=${user}`).join("&"),
  includes: (each) => users.includes(each),
});
export const to_group = (prefix) => ({ path: `/sse/group/${prefix}`, includes: (each) => each.startsWith(prefix) });
export const to_everybody = () => ({ path: "/sse/broadcast", includes: () => true });

export class Ledger {
  constructor() {
    this.publishers = [];
    this.sends = new Map();
  }

  publisher() {
    const publisher = new Publisher(this, this.publishers.length);
    this.publishers.push(publisher);
    return publisher;
  }

  /// How many sends came to `outcome`.
  count(outcome) {
    return [...this.sends.values()].filter((send) => send.outcome === outcome).length;
  }

  /// Holds what `recorder` heard against what was sent: nothing that was not for it, nothing twice, each publisher's
  /// events in their order; with `same_ids` the ids as the publisher was told them, and in their order. What was accepted
  /// and not heard is returned as `lost`: whether that may be is for the test to say.
  check(recorder) {
    const heard = new Set();
    const newest = new Map();
    let last_sequence = -1n;
    for (const { id, data } of recorder.heard) {
      const send = this.sends.get(data);
      const what = `${recorder.user} heard ${data}`;
      assert.ok(send, `${what}, which nobody sent`);
      assert.ok(send.audience.includes(recorder.user), `${what}, which was for ${send.audience.path}`);
      assert.ok(!heard.has(data), `${what} twice`);
      assert.ok(!(newest.get(send.publisher) > send.number), `${what} after number ${newest.get(send.publisher)}`);
      if (this.same_ids) {
        if (send.id !== undefined) assert.equal(id, send.id, what);
        const sequence = BigInt(id.slice(id.indexOf("-") + 1));
        assert.ok(sequence > last_sequence, `${what}, whose id ${id} is not beyond ${last_sequence}`);
        last_sequence = sequence;
      }
      heard.add(data);
      newest.set(send.publisher, send.number);
    }
    const expected = [...this.sends.values()].filter((send) => send.audience.includes(recorder.user));
    return { heard, lost: expected.filter((send) => send.outcome === "accepted" && !heard.has(send.data)) };
  }

  /// Whether an event has the same id on every node.
  same_ids = false;
}

class Publisher {
  constructor(ledger, index) {
    this.ledger = ledger;
    this.index = index;
    this.number = 0;
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  }

  /// Sends the next event from the node at `url` and waits for the answer. Never throws: the outcome is `accepted`
  /// (202), `refused` (another status), or `unknown` (no answer). Of the last two, and of a 503 that came late, the event
  /// may arrive or not.
  async send(url, audience) {
    const send = { publisher: this.index, number: ++this.number, audience, url, outcome: "unknown" };
    send.data = `${this.index}:${send.number}`;
    send.began = performance.now();
    this.ledger.sends.set(send.data, send);
    try {
      const request = http.request(url + audience.path, { method: "POST", agent: this.agent, timeout: 15_000 });
      request.on("timeout", () => request.destroy(new Error("no answer")));
      request.end(send.data);
      const [response] = await once(request, "response");
      send.status = response.statusCode;
      let text = "";
      for await (const piece of response.setEncoding("utf8")) text += piece;
      send.retry_after = response.headers["retry-after"];
      if (send.status === 202) {
        Object.assign(send, JSON.parse(text));
        send.outcome = "accepted";
      } else {
        send.outcome = "refused";
        send.error = text;
      }
    } catch (error) {
      send.error = error.message;
    }
    send.ended = performance.now();
    return send;
  }

  close() {
    this.agent.destroy();
  }
}
