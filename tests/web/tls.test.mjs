// The hub over TLS: what its command line says, which versions and protocols it speaks, handshakes that fail, and
// certificates that are read again while streams are open. Handshakes of those who mean harm: tls_attacks.test.mjs.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { closeSync, copyFileSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import http2 from "node:http2";
import net from "node:net";
import { once } from "node:events";
import tls from "node:tls";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Connection } from "../conduct/connection.mjs";
import { ask } from "./support/ask.mjs";
import { Authority, openssl } from "./support/certificates.mjs";
import { Http1Client, Http2Client } from "./support/event_clients.mjs";
import { run_hub, start_hub, start_tls_hub } from "./support/hub.mjs";
import { resident_bytes } from "./support/process_use.mjs";
import { start } from "./support/program.mjs";
import { assert_same_events } from "./support/same_events.mjs";
import { until, within } from "./support/until.mjs";

const FAILURES = "spate_tls_handshake_failures_total";
const open_by = (protocol, encrypted) => `spate_connections{protocol="${protocol}",tls="${encrypted}"}`;

const authority = new Authority();
const first = authority.issue("first");
const second = authority.issue("second");
const trusting = { ca: authority.pem };

let hub;
let clients = [];
beforeEach(() => {
  hub = undefined;
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.close();
  await hub?.stop();
});
const open = async (client, url = hub.url, options = trusting) => {
  const opened = await client.open(url, options);
  clients.push(opened);
  return opened;
};

/// A handshake with the hub: the socket, or the error that ended it.
async function shake_hands(options = {}) {
  const socket = tls.connect({ host: "127.0.0.1", port: hub.port, servername: "localhost", ...trusting, ...options });
  socket.on("session", (session) => (socket.newest_session = session)); // with TLS 1.3 it comes after the handshake
  await within("a handshake", once(socket, "secureConnect"));
  socket.on("error", () => {});
  return socket;
}
/// The fingerprint of the certificate that a new connection is shown; whoever asks trusts it.
async function certificate_shown() {
  const socket = await shake_hands();
  const { fingerprint256 } = socket.getPeerCertificate();
  // In order: a socket that is destroyed here would not have sent the end of its handshake.
  socket.resume().end();
  await within("the end", once(socket, "close"));
  return fingerprint256;
}
/// What openssl's own client says of a connection on which it sends `input`.
async function s_client(input, ...options) {
  const command = ["s_client", "-connect", `127.0.0.1:${hub.port}`, "-servername", "localhost", ...options];
  const file = authority.path("input.txt");
  writeFileSync(file, input);
  const stdin = openSync(file);
  const client = start("openssl", command, { stdio: [stdin, "pipe", "pipe"] });
  closeSync(stdin);
  await within("the end of openssl", client.exit);
  return client.stdout + client.stderr;
}

describe("the command line for TLS", { timeout: 120_000 }, () => {
  const empty = authority.path("empty.pem");
  writeFileSync(empty, "");
  const cut = authority.path("cut.pem");
  writeFileSync(cut, readFileSync(first.certificate, "latin1").slice(0, 300));
  const locked = authority.path("locked.pem");
  openssl("pkcs8", "-topk8", "-in", first.key, "-out", locked, "-passout", "pass:secret");
  const binary = authority.path("binary.der");
  openssl("x509", "-in", first.certificate, "-outform", "DER", "-out", binary);
  const text = authority.path("text.txt");
  writeFileSync(text, "no certificate\n");
  const files = (certificate, key) => ["--tls-cert", certificate, "--tls-key", key];

  // [what, options, exit status, what the line says]
  const refused = [
    ["a certificate without a key", ["--tls-cert", first.certificate], 2, "--tls-key"],
    ["a key without a certificate", ["--tls-key", first.key], 2, "--tls-cert"],
    ["self-signed beside files", ["--tls-self-signed", ...files(first.certificate, first.key)], 2, "--tls-self-signed"],
    ["files beside self-signed", [...files(first.certificate, first.key), "--tls-self-signed"], 2, "--tls-self-signed"],
    ["self-signed beside a certificate", ["--tls-self-signed", "--tls-cert", first.certificate], 2, "--tls-cert"],
    ["self-signed beside a key", ["--tls-self-signed", "--tls-key", first.key], 2, "--tls-key"],
    ["files without names", files("", ""), 2, '--tls-cert: ""'],
    ["a key without a name", files(first.certificate, ""), 2, '--tls-key: ""'],
    ["HTTP/2 neither on nor off", ["--http2", "maybe"], 2, '"maybe"'],
    ["no streams", ["--max-streams-per-connection", "0"], 2, '"0"'],
    ["streams that are no number", ["--max-streams-per-connection", "many"], 2, '"many"'],
    ["a certificate that is not there", files("/nowhere/c.pem", first.key), 1, "/nowhere/c.pem"],
    ["a key that is not there", files(first.certificate, "/nowhere/k.pem"), 1, "/nowhere/k.pem"],
    ["a folder as certificate", files(authority.folder, first.key), 1, authority.folder],
    ["a folder as key", files(first.certificate, authority.folder), 1, authority.folder],
    ["an empty certificate", files(empty, first.key), 1, empty],
    ["an empty key", files(first.certificate, empty), 1, empty],
    ["a certificate that is cut short", files(cut, first.key), 1, cut],
    ["a text as certificate", files(text, first.key), 1, text],
    ["a text as key", files(first.certificate, text), 1, text],
    ["a certificate in DER", files(binary, first.key), 1, binary],
    ["a key as certificate", files(first.key, first.key), 1, first.key],
    ["a certificate as key", files(first.certificate, second.certificate), 1, second.certificate],
    ["a key that does not fit", files(first.certificate, second.key), 1, second.key],
    ["a key with a password", files(first.certificate, locked), 1, locked],
  ];
  for (const [what, options, status, said] of refused) {
    test(`${what}: one line, and exit ${status}`, async () => {
      const program = run_hub(...options);
      assert.equal(await within("its end", program.exit), status, program.stderr);
      assert.equal(program.stdout, "");
      assert.match(program.stderr, /^hub: [^\n]+\n$/);
      assert.ok(program.stderr.includes(said), program.stderr);
    });
  }

  test("with files the first line says https, and whoever trusts the authority trusts the chain", async () => {
    hub = await start_tls_hub(authority, first);
    assert.equal(hub.program.stdout, `listening on https://127.0.0.1:${hub.port}\n`);
    assert.equal(await certificate_shown(), first.fingerprint);
    const answer = await ask(`https://localhost:${hub.port}/healthz`, trusting);
    assert.deepEqual([answer.status, answer.text], [200, "ok"]);
    assert.equal(hub.program.stderr, "");
  });

  test("self-signed: a certificate for localhost, 127.0.0.1 and ::1, another each time, that is trusted by itself", async () => {
    const serials = new Set();
    for (let run = 0; run < 2; ++run) {
      const program = run_hub("--tls-self-signed");
      const [, url] = await program.printed(/^listening on (https:\/\/127\.0\.0\.1:\d+)\n/);
      const socket = tls.connect({ host: "127.0.0.1", port: Number(new URL(url).port), rejectUnauthorized: false });
      await within("a handshake", once(socket, "secureConnect"));
      const certificate = new X509Certificate(socket.getPeerCertificate().raw);
      socket.destroy();
      assert.equal(certificate.checkHost("localhost"), "localhost");
      assert.equal(certificate.checkIP("127.0.0.1"), "127.0.0.1");
      assert.ok(certificate.checkIP("::1"));
      assert.equal(certificate.checkHost("example.com"), undefined);
      assert.ok(new Date(certificate.validFrom) <= new Date() && new Date() < new Date(certificate.validTo));
      serials.add(certificate.fingerprint256);
      // A client that is given this certificate as its authority needs no exception.
      const answer = await ask(url + "/healthz", { ca: certificate.toString() });
      assert.equal(answer.text, "ok");
      assert.equal(await program.stop("SIGTERM"), 0, program.stderr);
    }
    assert.equal(serials.size, 2);
  });

  test("--http2 off: HTTP/1.1 for all, with and without TLS", async () => {
    hub = await start_tls_hub(authority, first, "--http2", "off");
    const socket = await shake_hands({ ALPNProtocols: ["h2", "http/1.1"] });
    assert.equal(socket.alpnProtocol, "http/1.1");
    socket.destroy();
    const plain = await start_hub("--http2", "off");
    const connection = await Connection.open(plain.port);
    connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    const { status } = await connection.take_head();
    assert.ok(status >= 400, `${status}`);
    connection.destroy();
    await plain.stop();
  });

  test("--max-streams-per-connection is told in SETTINGS, and 256 unless given", async () => {
    for (const [options, wanted] of [[[], 256], [["--max-streams-per-connection", "7"], 7]]) {
      const told = await start_tls_hub(authority, first, ...options);
      const client = await open(Http2Client, told.url);
      assert.equal(client.session.remoteSettings.maxConcurrentStreams, wanted);
      client.close();
      await told.stop();
    }
  });
});

describe("protocols over TLS", { timeout: 120_000 }, () => {
  beforeEach(async () => (hub = await start_tls_hub(authority, first)));

  // The client would refuse the old ones by itself without this.
  const weak = ["-cipher", "DEFAULT:@SECLEVEL=0"];
  for (const version of ["tls1", "tls1_1"]) {
    test(`${version} is refused with the alert protocol_version, and counted`, async () => {
      const said = await s_client("", `-${version}`, ...weak);
      assert.match(said, /alert protocol version/);
      assert.match(said, /Cipher is \(NONE\)/);
      await until("the failure to be counted", async () => (await hub.metric(FAILURES)) === 1);
    });
  }
  for (const [version, name] of [["tls1_2", "TLSv1.2"], ["tls1_3", "TLSv1.3"]]) {
    test(`${version} is spoken: openssl's client gets an answer, and a proper end`, async () => {
      const request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
      const options = [`-${version}`, "-CAfile", authority.file, "-verify_return_error", "-ign_eof"];
      const said = await s_client(request, ...options);
      assert.match(said, new RegExp(`New, ${name},`));
      assert.match(said, /HTTP\/1\.1 200 OK\r\n/);
      assert.match(said, /\r\n\r\nok/);
      // Without close_notify it would speak of an unexpected end.
      assert.doesNotMatch(said, /unexpected|error/i);
      assert.equal(await hub.metric(FAILURES), 0);
    });
  }

  test("ALPN: h2 before http/1.1, whatever the client prefers; without it HTTP/1.1", async () => {
    for (const [offered, wanted] of [
      [["h2"], "h2"],
      [["http/1.1"], "http/1.1"],
      [["http/1.1", "h2"], "h2"],
      [["http/1.0", "http/1.1"], "http/1.1"],
      [undefined, false],
    ]) {
      const socket = await shake_hands({ ALPNProtocols: offered });
      assert.equal(socket.alpnProtocol, wanted, `${offered}`);
      if (wanted !== "h2") {
        socket.setEncoding("latin1").write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert.match((await within("an answer", once(socket, "data")))[0], /^HTTP\/1\.1 200 /);
      }
      socket.destroy();
    }
  });

  test("ALPN: who speaks nothing that the hub does is told so (RFC 7301 3.2)", async () => {
    await assert.rejects(shake_hands({ ALPNProtocols: ["spdy/3"] }), /no application protocol/i);
    await until("the failure to be counted", async () => (await hub.metric(FAILURES)) === 1);
  });

  // [what, bytes]; each is HTTP in the clear.
  const in_the_clear = [
    ["GET", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ["HTTP/1.0", "GET /healthz HTTP/1.0\r\n\r\n"],
    ["POST with a body", "POST /sse/send/alice HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello"],
    ["OPTIONS", "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    ["DELETE", "DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
  ];
  for (const [what, bytes] of in_the_clear) {
    test(`plain HTTP on the port of TLS is told so and closed: ${what}`, async () => {
      const connection = await Connection.open(hub.port);
      connection.send(bytes);
      const { status, fields, body } = await connection.take_answer(bytes.split(" ")[0]);
      assert.equal(status, 400);
      assert.equal(fields.get("content-type"), "application/json");
      assert.match(JSON.parse(body).error, /TLS|https/i);
      while (await connection.more()) continue;
      assert.equal(connection.ended, "closed");
      assert.equal(connection.received, "");
      assert.equal(await hub.metric(FAILURES), 1);
      assert.deepEqual(await hub.count(), { users: 0, streams: 0 });
    });
  }

  test("plain HTTP/2 on the port of TLS is closed, and no answer is sent over it", async () => {
    const connection = await Connection.open(hub.port);
    connection.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    while (await connection.more()) continue;
    assert.doesNotMatch(connection.received, / 200 /);
    assert.equal(await hub.metric(FAILURES), 1);
  });

  test("TLS on a port that speaks none is closed, with no handshake counted", async () => {
    const plain = await start_hub();
    const socket = tls.connect({ host: "127.0.0.1", port: plain.port, ...trusting });
    await assert.rejects(within("the end", once(socket, "secureConnect")));
    assert.equal(await plain.metric(FAILURES), 0);
    await plain.stop();
  });

  test("open connections are counted by protocol and encryption, and no longer than they are open", async () => {
    const counts = async () => {
      const kinds = [["http/1.1", 0], ["http/1.1", 1], ["h2", 0], ["h2", 1]];
      const all = [];
      for (const kind of kinds) all.push(await hub.metric(open_by(...kind)));
      return all.join(" ");
    };
    // Who asks is one of them.
    assert.equal(await counts(), "0 1 0 0");
    const one = await open(Http1Client);
    for (let stream = 0; stream < 3; ++stream) await one.listen("/sse/subscribe/one");
    const many = await open(Http2Client);
    for (let stream = 0; stream < 50; ++stream) await many.listen("/sse/subscribe/many");
    await open(Http2Client);
    assert.equal(await counts(), "0 4 0 2");
    assert.equal(await hub.metric("spate_streams"), 53);
    for (const client of clients) client.close();
    await until("the connections to be forgotten", async () => (await counts()) === "0 1 0 0");
    await until("the streams to be forgotten", async () => (await hub.metric("spate_streams")) === 0);
    assert.equal(await hub.metric(FAILURES), 0);
  });
});

describe("limits over TLS", { timeout: 120_000 }, () => {
  test("a session is resumed, whichever thread takes the connection", async () => {
    hub = await start_tls_hub(authority, first, "--threads", "3");
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"]) {
      let session;
      const resumed = [];
      for (let connection = 0; connection < 12; ++connection) {
        const socket = await shake_hands({ maxVersion, session });
        if (connection > 0) resumed.push(socket.isSessionReused());
        socket.resume(); // or it would not see what comes after the handshake
        session = await until("a ticket", () => socket.newest_session ?? (connection > 0 && maxVersion === "TLSv1.2" && session));
        socket.destroy();
      }
      assert.deepEqual(resumed, Array(11).fill(true), maxVersion);
    }
  });

  test("who connects and says nothing costs a fraction of a handshake that has begun", async (t) => {
    if (process.env.SANITIZE) return t.skip("a sanitizer takes memory of its own");
    hub = await start_tls_hub(authority, first);
    const SILENT = 400;
    const arrived = async (count) => (await hub.metric(open_by("http/1.1", 1))) === count + 1; // and who asks
    const come = (count) => Array.from({ length: count }, () => net.connect(hub.port, "127.0.0.1").on("error", () => {}));
    const sockets = come(10);
    await until("the first to arrive", () => arrived(10));
    const before = resident_bytes(hub.program.pid);
    sockets.push(...come(SILENT));
    await until("all to arrive", () => arrived(SILENT + 10));
    const each = (resident_bytes(hub.program.pid) - before) / SILENT;
    assert.ok(each < 16 * 1024, `${each} bytes for each`);
    for (const socket of sockets) socket.destroy();
  });

  test("--request-timeout-ms: a connection without a request is ended, over both protocols", async () => {
    const TIMEOUT_MS = 500;
    hub = await start_tls_hub(authority, first, "--request-timeout-ms", String(TIMEOUT_MS));
    const began = performance.now();
    const http1 = await shake_hands();
    const silent = await shake_hands({ ALPNProtocols: ["h2"] }); // not even a preface
    const idle = await open(Http2Client);
    for (const socket of [http1, silent]) socket.resume();
    const served = await open(Http2Client); // whose only request is a stream that goes on
    const stream = await served.listen("/sse/subscribe/alice");
    await within("the ends", Promise.all([once(http1, "close"), once(silent, "close"), until("the end", () => idle.ended)]));
    const took = performance.now() - began;
    assert.ok(took > TIMEOUT_MS * 0.9, `ended after ${took} ms`);
    assert.deepEqual(idle.goaway.map(({ code }) => code), [http2.constants.NGHTTP2_NO_ERROR]);
    assert.equal(await hub.metric(FAILURES), 0);
    await hub.send("/sse/send/alice", "still here");
    await stream.has("still here");
  });

  test("--max-connections counts connections: over the limit 503, and a stream more on an open one is none", async () => {
    hub = await start_tls_hub(authority, first, "--max-connections", "2");
    const client = await open(Http2Client);
    const other = await open(Http1Client);
    await other.listen("/sse/subscribe/bob");
    for (let stream = 0; stream < 20; ++stream) await client.listen("/sse/subscribe/alice");
    const refused = await hub.fetch("/healthz");
    assert.equal(refused.status, 503);
    assert.ok(refused.json().error);
    const late = await open(Http2Client).then((one) => one.ask("/healthz"), (error) => ({ error }));
    assert.ok(late.status === 503 || late.error, JSON.stringify(late));
    assert.equal((await client.ask("/sse/count")).json().streams, 21);
  });

  test("a drain ends each stream in order, and TLS with close_notify", async () => {
    hub = await start_tls_hub(authority, first);
    const said = s_client("GET /sse/subscribe/alice HTTP/1.1\r\nHost: localhost\r\n\r\n", "-ign_eof");
    await until("the stream", async () => (await hub.count()).streams === 1);
    const stopped = hub.stop();
    assert.match(await said, /event: closing\n[^]*"shutdown"[^]*\r\n0\r\n\r\n/);
    assert.doesNotMatch(await said, /unexpected eof/);
    await stopped;
    hub = undefined;
  });
});

describe("SIGHUP", { timeout: 300_000 }, () => {
  // The files that the hub is told of, which change while it runs.
  const files = { certificate: authority.path("hub.pem"), key: authority.path("hub.key.pem") };
  const reload = () => process.kill(hub.program.pid, "SIGHUP");
  const complaints = () => hub.program.stderr.split("\n").filter(Boolean);
  /// Puts the files of `pair` in the place of the hub's, as programs that renew certificates do.
  const put = (pair) => {
    for (const name of ["certificate", "key"]) {
      copyFileSync(pair[name], files[name] + ".new");
      renameSync(files[name] + ".new", files[name]);
    }
  };
  const shown = (pair) => until("the certificate", async () => (await certificate_shown()) === pair.fingerprint);
  const started = async (...options) => {
    put(first);
    hub = await start_tls_hub(authority, files, ...options);
  };

  test("reads the files again: new connections get the new certificate, and open streams live on", async () => {
    await started("--threads", "2");
    const streams = [];
    for (const kind of [Http1Client, Http2Client]) {
      const client = await open(kind);
      for (let stream = 0; stream < 5; ++stream) streams.push(await client.listen("/sse/subscribe/alice"));
    }
    const kept = await shake_hands();
    put(second);
    assert.equal(await certificate_shown(), first.fingerprint, "read before it was told to");
    reload();
    await shown(second);
    await hub.send("/sse/send/alice", "after");
    for (const stream of streams) await stream.has("after");
    // A connection of before is served as before.
    kept.setEncoding("latin1").write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert.match((await within("an answer", once(kept, "data")))[0], /^HTTP\/1\.1 200 /);
    kept.destroy();
    assert.deepEqual(complaints(), []);
    put(first);
    reload();
    await shown(first);
  });

  const cut = () => writeFileSync(files.certificate, readFileSync(second.certificate, "latin1").slice(0, 200));
  // [what, what is done to the files, what the line says]
  const failures = [
    ["a key that does not fit", () => copyFileSync(second.key, files.key), files.key],
    ["a certificate that is not there", () => rmSync(files.certificate), files.certificate],
    ["a key that is not there", () => rmSync(files.key), files.key],
    ["a certificate that is written in part", cut, files.certificate],
    ["a key that is empty", () => writeFileSync(files.key, ""), files.key],
  ];
  for (const [what, harm, said] of failures) {
    test(`${what}: it is said and changes nothing, and the next reload works`, async () => {
      await started();
      const client = await open(Http2Client);
      const alice = await client.listen("/sse/subscribe/alice");
      harm();
      reload();
      await until("a complaint", () => hub.program.stderr.endsWith("\n"));
      assert.equal(complaints().length, 1);
      assert.ok(complaints()[0].includes(said), complaints()[0]);
      assert.equal(await certificate_shown(), first.fingerprint);
      await hub.send("/sse/send/alice", "after");
      await alice.has("after");
      put(second);
      reload();
      await shown(second);
      assert.equal(complaints().length, 1);
    });
  }

  for (const [what, options] of [["TLS", []], ["files", ["--tls-self-signed"]]]) {
    test(`without ${what} it is ignored`, async () => {
      const program = run_hub(...options);
      const [, url] = await program.printed(/^listening on (\S+)\n/);
      const look = async () => {
        if (options.length === 0) return (await ask(url + "/healthz")).text;
        const socket = tls.connect({ host: "127.0.0.1", port: Number(new URL(url).port), rejectUnauthorized: false });
        await within("a handshake", once(socket, "secureConnect"));
        const { fingerprint256 } = socket.getPeerCertificate();
        socket.destroy();
        return fingerprint256;
      };
      const before = await look();
      for (let signal = 0; signal < 20; ++signal) process.kill(program.pid, "SIGHUP");
      // A signal is dealt with before what its process does next.
      assert.equal(await look(), before);
      assert.equal(program.stderr, "");
      assert.equal(await program.stop("SIGTERM"), 0);
    });
  }

  test("again and again while events are published to many streams over both protocols: nothing is lost", async () => {
    const RELOADS = 100;
    const EACH = 40;
    await started("--threads", "2");
    const listeners = [];
    for (const kind of [Http1Client, Http2Client, Http2Client]) {
      const client = await open(kind);
      for (let stream = 0; stream < EACH; ++stream) {
        listeners.push(await client.listen(`/sse/subscribe/user-${listeners.length}`));
      }
    }
    const sent = [];
    let going = true;
    const publish = async (send) => {
      for (let number = 0; going; ++number) {
        const data = `${sent.length}:${"x".repeat((number * 37) % 400)}`;
        const place = sent.push(undefined) - 1;
        const { id, streams } = await send(number % 2 ? "/sse/broadcast" : "/sse/group/user-", data);
        assert.ok(streams >= listeners.length, `it reached ${streams}`);
        sent[place] = { id, name: "message", data };
        await pause(2);
      }
    };
    const by_http2 = await open(Http2Client);
    const roamer = { heard: [], connections: 0, cursor: await hub.position() };
    const publishers = [
      publish((path, data) => by_http2.send(path, data)),
      publish((path, data) => hub.send(path, data)), // a handshake for each
    ];
    // One that comes and goes meanwhile resumes each time.
    const roam = (async () => {
      while (going) {
        const client = await Http2Client.open(hub.url, trusting);
        roamer.connections += 1;
        const listener = await client.listen("/sse/subscribe/user-roaming", { "last-event-id": roamer.cursor });
        await listener.named("connected");
        const wanted = sent.length;
        await until("some events", () => !going || listener.sent.length >= 5 || sent.length > wanted + 50);
        roamer.heard.push(...listener.sent);
        roamer.cursor = listener.events.at(-1).id ?? roamer.cursor;
        client.close();
      }
    })();
    try {
      for (let round = 0; round < RELOADS; ++round) {
        const pair = round % 2 ? first : second;
        put(pair);
        reload();
        await shown(pair);
      }
      const before = sent.length;
      await until("events after the last", () => sent.length > before + 10);
    } finally {
      going = false;
      await Promise.all([...publishers, roam]);
    }
    assert.ok(sent.length > RELOADS, `${sent.length} events`);
    assert.deepEqual(complaints(), []);
    const in_order = sent.sort((a, b) => Number(sequence(a.id) - sequence(b.id)));
    await Promise.all(listeners.map((listener) => until("the last event", () => listener.sent.at(-1)?.id === in_order.at(-1).id)));
    for (const listener of listeners) assert_same_events(listener.sent, in_order);
    assert.equal(await hub.metric(FAILURES), 0);
    assert.ok(roamer.connections > 5 && roamer.heard.length > 0, `${roamer.connections} connections`);
    assert_same_events(roamer.heard, in_order.slice(0, roamer.heard.length));
    const roamed = `${roamer.heard.length} to one that came ${roamer.connections} times`;
    console.log(`${RELOADS} reloads, ${sent.length} events to ${listeners.length} streams, ${roamed}`);
  });
});

/// The number in an id.
const sequence = (id) => BigInt(id.slice(id.lastIndexOf("-") + 1));
