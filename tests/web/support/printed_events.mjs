// The events in what a program prints: first a head, then an event stream.
//
//   const client = new PrintedEvents("curl", ["-sS", "-i", "-N", url]);
//   const head = await client.head();
//   await client.until_it_has(1);
//   client.sent; // [{ id, name, data }]
import { createParser } from "eventsource-parser";
import { start } from "./program.mjs";
import { until, within } from "./until.mjs";

const own_names = ["connected", "gap", "closing"];

export class PrintedEvents {
  constructor(command, args) {
    this.command = command;
    this.program = start(command, args);
    this.events = [];
    this.parsed = 0; // characters of what was printed
    this.parser = createParser({
      onEvent: ({ id, event, data }) => this.events.push({ id, name: event ?? "message", data }),
    });
  }

  /// What comes before the first empty line.
  async head() {
    const [head] = await this.program.printed(/^[^]*?\r?\n\r?\n/);
    if (this.parsed === 0) this.parsed = head.length;
    return head;
  }

  /// The events that somebody has sent.
  get sent() {
    return this.events.filter(({ name }) => !own_names.includes(name));
  }

  /// Waits until it has printed so many of them, and none beyond.
  async until_it_has(count) {
    await this.head();
    await until(`${this.command} to print event ${count}`, () => {
      const text = this.program.stdout.slice(this.parsed);
      this.parsed += text.length;
      this.parser.feed(text);
      if (this.sent.length < count && this.program.ended !== undefined) {
        throw new Error(`${this.command} ended with ${this.program.ended}: ${this.program.stderr}`);
      }
      return this.sent.length >= count;
    });
  }

  /// Waits until it ends, and returns the status.
  end() {
    return within(`the end of ${this.command}`, this.program.exit);
  }

  stop() {
    return this.program.stop();
  }
}
