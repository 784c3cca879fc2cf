// The tabs of a browser, each a World: they have Web Locks and BroadcastChannel in common, and the test decides when a
// tab hears what is said, and when it dies.
//
//   const tabs = new Tabs();
//   const tab = tabs.open();
//   tab.deaf = true;          // what is said to it waits, as in a tab that is busy or sleeps
//   tabs.crash(tab);          // at once and without a word; its lock falls to the next
import { World } from "./world.mjs";

export class Tabs {
  constructor() {
    this.all = [];
    this.held = new Map(); // by name: who has the lock
    this.pending = []; // who waits for one, in the order of asking
    this.now = 1_000_000;
  }

  open(options = {}) {
    const tab = new Tab(this, options);
    this.all.push(tab);
    return tab;
  }

  crash(tab) {
    tab.dead = true;
    tab.timers.clear();
    tab.channels.clear();
    this.all.splice(this.all.indexOf(tab), 1);
    this.pending = this.pending.filter((each) => each.tab !== tab);
    for (const [name, each] of this.held) if (each.tab === tab) this.free_(name, each);
  }

  /// The tab that has the lock: there is one name only.
  get holder() {
    return [...this.held.values()][0]?.tab;
  }

  /// Lets everything happen that waits for no clock and no answer.
  async settle() {
    for (let round = 0; round < 60; ++round) await new Promise((resolve) => setImmediate(resolve));
  }

  /// Moves the clock of all by small steps.
  async pass(milliseconds) {
    const end = this.now + milliseconds;
    while (this.now < end) {
      const awake = this.all.filter((tab) => !tab.frozen);
      const due = awake.flatMap((tab) => [...tab.timers.values()].map((timer) => timer.at));
      this.now = Math.max(this.now + 1, Math.min(end, ...due));
      for (const tab of awake) await tab.pass(this.now - tab.now);
    }
    await this.settle();
  }

  say(from, name, data) {
    for (const tab of this.all) {
      const channels = [...tab.channels].filter((channel) => channel !== from && channel.name === name);
      for (const channel of channels) tab.hear(channel, structuredClone(data));
    }
  }

  request(tab, name, options, call) {
    return new Promise((resolve, reject) => {
      const one = { tab, name, call, resolve, reject };
      options.signal?.addEventListener("abort", () => {
        if (!this.pending.includes(one)) return;
        this.pending.splice(this.pending.indexOf(one), 1);
        reject(options.signal.reason);
      });
      if (!options.steal) this.pending.push(one);
      else {
        const robbed = this.held.get(name);
        // In a tab that is frozen the script does not run.
        if (robbed) robbed.tab.hear(null, () => robbed.reject(new DOMException("stolen", "AbortError")));
        this.grant_(one);
      }
      setImmediate(() => this.grant_next_(name));
    });
  }

  grant_next_(name) {
    if (this.held.has(name)) return;
    const next = this.pending.find((each) => each.name === name);
    if (!next) return;
    this.pending.splice(this.pending.indexOf(next), 1);
    this.grant_(next);
  }

  grant_(one) {
    this.held.set(one.name, one);
    setImmediate(async () => {
      if (one.tab.dead) return;
      const result = await one.call();
      this.free_(one.name, one);
      one.resolve(result);
    });
  }

  free_(name, one) {
    if (this.held.get(name) !== one) return;
    this.held.delete(name);
    setImmediate(() => this.grant_next_(name));
  }
}

class Tab extends World {
  constructor(tabs, options) {
    const channels = new Set();
    const inbox = [];
    let tab;
    class BroadcastChannel extends EventTarget {
      constructor(name) {
        super();
        this.name = name;
        channels.add(this);
        this.addEventListener("message", (event) => this.onmessage?.(event));
      }
      postMessage(data) {
        if (!channels.has(this) && !tab.dead) throw new DOMException("closed", "InvalidStateError");
        if (!tab.dead) tabs.say(this, this.name, data);
      }
      close() {
        channels.delete(this);
      }
    }
    const query = async () => ({ pending: tabs.pending.map(({ name }) => ({ name })) });
    const locks = { request: (name, given, call) => tabs.request(tab, name, given, call), query };
    super({ ...options, more: { BroadcastChannel, navigator: { locks }, ...options.more } });
    tab = this;
    this.tabs = tabs;
    this.channels = channels;
    this.inbox = inbox;
    this.now = tabs.now;
    this.deaf_ = false;
    this.dead = false;
    this.frozen = false;
  }

  set deaf(value) {
    this.deaf_ = value;
    if (!value) setImmediate(() => this.flush_());
  }

  /// Nothing runs in it, not even a timer.
  freeze() {
    this.frozen = true;
    this.deaf = true;
  }

  thaw() {
    this.thaw_deaf();
    this.deaf = false;
  }

  /// Its timers fire before it hears what was said. One that was due several times fires once.
  thaw_deaf() {
    if (!this.frozen) return;
    this.frozen = false;
    this.now = this.tabs.now;
    for (const timer of this.timers.values()) timer.at = Math.max(timer.at, this.now + 1);
  }

  /// Drops what was said to it and not heard yet.
  forget() {
    this.inbox.length = 0;
  }

  hear(channel, data) {
    this.inbox.push({ channel, data });
    setImmediate(() => this.flush_());
  }

  flush_() {
    while (!this.deaf_ && !this.dead && this.inbox.length > 0) {
      const { channel, data } = this.inbox.shift();
      if (!channel) data();
      else if (this.channels.has(channel)) channel.dispatchEvent(new MessageEvent("message", { data }));
    }
  }
}
