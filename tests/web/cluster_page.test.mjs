// The hub's page on a cluster, in Chromium; the cluster is examples/cluster/run.sh.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launch_browser } from "./support/browser.mjs";
import { HubPage } from "./support/hub_page.mjs";
import { alive, start_running_cluster } from "./support/running_cluster.mjs";
import { until } from "./support/until.mjs";

const post = async (url, data) => {
  const response = await fetch(url, { method: "POST", body: data });
  assert.equal(response.status, 202, await response.clone().text());
  return (await response.json()).id;
};
const users_at = async ({ url }) => (await fetch(`${url}/sse/users`)).json();
const sent_data = async (page) => (await page.sent()).map(({ data }) => data);

describe("the page on a cluster", { timeout: 200_000 }, () => {
  let cluster, browser;
  before(async () => ([cluster, browser] = await Promise.all([start_running_cluster(), launch_browser()])));
  after(async () => {
    await browser?.close();
    await cluster?.stop();
  });

  test("two users on two nodes talk to each other", async () => {
    const [first, second] = cluster.nodes;
    const alice = await HubPage.open(browser, first.url);
    const bob = await HubPage.open(browser, second.url);
    await alice.connect("alice");
    await bob.connect("bob");
    assert.deepEqual([await users_at(first), await users_at(second)], [["alice"], ["bob"]]);
    for (const page of [alice, bob]) {
      await until("the other to be online", async () => (await page.users()).join() === "alice,bob");
    }
    await alice.send({ recipient: "bob", event: "note", data: "over there?" });
    await until("bob to hear alice", async () => (await bob.sent()).length === 1);
    await bob.send({ to: "Everybody", data: "over here" });
    await until("alice to hear bob", async () => (await alice.sent()).length === 1);
    await until("bob to hear himself", async () => (await bob.sent()).length === 2);
    assert.deepEqual(await sent_data(bob), ["over there?", "over here"]);
    const [heard] = await alice.sent();
    assert.equal(heard.data, "over here");
    // One id on every node.
    assert.equal(heard.id, (await bob.sent())[1].id);
    assert.deepEqual([...alice.errors, ...bob.errors], []);
    for (const { page } of [alice, bob]) await page.context().close();
  });

  test("a user whose node is killed goes on at another, with nothing missing", async () => {
    const page = await HubPage.open(browser, cluster.url);
    await page.connect("carol");
    const home = await until("the node that carol is on", async () => {
      for (const node of cluster.nodes) if ((await users_at(node)).includes("carol")) return node;
    });
    const others = cluster.nodes.filter((node) => node !== home);
    const wanted = [];
    const send = async (count) => {
      for (let number = 0; number < count; ++number) {
        const data = `number ${wanted.length}`;
        const path = ["/sse/send/carol", "/sse/group/car", "/sse/broadcast"][wanted.length % 3];
        await post(others[wanted.length % 2].url + path, data);
        wanted.push(data);
      }
    };
    await send(30);
    await until("the first events", async () => (await page.sent()).length > 0);
    process.kill(home.pid, "SIGKILL");
    await until("the node's end", () => !alive(home.pid));
    await send(30); // while nobody listens for her
    await until("carol at another node", async () => {
      for (const node of others) if ((await users_at(node)).includes("carol")) return true;
    });
    await send(30);
    await until("the last event", async () => (await sent_data(page)).includes(wanted.at(-1)));
    assert.deepEqual(await sent_data(page), wanted);
    assert.deepEqual((await page.rows()).filter(({ name }) => name === "gap"), []);
    assert.deepEqual(page.errors, []);
    // Through nginx, which goes on with the nodes that are left.
    await page.send({ recipient: "carol", data: "still there" });
    await until("what she sent herself", async () => (await sent_data(page)).at(-1) === "still there");
    await page.page.context().close();
  });

  for (const signal of ["SIGTERM", "SIGINT"]) {
    test(`${signal} stops all of it`, async () => {
      const own = await start_running_cluster("--nodes", "2", "--mode", "broadcast");
      assert.equal(await (await fetch(`${own.url}/healthz`)).text().then((text) => text.trim()), "ok");
      await own.stop(signal);
      for (const { name, pid } of own.nodes) assert.ok(!alive(pid), `${name} is still there`);
      await assert.rejects(fetch(own.url));
    });
  }
});
