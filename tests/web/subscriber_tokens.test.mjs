// Who may listen at a hub with --subscribe-secret: whom a token names, until it expires, and nobody else by any trick.
import assert from "node:assert/strict";
import http from "node:http";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { start_hub } from "./support/hub.mjs";
import { seconds, token } from "./support/jwt.mjs";
import { start } from "./support/program.mjs";
import { until, within } from "./support/until.mjs";

const secret = "a secret of more than 32 bytes, for tests";
const publish = { Authorization: "Bearer the publish token" };
const of = (user, later = 600) => token(secret, { sub: user, exp: seconds(later) });
const bearer = (text) => ({ Authorization: "Bearer " + text });

describe("a hub with --subscribe-secret", { timeout: 120_000 }, () => {
  let hub;
  before(async () => (hub = await start_hub("--subscribe-secret", secret, "--publish-token", "the publish token")));
  after(() => hub.stop());

  /// Asks for `path` as it stands, and reads the head of the answer.
  async function ask(path, headers = {}, { method = "GET", port = hub.port } = {}) {
    const request = http.request({ port, path, headers, method, agent: false }).end();
    const [answer] = await within("an answer to " + path, once(request, "response"));
    answer.setEncoding("utf8");
    return answer;
  }
  async function body(answer) {
    let text = "";
    for await (const piece of answer) text += piece;
    return text;
  }
  async function status(path, headers, options) {
    const answer = await ask(path, headers, options);
    if (answer.statusCode === 401) assert.equal(answer.headers["www-authenticate"], "Bearer");
    if (answer.statusCode !== 200) {
      const text = await body(answer);
      assert.doesNotMatch(text, /eyJ/, "a token is echoed");
      if (options?.method !== "HEAD") assert.equal(typeof JSON.parse(text).error, "string", text);
    }
    answer.destroy();
    return answer.statusCode;
  }
  /// What a stream says until `last` has come.
  async function heard(path, headers, last, options) {
    const answer = await ask(path, headers, options);
    assert.equal(answer.statusCode, 200);
    let text = "";
    answer.on("data", (piece) => (text += piece));
    await until(last + " on " + path, () => text.includes(last));
    answer.destroy();
    return text;
  }

  const transports = ["?transport=sse", "?transport=poll&timeout=0", "?transport=iframe"];

  test("a token opens its user's stream, in a field or in the query, over every transport", async () => {
    for (const transport of transports) {
      for (const method of ["GET", "HEAD"]) {
        const path = "/sse/subscribe/alice" + transport;
        assert.equal(await status(path, bearer(of("alice")), { method }), 200, path);
        assert.equal(await status(path + "&token=" + of("alice"), {}, { method }), 200, path);
        assert.equal(await status("/sse/subscribe/bob" + transport, bearer(of("alice")), { method }), 403, path);
        assert.equal(await status(path, {}, { method }), 401, path);
        assert.equal(await status(path + "&token=" + of("alice", 0), {}, { method }), 401, path);
      }
    }
  });

  test("what is no token of this secret is refused alike", async () => {
    const claims = { sub: "alice", exp: seconds(600) };
    const [head, middle, signature] = of("alice").split(".");
    const bad = {
      nothing: "",
      "not a token": "alice",
      "two parts": head + "." + middle,
      "four parts": of("alice") + "." + signature,
      "no signature": head + "." + middle + ".",
      "another signature": head + "." + middle + "." + of("bob").split(".")[2],
      "other claims": head + "." + of("bob").split(".")[1] + "." + signature,
      "padded": of("alice") + "=",
      "none": token(secret, claims, { alg: "none" }, null),
      "None": token(secret, claims, { alg: "None" }, null),
      "none, but signed": token(secret, claims, { alg: "none" }),
      "HS512": token(secret, claims, { alg: "HS512", typ: "JWT" }, "sha512"),
      "HS384": token(secret, claims, { alg: "HS384", typ: "JWT" }, "sha384"),
      "RS256 by name": token(secret, claims, { alg: "RS256", typ: "JWT" }),
      "hs256": token(secret, claims, { alg: "hs256", typ: "JWT" }),
      "another secret": token(secret + "!", claims),
      "an empty secret": token("", claims),
      "no sub": token(secret, { exp: seconds(600) }),
      "no exp": token(secret, { sub: "alice" }),
      "expired": of("alice", -1),
      "exp as text": token(secret, { sub: "alice", exp: String(seconds(600)) }),
      "a list of subjects": token(secret, { sub: ["alice"], exp: seconds(600) }),
      "not before": token(secret, { ...claims, nbf: seconds(60) }),
      "no object": token(secret, "[]"),
      "no JSON": token(secret, "alice"),
      "an extension": token(secret, claims, { alg: "HS256", typ: "JWT", crit: ["b64"], b64: true }),
    };
    for (const [what, text] of Object.entries(bad)) {
      assert.equal(await status("/sse/subscribe/alice", bearer(text)), 401, what);
      assert.equal(await status("/sse/subscribe/alice?token=" + encodeURIComponent(text)), 401, what);
    }
    assert.equal(await status("/sse/subscribe/alice", { Authorization: "Basic YWxpY2U6" }), 401);
    assert.equal(await status("/sse/subscribe/alice", publish), 401);
  });

  test("who gives two tokens gives none", async () => {
    const [alice, bob] = [of("alice"), of("bob")];
    for (const user of ["alice", "bob"]) {
      const path = "/sse/subscribe/" + user;
      assert.equal(await status(`${path}?token=${alice}&token=${bob}`), 401);
      assert.equal(await status(`${path}?token=${alice}&token=${alice}`), 401);
      assert.equal(await status(`${path}?token=${alice}`, bearer(bob)), 401);
      assert.equal(await status(path, { Authorization: ["Bearer " + alice, "Bearer " + bob] }), 401);
    }
    assert.equal(await status("/sse/subscribe/alice?token=" + alice, bearer(alice)), 200);
  });

  test("no spelling of a path makes one user another", async () => {
    const paths = [
      "/sse/subscribe/Alice", "/sse/subscribe/ALICE", "/sse/subscribe/alice%20", "/sse/subscribe/%20alice",
      "/sse/subscribe/alice%00", "/sse/subscribe/alice%00bob", "/sse/subscribe/alice%2F", "/sse/subscribe/alice%2f..",
      "/sse/subscribe/bob", "/sse/subscribe/b%6fb", "/sse/subscribe/bob%2F..%2Falice", "/sse/subscribe/alice%2Fbob",
      "/sse/subscribe/bob?user=alice", "/sse/subscribe/bob?token=alice", "/sse/subscribe/alice/bob",
      "/sse/subscribe/bob/../alice", "/sse/subscribe/./bob", "/sse//subscribe/bob", "/sse/subscribe//bob",
      "/sse/subscribe/", "/sse/subscribe/al%C4%B1ce", "/sse/subscribe/alice;bob", "/sse/subscribe/bob%23alice",
      "/sse/subscribe/al", "/sse/subscribe/%2561lice", "/sse/subscribe/alic%C3%A9", "/sse/subscribe/alice%EF%BB%BF",
    ];
    for (const path of paths) {
      const refused = await status(path, bearer(of("alice")));
      assert.ok([400, 401, 403, 404].includes(refused), path + " gives " + refused);
    }
    // Another spelling of the same bytes is the same user.
    assert.equal(await status("/sse/subscribe/%61lice", bearer(of("alice"))), 200);
    assert.equal(await status("/sse/subscribe/a%2Fb", bearer(of("a/b"))), 200);
    assert.equal(await status("/sse/subscribe/a/b", bearer(of("a/b"))), 404);
    // One letter in two normal forms is two users.
    assert.equal(await status("/sse/subscribe/" + encodeURIComponent("zo\u00eb"), bearer(of("zo\u00eb"))), 200);
    assert.equal(await status("/sse/subscribe/" + encodeURIComponent("zoe\u0308"), bearer(of("zo\u00eb"))), 403);
    // A token does not make an id good that no user can have.
    assert.equal(await status("/sse/subscribe/a%0Ab", bearer(of("a\nb"))), 400);
    assert.equal(await status("/sse/subscribe/%FF", bearer(of("\u00ff"))), 403);
  });

  test("no cursor, filter or prefix brings another's events", async () => {
    const theirs = await hub.send("/sse/send/alice?event=note", "for alice alone", publish);
    await hub.send("/sse/send/al?event=note", "for al", publish);
    await hub.send("/sse/group/alic", "for a group without al", publish);
    const cursors = ["earliest", theirs.id, theirs.id.replace(/\d+$/, (n) => n - 1), "*", "alice", theirs.id + "%0A"];
    for (const cursor of cursors) {
      for (const filter of ["", "&event=note", "&event=note&event=message"]) {
        for (const transport of ["", "&transport=iframe"]) {
          const path = `/sse/subscribe/al?last_event_id=${cursor}${filter}${transport}`;
          const end = `the end of ${path}`;
          const stream = heard(path, bearer(of("al")), JSON.stringify(end).slice(1, -1));
          await hub.send("/sse/send/al?event=note", end, publish);
          assert.doesNotMatch(await stream, /for alice alone|a group without al/, path);
        }
      }
    }
  });

  test("replay does not tell whether others have events", async () => {
    // The same for al beside a busy neighbour and beside nobody: nothing but the ids may differ.
    const told = [];
    for (const busy of [false, true]) {
      const other = await start_hub("--subscribe-secret", secret, "--replay-events", "50");
      const first = await other.send("/sse/send/al", "first");
      if (busy) for (let i = 0; i < 20; ++i) await other.send("/sse/send/alice", "secret " + i);
      await other.send("/sse/send/al", "second");
      for (const cursor of ["earliest", first.id]) {
        const path = "/sse/subscribe/al?last_event_id=" + cursor;
        const text = await heard(path, bearer(of("al")), "second", { port: other.port });
        told.push(text.replace(/^id: .*$/gm, "id"));
      }
      await other.stop();
    }
    assert.deepEqual(told.slice(0, 2), told.slice(2));
  });

  test("a stream ends when its token expires, and does not open again", async () => {
    // A second at least, so that it is still good when a busy machine looks at it.
    const soon = () => token(secret, { sub: "alice", exp: Date.now() / 1000 + 1.5 });
    for (const transport of ["?transport=sse", "?transport=iframe"]) {
      const short = soon();
      const answer = await ask("/sse/subscribe/alice" + transport, bearer(short));
      const text = await within("the end", body(answer));
      assert.match(text, /closing/);
      assert.match(text, /expired/);
      assert.ok(answer.complete, "cut");
      assert.equal(await status("/sse/subscribe/alice", bearer(short)), 401);
    }
    const poll = soon();
    const answer = await ask("/sse/subscribe/alice?transport=poll&timeout=60000", bearer(poll));
    assert.deepEqual(JSON.parse(await within("the answer", body(answer))).events, []);
    assert.equal(await status("/sse/subscribe/alice?transport=poll", bearer(poll)), 401);
  });

  test("who is there is for publishers to see", async () => {
    for (const path of ["/sse/users", "/sse/count"]) {
      for (const method of ["GET", "HEAD"]) {
        assert.equal(await status(path, {}, { method }), 401);
        assert.equal(await status(path, bearer(of("alice")), { method }), 401);
        assert.equal(await status(path, publish, { method }), 200);
      }
    }
    assert.equal(await status("/sse/send/alice", bearer(of("alice")), { method: "POST" }), 401);
    // Neither tells who.
    for (const path of ["/healthz", "/metrics", "/sse/position"]) assert.equal(await status(path), 200);
  });

  test("no token is ever printed", () => {
    assert.doesNotMatch(hub.program.stdout + hub.program.stderr, /eyJ|secret|publish token/);
    assert.equal(hub.program.stderr, "");
  });
});

describe("--subscribe-secret", () => {
  test("under 32 bytes is refused", async () => {
    for (const short of ["", "x".repeat(31)]) {
      const hub = start(process.env.HUB, ["--port", "0", "--subscribe-secret", short]);
      assert.equal(await within("the end", hub.exit), 2);
      assert.match(hub.stderr, /^hub: option --subscribe-secret: .*32 bytes.*\n$/);
    }
    const hub = await start_hub("--subscribe-secret", "x".repeat(32));
    // Nobody has a publish token here, so nobody may see who is there.
    assert.equal((await fetch(hub.url + "/sse/users")).status, 401);
    await hub.stop();
  });
});
