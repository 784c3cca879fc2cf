// Events that come when something happens, of the kinds a client asks for.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { start_example } from "./support/example.mjs";

describe("trigger", { timeout: 60_000 }, () => {
  let trigger;
  before(async () => (trigger = await start_example("trigger")));
  after(() => trigger?.stop());
  const fire = (kind) => trigger.json(202, "/trigger?" + new URLSearchParams({ eventType: kind }));

  test("a client hears of the kinds it named, over one stream", async () => {
    const all = await trigger.listen("/events");
    const some = await trigger.listen("/events?event=customer&event=order");
    assert.equal((await fire("customer")).streams, 2);
    assert.equal((await fire("payment")).streams, 1);
    const { id } = await fire("order");
    await all.first(3);
    const heard = await some.first(2);
    assert.deepEqual(all.events.map(({ event }) => event), ["customer", "payment", "order"]);
    assert.deepEqual(heard.map(({ event }) => event), ["customer", "order"]);
    assert.equal(heard[1].id, id);
    const { number, time } = JSON.parse(heard[1].data);
    assert.equal(number, 3);
    assert.ok(Math.abs(time - Date.now()) < 60_000);
    await all.close();
    await some.close();
  });

  test("a client may name 32 kinds and no more", async () => {
    const kinds = (count) => "/events?" + Array.from({ length: count }, (_, i) => `event=kind${i}`).join("&");
    const listener = await trigger.listen(kinds(32));
    await fire("kind31");
    assert.deepEqual((await listener.first(1)).map(({ event }) => event), ["kind31"]);
    await listener.close();
    assert.match((await trigger.json(400, kinds(33))).error, /33 names/);
    assert.match((await trigger.json(400, "/events?event=" + "x".repeat(1025))).error, /1024 bytes/);
  });

  test("what is no kind is refused, and a look triggers nothing", async () => {
    const listener = await trigger.listen("/events");
    await trigger.json(400, "/trigger");
    await trigger.json(400, "/trigger?eventType=");
    const { error } = await trigger.json(400, "/trigger?eventType=a%0Ab");
    assert.equal(error, 'eventType must be valid UTF-8 without line ends, not "a\\nb"');
    await trigger.json(400, "/trigger?eventType=%FF");
    assert.equal((await trigger.fetch("/trigger?eventType=customer", { method: "HEAD" })).status, 405);
    await fire("</script>");
    assert.deepEqual((await listener.first(1)).map(({ event }) => event), ["</script>"]);
    await listener.close();
  });
});
