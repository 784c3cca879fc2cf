// An export that takes its time, told to the user who asked.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { end_of, start_example } from "./support/example.mjs";
import { start } from "./support/program.mjs";
import { until } from "./support/until.mjs";

describe("download", { timeout: 60_000 }, () => {
  let folder;
  let download;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "spate-test-"));
    process.env.TMPDIR = folder;
    download = await start_example("download", "--rows", "20000", "--export-ms", "200");
  });
  after(async () => {
    await download?.stop();
    // Nothing is left behind.
    assert.deepEqual(readdirSync(folder), []);
    rmSync(folder, { recursive: true });
  });

  test("the request returns at once; progress, then a file with a length", async () => {
    const alice = await download.listen("/events/alice");
    const { id } = await download.post(202, "/export/alice");
    assert.ok(!alice.events.some(({ event }) => event === "ready"), "it was ready before the request returned");
    const { json: ready } = await alice.named("ready");
    const progress = alice.events.filter(({ event }) => event === "progress").map(({ data }) => JSON.parse(data));
    assert.ok(progress.length >= 10);
    assert.equal(progress.at(-1).percent, 100);
    progress.forEach((step, index) => {
      assert.equal(step.id, id);
      assert.ok(index === 0 || step.percent > progress[index - 1].percent);
    });
    assert.equal(ready.id, id);
    assert.match(ready.url, /^\/files\/[0-9a-f]{32}\b/);

    const response = await download.fetch(ready.url);
    const text = await response.text();
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-length"), String(ready.bytes));
    assert.equal(text.length, ready.bytes);
    assert.match(text, /^row,user,square\r\n0,0,0\r\n/);
    assert.match(text, /\r\n19999,999,399960001\r\n$/);
    const head = await download.fetch(ready.url, { method: "HEAD" });
    assert.equal(head.headers.get("content-length"), String(ready.bytes));
    assert.equal(head.headers.get("accept-ranges"), "bytes");

    // In a folder that nobody else can look into.
    const [name, ...others] = readdirSync(folder);
    assert.deepEqual(others, []);
    assert.equal(statSync(join(folder, name)).mode & 0o777, 0o700);
    await alice.close();
  });

  test("ranges", async () => {
    const alice = await download.listen("/events/ranges");
    await download.post(202, "/export/ranges");
    const { url, bytes } = (await alice.named("ready")).json;
    const whole = await (await download.fetch(url)).text();
    const ask = async (range, headers = {}) => {
      const response = await download.fetch(url, { headers: { Range: range, ...headers } });
      return [response.status, response.headers.get("content-range"), await response.text()];
    };
    const last = bytes - 1;
    for (const [range, first, end] of [
      ["bytes=0-4", 0, 5],
      ["bytes=5-5", 5, 6],
      [`bytes=${last}-`, last, bytes],
      ["bytes=100-", 100, bytes],
      ["bytes=-7", bytes - 7, bytes],
      [`bytes=10-${bytes}`, 10, bytes],
      [`bytes=-${bytes + 1}`, 0, bytes],
      ["bytes=10-99999999999999999999999", 10, bytes],
    ]) {
      assert.deepEqual(await ask(range), [206, `bytes ${first}-${end - 1}/${bytes}`, whole.slice(first, end)], range);
    }
    for (const range of [`bytes=${bytes}-`, "bytes=99999999999999999999999-", "bytes=-0"]) {
      const [status, content_range] = await ask(range);
      assert.deepEqual([status, content_range], [416, `bytes */${bytes}`], range);
    }
    for (const range of ["bytes=5-4", "bytes=a-b", "bytes=", "bytes=-", "lines=0-4", "bytes=0-4,6-8", "bytes=0x1-4"]) {
      assert.deepEqual(await ask(range), [200, null, whole], range);
    }
    assert.equal((await ask("bytes=0-4", { "If-Range": '"another"' }))[0], 200);
    // Of what is asked about, not for, there are no parts. (RFC 9110 14.2)
    const about = await download.fetch(url, { method: "HEAD", headers: { Range: "bytes=0-4" } });
    assert.deepEqual([about.status, about.headers.get("content-length")], [200, String(bytes)]);

    // A download that broke off, and curl goes on with it.
    const file = join(folder, "export.csv");
    const curl = start("bash", ["-c", `head -c 1000 <(curl -sS '${download.url}${url}') >'${file}'; exec curl -sS -C - -o '${file}' '${download.url}${url}'`]);
    assert.equal(await end_of(curl), 0, curl.stderr);
    assert.equal(statSync(file).size, bytes);
    rmSync(file);
    await alice.close();
  });

  test("a failed export is told as an event, and leaves no file", async () => {
    const bob = await download.listen("/events/bob");
    const files = () => readdirSync(join(folder, readdirSync(folder)[0])).length;
    const before = files();
    const { id } = await download.post(202, "/export/bob?fail=1");
    const { json } = await bob.named("failed");
    assert.equal(json.id, id);
    assert.equal(typeof json.error, "string");
    assert.ok(bob.events.length > 1, "progress came before it failed");
    assert.ok(!bob.events.some(({ event }) => event === "ready"));
    assert.equal(files(), before);
    await bob.close();
  });

  test("two users never see each other's, and what nobody was told cannot be had", async () => {
    const [carol, dave] = [await download.listen("/events/carol"), await download.listen("/events/dave")];
    const [of_carol, of_dave] = await Promise.all([download.post(202, "/export/carol"), download.post(202, "/export/dave")]);
    const urls = [(await carol.named("ready")).json.url, (await dave.named("ready")).json.url];
    assert.notEqual(urls[0], urls[1]);
    for (const [listener, { id }] of [[carol, of_carol], [dave, of_dave]]) {
      assert.deepEqual([...new Set(listener.events.map(({ data }) => JSON.parse(data).id))], [id]);
    }
    for (const path of ["/files/x.csv", "/files/..%2F..%2Fetc%2Fpasswd", "/files/%2Fetc%2Fpasswd", "/files/."]) {
      await download.json(404, path);
    }
    await carol.close();
    await dave.close();
  });

  test("sixteen are made at a time", async () => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => download.fetch("/export/frank", { method: "POST" })),
    );
    const refused = answers.filter(({ status }) => status === 503);
    assert.ok(refused.length >= 1 && refused.length <= 4, `${refused.length} were refused`);
    assert.equal(refused[0].headers.get("retry-after"), "1");
    assert.equal(answers.filter(({ status }) => status === 202).length, 20 - refused.length);
    const frank = await download.listen("/events/frank?last_event_id=earliest");
    await until("all of them", () => frank.events.filter(({ event }) => event === "ready").length === 20 - refused.length);
    await frank.close();
  });

  test("who was away when it got ready is told on coming back", async () => {
    await download.post(202, "/export/erin");
    const { events } = await download.poll("/events/erin", (heard) => heard.some(({ event }) => event === "ready"), {
      last_event_id: "earliest",
    });
    assert.ok(existsSync(folder) && events.length > 1);
  });
});
