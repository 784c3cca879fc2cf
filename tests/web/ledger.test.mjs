// The ledger by which the tests of clusters judge must tell every fault, and none where there is none.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Ledger, to_everybody, to_group, to_user, to_users } from "./support/ledger.mjs";
import { seeded_random } from "./support/random.mjs";

// A ledger in which publisher 0 sent `audiences` one after the other, all accepted.
function ledger_of(...audiences) {
  const ledger = new Ledger();
  for (const [index, audience] of audiences.entries()) {
    const number = index + 1;
    const data = `0:${number}`;
    ledger.sends.set(data, { publisher: 0, number, audience, data, id: `7-${number}`, outcome: "accepted" });
  }
  return ledger;
}
const heard_by = (user, ...numbers) => ({ user, heard: numbers.map((n) => ({ id: `7-${n}`, data: `0:${n}` })) });

describe("the ledger", () => {
  const ledger = ledger_of(to_user("ann"), to_users(["bob", "ann"]), to_group("an"), to_everybody(), to_user("bob"));

  test("has nothing to say of one who heard what was for them", () => {
    assert.deepEqual(ledger.check(heard_by("ann", 1, 2, 3, 4)).lost, []);
    assert.deepEqual(ledger.check(heard_by("bob", 2, 4, 5)).lost, []);
  });

  test("names what was lost", () => {
    const { lost } = ledger.check(heard_by("ann", 1, 4));
    assert.deepEqual(lost.map(({ data }) => data), ["0:2", "0:3"]);
  });

  test("does not expect what was not accepted", () => {
    const doubtful = ledger_of(to_user("ann"), to_user("ann"));
    doubtful.sends.get("0:2").outcome = "unknown";
    assert.deepEqual(doubtful.check(heard_by("ann", 1)).lost, []);
    assert.deepEqual(doubtful.check(heard_by("ann", 1, 2)).lost, []);
  });

  test("throws on what comes twice, out of order, to the wrong user, or out of nowhere", () => {
    assert.throws(() => ledger.check(heard_by("ann", 1, 2, 2)), /twice/);
    assert.throws(() => ledger.check(heard_by("ann", 2, 1)), /after number 2/);
    assert.throws(() => ledger.check(heard_by("ann", 1, 5)), /which was for \/sse\/send\/bob/);
    assert.throws(() => ledger.check(heard_by("ann", 6)), /which nobody sent/);
  });

  test("holds the ids against each other where they are to be the same", () => {
    const elsewhere = { user: "ann", heard: [{ id: "8-1", data: "0:1" }] };
    assert.doesNotThrow(() => ledger.check(elsewhere));
    const strict = ledger_of(to_user("ann"));
    strict.same_ids = true;
    assert.doesNotThrow(() => strict.check(heard_by("ann", 1)));
    assert.throws(() => strict.check(elsewhere), /ann heard 0:1/);
    const two = ledger_of(to_user("ann"), to_user("ann"));
    two.same_ids = true;
    two.sends.get("0:2").publisher = 1;
    assert.throws(() => two.check(heard_by("ann", 2, 1)), /id 7-1 is not beyond 2/);
  });
});

test("the same seed draws the same numbers", () => {
  const draw = (seed) => {
    const random = seeded_random(seed);
    return [random.below(1000), random.fork().below(1000), ...random.sample([1, 2, 3, 4, 5, 6, 7], 5)];
  };
  assert.deepEqual(draw(42), draw(42));
  assert.notDeepEqual(draw(42), draw(43));
});
