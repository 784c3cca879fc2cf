// Events of every kind and size for one listener, and whether each is seen before the next is sent.
import { numbers } from "./hostile.mjs";

const symbols = ["SPT", "ACME", "INITECH", "UMBRELLA"];
const words = "the quick brown fox jumps over a lazy dog, élan vital, 波は静か, \u{1F30A} and more of it".split(" ");

/// A text of about `size` bytes, of one kind or another, as `number` decides. One of some length says its number.
export function varied_text(number, which, size) {
  if (size < 20) return "x".repeat(size);
  const kinds = {
    json() {
      const ticks = [];
      let length = 0;
      while (length < size) {
        const tick = { symbol: symbols[number(4)], price: number(100_000) / 100, volume: number(10_000), venue: "XETR" };
        length += JSON.stringify(tick).length + 1;
        ticks.push(tick);
      }
      return JSON.stringify({ which, ticks });
    },
    lines() {
      let text = `${which}\n`;
      while (text.length < size) text += Array.from({ length: 1 + number(9) }, () => words[number(words.length)]).join(" ") + "\n";
      return text;
    },
    // Nothing in it repeats.
    noise() {
      let text = `${which}:`;
      while (text.length < size) text += String.fromCodePoint(33 + number(94));
      return text;
    },
    repeated: () => `${which}:` + "<li class=\"row\">x</li>".repeat(Math.ceil(size / 22)),
  };
  return Object.values(kinds)[number(4)]();
}

/// Sends `count` events for `user`, who listens to the topic "room": of sizes from a byte to `largest`, by turns for
/// everybody, for the user alone, for a group and for the topic. `seen(count)` resolves when so many were seen; each is
/// waited for before the next is sent. Returns what was sent.
export async function send_varied(hub, user, count, seen, { largest = 100_000, seed = count } = {}) {
  const number = numbers(seed);
  const sent = [];
  const ways = ["broadcast", `send/${user}`, "broadcast", `group/${user.slice(0, 3)}`, "topic/room"];
  for (let which = 0; which < count; ++which) {
    // The sizes grow evenly by their order, and come in no order.
    const size = Math.round(largest ** (((which * 7) % count) / (count - 1)));
    const data = varied_text(number, which, size);
    const name = number(3) === 0 ? "note" : "message";
    const query = name === "note" ? "?event=note" : "";
    const { id } = await hub.send(`/sse/${ways[which % ways.length]}${query}`, data);
    sent.push({ id, name, data });
    await seen(sent.length);
  }
  return sent;
}
