// SpateEventSource is EventSource with three ways to listen.
//
//   <script src="/spate.js"></script>
//   const source = new SpateEventSource("/sse/subscribe/alice");
//   source.onmessage = (event) => console.log(event.lastEventId, event.data);
//
// It has the interface of EventSource (WHATWG 9.2) and behaves like it: it comes back by itself after a drop and says
// what it saw last, and it closes for good on any answer but 200 of the right type. One thing differs: it comes back to
// the url it was given, not to the one that a redirect has led to. Beyond that:
//
//   transport     in the options: "sse", "iframe" or "poll". Without it the first that works is taken, in this order;
//                 a server should send something at once, a comment will do, or it passes for one behind a proxy that
//                 holds the stream back. As a property: the one in use.
//   shared        in the options: with true, the sources of all tabs that ask for the same url with the same options
//                 have one connection. When the tab that holds it is closed, crashes or sleeps, another takes over and
//                 goes on after the last event. A source that comes late begins at that moment, or at the cursor in its
//                 url, and does not hear what the server said when the connection began. Users that differ need urls
//                 that differ. Where Web Locks or BroadcastChannel are missing (the former are for https and localhost
//                 only), each source has a connection of its own.
//   onany         is called with every event the server sent, whatever its name, before the listeners for that name.
//                 It is no listener for "*", because "*" is a legal event name.
//   error events  carry `status` and `message` when the server answered with an error of its own.
//
// "sse" is fetch() with a parser, not the browser's EventSource, although that would be less code: EventSource tells
// only of names that were asked for beforehand, hides the server's reason for a refusal, and hides the bytes that show
// whether a proxy holds the stream back. The price is a preflight when a cross-origin stream resumes. Where bodies
// cannot be read as they arrive, EventSource does the work, and `onany` then hears of the names that have listeners.
//
// "iframe" and "poll" ask the same url again with `transport=` and `last_event_id=` added to its query.
(function () {
  "use strict";

  const CONNECTING = 0;
  const OPEN = 1;
  const CLOSED = 2;

  // Before the server sets another with `retry`.
  const INITIAL_RETRY_MS = 1000;
  // Attempts that fail one after the other wait twice as long each time, from the first of these to the second.
  // `retry` is the least in any case.
  const SHORTEST_BACKOFF_MS = 10;
  const LONGEST_BACKOFF_MS = 8000;
  // Clients that lost the same server spread over a quarter more than the time they have to wait.
  const JITTER = 0.25;
  // A timer that is set beyond this fires at once.
  const LONGEST_TIMER_MS = 2147483647;
  // A server that streams shows its first byte within this time. One behind a proxy that collects the answer does not.
  const FIRST_BYTE_MS = 5000;
  // How often a frame is looked at, and how long none of its page may have come before it counts as lost.
  const FRAME_LOOK_MS = 250;
  const FRAME_PATIENCE_MS = 15000;
  // The silence of a frame that is borne at first, and at most while nothing is known of the server's heartbeat.
  const FRAME_SILENCE_MS = 4000;
  const LONGEST_FRAME_SILENCE_MS = 60000;
  // More than one event so soon after a frame took over was missed by the one before.
  const FRAME_CATCH_UP_MS = 1000;
  // An empty answer to a poll that came sooner than this was not waited for, so the client waits in the server's place.
  const SHORTEST_EMPTY_POLL_MS = 1000;
  // How long the next holder of a shared connection waits for the others to tell how far they have come. Those whose
  // tabs sleep do not answer. So long, too, one that has lost the lock may take to notice.
  const ANSWERS_MS = 500;
  // How often the others look for signs of the holder, and after how many looks without any it loses the connection.
  const HOLDER_LOOK_MS = 5000;
  const SILENT_LOOKS = 3;
  // What each source keeps of the newest news for others: their number, and the characters of their data.
  const RECENT_NEWS = 256;
  const RECENT_LENGTH = 1048576;

  const streams_bodies =
    typeof fetch === "function" &&
    typeof ReadableStream === "function" &&
    typeof AbortController === "function" &&
    typeof Response === "function" &&
    "body" in Response.prototype;

  // Turns the text of an event stream into blocks for `link`. WHATWG 9.2.6; TextDecoder has taken the BOM away.
  class Parser {
    constructor(link) {
      this.link_ = link;
      this.line_ = ""; // the part of a line that has arrived
      this.after_cr_ = false; // a LF that comes next belongs to the CR before it
      this.clear_();
    }

    push(text) {
      if (text === "") return;
      if (this.after_cr_ && text[0] === "\n") text = text.slice(1);
      this.after_cr_ = text.endsWith("\r");
      const lines = text.split(/\r\n|\n|\r/);
      const rest = lines.pop();
      for (const line of lines) {
        this.read_(this.line_ + line);
        this.line_ = "";
      }
      this.line_ += rest;
    }

    read_(line) {
      if (line === "") {
        // Data may be empty text but not absent (WHATWG 9.2.6); the id counts either way (WHATWG 9.2.6).
        const data = this.data_.length === 0 ? undefined : this.data_.join("\n");
        const block = { id: this.id_, event: this.event_, data };
        this.clear_();
        this.link_.receive(block);
        return;
      }
      const colon = line.indexOf(":");
      if (colon === 0) return; // a comment
      const name = colon < 0 ? line : line.slice(0, colon);
      let value = colon < 0 ? "" : line.slice(colon + 1);
      if (value[0] === " ") value = value.slice(1);
      if (name === "data") this.data_.push(value);
      else if (name === "event") this.event_ = value;
      else if (name === "id" && !value.includes("\0")) this.id_ = value;
      else if (name === "retry" && /^[0-9]+$/.test(value)) this.link_.receive({ retry: parseInt(value, 10) });
    }

    clear_() {
      this.data_ = [];
      this.event_ = "";
      this.id_ = undefined;
    }
  }

  // The media type without its parameters (WHATWG 9.2.5).
  function essence(type) {
    return (type || "").split(";")[0].trim().toLowerCase();
  }

  // What the server said about an error, as `{"error":"..."}`.
  function error_text(json) {
    try {
      return String(JSON.parse(json).error || "");
    } catch (unreadable) {
      return "";
    }
  }

  async function fail(link, response) {
    const is_json = essence(response.headers.get("content-type")) === "application/json";
    let message = "";
    if (response.status !== 200 && is_json) message = error_text(await response.text().catch(() => ""));
    link.failed(response.status, message);
  }

  // A header value holds bytes: the id goes out as UTF-8 (WHATWG 9.2.4), one character a byte, as fetch() wants it.
  function utf8_bytes(text) {
    return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
  }

  function ask(link, url, headers, signal) {
    const credentials = link.with_credentials ? "include" : "same-origin";
    return fetch(url, { headers, signal, credentials, cache: "no-store" });
  }

  function with_query(url, fields) {
    const result = new URL(url);
    for (const [name, value] of Object.entries(fields)) {
      if (value !== "") result.searchParams.set(name, value);
    }
    return result.href;
  }

  // A transport makes one connection. It tells its `link`, never before it has returned,
  //   opened(origin)            the server has accepted; may be told again
  //   alive()                   bytes of the answer have arrived
  //   receive(fields)           an event, or a part of one: id, event, data, retry
  //   lost()                    the connection ended, another may do better
  //   reconnecting()            the same, and the transport itself sees to the next
  //   failed(status, message)   the server refused
  // and returns a function that ends it. After that, and after `lost` and `failed`, the link ignores it.

  function sse(link) {
    return streams_bodies ? fetched_sse(link) : native_sse(link);
  }

  function fetched_sse(link) {
    const controller = new AbortController();
    (async () => {
      const headers = { Accept: "text/event-stream" };
      if (link.last_event_id !== "") headers["Last-Event-ID"] = utf8_bytes(link.last_event_id);
      let response;
      try {
        response = await ask(link, link.url, headers, controller.signal);
      } catch (unreachable) {
        return link.lost();
      }
      if (response.status !== 200 || essence(response.headers.get("content-type")) !== "text/event-stream") {
        return fail(link, response);
      }
      link.opened(new URL(response.url || link.url).origin);
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      const parser = new Parser(link);
      for (;;) {
        const { done, value } = await reader.read().catch(() => ({ done: true }));
        // An event without its blank line is not one (WHATWG 9.2.6): what the parser still holds is dropped.
        if (done) return link.lost();
        link.alive();
        parser.push(decoder.decode(value, { stream: true }));
      }
    })();
    return () => controller.abort();
  }

  function native_sse(link) {
    const url = with_query(link.url, { last_event_id: link.last_event_id });
    const native = new EventSource(url, { withCredentials: link.with_credentials });
    const forward = (event) => {
      link.alive();
      if (!(event instanceof MessageEvent)) return;
      link.opened(event.origin);
      link.receive({ id: event.lastEventId, event: event.type, data: event.data });
    };
    const names = new Set();
    link.listen = (name) => {
      if (!names.has(name)) native.addEventListener(name, forward);
      names.add(name);
    };
    native.addEventListener("open", () => link.opened(new URL(link.url).origin));
    native.addEventListener("error", (event) => {
      if (event instanceof MessageEvent) return;
      // It alone knows the server's `retry`, so it goes on by itself.
      if (native.readyState === EventSource.CLOSED) link.failed(0, "");
      else link.reconnecting();
    });
    for (const name of link.names) link.listen(name);
    return () => native.close();
  }

  function poll(link) {
    const controller = new AbortController();
    const fields = { transport: "poll", client: link.client };
    let timer;
    (async () => {
      // The first answer comes at once: then the connection is known to be open, and the cursor is known.
      let timeout = "0";
      for (;;) {
        const url = with_query(link.url, { ...fields, timeout, last_event_id: link.last_event_id });
        const asked = Date.now();
        let response;
        let answer;
        try {
          response = await ask(link, url, { Accept: "application/json" }, controller.signal);
          if (response.status !== 200 || essence(response.headers.get("content-type")) !== "application/json") {
            return fail(link, response);
          }
          answer = await response.json();
          if (!Array.isArray(answer.events)) throw new TypeError("not an answer to a poll");
        } catch (cut) {
          // Nothing of this answer has been used, so asking again with the old cursor brings all of it again.
          return link.lost();
        }
        link.opened(new URL(response.url || link.url).origin);
        link.alive();
        for (const event of answer.events) link.receive(event);
        link.receive({ id: answer.last_event_id });
        if (controller.signal.aborted) return;
        const waited = timeout === "0" || Date.now() - asked >= SHORTEST_EMPTY_POLL_MS;
        if (answer.events.length === 0 && !waited) {
          await new Promise((resolve) => (timer = setTimeout(resolve, SHORTEST_EMPTY_POLL_MS)));
        }
        timeout = ""; // the url's own, or the server's
      }
    })();
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }

  // A frame whose page is the stream. Browsers do not tell that the connection of a page was cut, so one that shows no
  // sign for some time is replaced by another that goes on from the same place. The silence that is borne grows with
  // what turns out to be the server's habit, and shrinks when a frame was found to have missed something.
  function iframe(link) {
    const origin = new URL(link.url).origin;
    let bearable_ms = FRAME_SILENCE_MS;
    let frames_made = 0;
    let current = begin();
    let replaced = null; // stays until the next has arrived, so that the user is not away in between

    function begin() {
      const element = document.createElement("iframe");
      const callback = "spate_" + link.client + "_" + frames_made++;
      const frame = { element, begun: Date.now(), sign: Date.now(), arrived: 0, observer: null };
      frame.end = () => {
        element.onload = null;
        element.remove();
        delete self[callback];
      };
      self[callback] = (fields) => {
        // The page is endless, and each event leaves a script in it.
        const script = element.contentDocument && element.contentDocument.currentScript;
        if (script) script.remove();
        if (frame !== current) return; // what comes this way now comes again by the next frame
        const late = frames_made > 1 && frame.arrived && Date.now() - frame.arrived < FRAME_CATCH_UP_MS;
        if (late) bearable_ms = FRAME_SILENCE_MS;
        lives(frame);
        link.receive(fields);
      };
      element.onload = () => {
        if (frame !== current) return;
        const page = page_of(frame);
        // A frame does not tell its status. The server's errors are JSON, its streams are not.
        if (page && essence(page.contentType) === "application/json") link.failed(0, error_text(page.body.textContent));
        else link.lost();
      };
      element.hidden = true;
      element.src = with_query(link.url, { transport: "iframe", callback, last_event_id: link.last_event_id });
      (document.body || document.documentElement).appendChild(element);
      return frame;
    }

    // The answer, once it has begun to arrive. Until then a frame holds about:blank, and an error of the network
    // replaces it by a page of the browser's, which may not be looked at.
    function page_of({ element }) {
      const page = element.contentDocument;
      return page && page.URL !== "about:blank" ? page : null;
    }

    function lives(frame) {
      const now = Date.now();
      if (frame.arrived) bearable_ms = Math.max(bearable_ms, 2 * (now - frame.sign));
      frame.arrived = frame.arrived || now;
      frame.sign = now;
      if (replaced) replaced.end();
      replaced = null;
      link.opened(origin);
      link.alive();
    }

    const look = setInterval(() => {
      const page = page_of(current);
      if (page && page.readyState === "loading" && !current.observer) {
        // Comments and spaces that keep the connection are signs as good as events.
        const frame = current;
        frame.observer = new MutationObserver(() => frame === current && lives(frame));
        frame.observer.observe(page, { childList: true, characterData: true, subtree: true });
        lives(frame);
      }
      if (!current.arrived) {
        if (Date.now() - current.begun > FRAME_PATIENCE_MS) link.lost();
      } else if (Date.now() - current.sign > bearable_ms) {
        bearable_ms = Math.min(2 * bearable_ms, LONGEST_FRAME_SILENCE_MS);
        replaced = current;
        current = begin();
      }
    }, FRAME_LOOK_MS);

    return () => {
      clearInterval(look);
      current.end();
      if (replaced) replaced.end();
    };
  }

  const transports = {
    sse: {
      open: sse,
      works: () => streams_bodies || typeof EventSource === "function",
    },
    iframe: {
      open: iframe,
      // The frame's script calls a function of this page, which only a page of the same origin may.
      works: (url) => typeof document === "object" && new URL(url).origin === self.location.origin,
    },
    poll: {
      open: poll,
      works: () => typeof fetch === "function" && typeof AbortController === "function",
    },
  };

  function is_event(news) {
    return news.state === undefined && news.transport === undefined;
  }

  // Keeps a connection to the server: looks for a transport that works, comes back after a drop, and says then what it
  // saw last. What becomes of it is told as news, never before the constructor has returned:
  //   { state, transport, status, message }    it is CONNECTING again, OPEN, or CLOSED for good
  //   { transport }                            another is tried
  //   { id, event, data, retry, origin }       an event, or a part of one
  class Connection {
    /// `request`: url, with_credentials, candidates (names of transports), client, names. `past`: the last_event_id,
    /// the retry_ms and the transport to go on with.
    constructor(request, past, tell) {
      this.request = request;
      this.last_event_id = past.last_event_id;
      this.retry_ms_ = past.retry_ms;
      this.tell_ = tell;
      this.state_ = CONNECTING;
      this.candidate_ = request.candidates.indexOf(past.transport);
      this.settled_ = request.candidates.length === 1; // whether the transport is known to work
      this.failures_ = 0;
      this.connect_();
    }

    get transport() {
      return this.request.candidates[this.candidate_];
    }

    stop() {
      this.state_ = CLOSED;
      this.disconnect_();
    }

    /// There is a listener for `name` now.
    listen(name) {
      this.request.names.add(name);
      if (this.link_ && this.link_.listen) this.link_.listen(name);
    }

    connect_() {
      const link = new Link(this);
      this.link_ = link;
      if (!this.settled_) this.timer_ = setTimeout(() => this.next_transport_(), FIRST_BYTE_MS);
      link.stop = transports[this.transport].open(link);
    }

    disconnect_() {
      clearTimeout(this.timer_);
      const link = this.link_;
      this.link_ = null;
      if (link) link.stop();
    }

    next_transport_() {
      this.disconnect_();
      this.candidate_ += 1;
      // The last one is kept: there is nothing to compare it with.
      this.settled_ = this.candidate_ === this.request.candidates.length - 1;
      if (this.state_ === OPEN) this.enter_(CONNECTING);
      else this.tell_({ transport: this.transport });
      if (this.state_ === CONNECTING) this.connect_();
    }

    enter_(state, reason) {
      this.state_ = state;
      this.tell_({ state, transport: this.transport, ...reason });
    }

    opened_() {
      this.failures_ = 0;
      if (this.state_ === CONNECTING) this.enter_(OPEN);
    }

    alive_() {
      if (this.settled_) return;
      this.settled_ = true;
      clearTimeout(this.timer_);
    }

    receive_({ id, event, data, retry }, origin) {
      const news = { origin };
      if (Number.isInteger(retry) && retry >= 0) news.retry = this.retry_ms_ = retry;
      if (typeof id === "string") news.id = this.last_event_id = id;
      if (typeof data === "string") Object.assign(news, { event, data });
      // The block of a comment holds nothing.
      if (Object.keys(news).length > 1) this.tell_(news);
    }

    lost_() {
      this.disconnect_();
      // A server that was away says nothing about the transport, so the search begins anew.
      if (!this.settled_) this.candidate_ = 0;
      this.enter_(CONNECTING);
      if (this.state_ !== CONNECTING) return;
      let wait = this.retry_ms_;
      if (this.failures_ > 0) {
        const doubled = Math.max(wait, SHORTEST_BACKOFF_MS) * 2 ** this.failures_;
        wait = Math.max(wait, Math.min(doubled, LONGEST_BACKOFF_MS));
      }
      this.failures_ += 1;
      wait = Math.min(wait * (1 + JITTER * Math.random()), LONGEST_TIMER_MS);
      this.timer_ = setTimeout(() => this.connect_(), wait);
    }

    failed_(status, message) {
      this.disconnect_();
      this.enter_(CLOSED, { status, message });
    }
  }

  // What a transport sees of its connection. One that was given up is deaf: whatever still comes from it is dropped
  // here.
  class Link {
    constructor(connection) {
      this.connection_ = connection;
      Object.assign(this, connection.request);
      this.origin_ = new URL(this.url).origin;
    }

    get current_() {
      return this.connection_.link_ === this;
    }

    get last_event_id() {
      return this.connection_.last_event_id;
    }

    opened(origin) {
      this.origin_ = origin;
      if (this.current_) this.connection_.opened_();
    }

    alive() {
      if (this.current_) this.connection_.alive_();
    }

    receive(fields) {
      if (this.current_) this.connection_.receive_(fields, this.origin_);
    }

    lost() {
      if (this.current_) this.connection_.lost_();
    }

    reconnecting() {
      if (this.current_) this.connection_.enter_(CONNECTING);
    }

    failed(status, message) {
      if (this.current_) this.connection_.failed_(status, message);
    }
  }

  // Whether sources can share a connection here. EventSource would have to know the names that other tabs listen for.
  function can_share() {
    const has_locks = typeof navigator === "object" && Boolean(navigator.locks);
    return streams_bodies && has_locks && typeof BroadcastChannel === "function";
  }

  // Whether a source that is new asks for what was sent before it came.
  function asks_for_past(url) {
    const query = new URL(url).searchParams;
    return ["last_event_id", "lastEventId", "last"].some((name) => query.get(name));
  }

  function is_further(place, other) {
    if (!other || place.term !== other.term) return !other || place.term > other.term;
    return place.number > other.number;
  }

  let echoes = 0;

  // Calls back when `channel` has heard everything that was said until now: messages arrive in one order, and a source
  // hears what another channel of its own says last.
  function after_echo(channel, client, call) {
    const echo = client + " " + echoes++;
    const other = new BroadcastChannel(channel.name);
    const listen = ({ data }) => {
      if (data.echo !== echo) return;
      channel.removeEventListener("message", listen);
      other.close();
      call();
    };
    channel.addEventListener("message", listen);
    other.postMessage({ echo });
  }

  // Brings a source that has heard less or more than the shared connection together with it. The source has a
  // connection of its own meanwhile, which goes on from what it heard last. The first id that has come both ways tells
  // how the two lie to each other. This decides what is dispatched and does nothing itself.
  class CatchUp {
    /// `position`: the last id that the shared connection had seen before its first event comes here. `heard`: the
    /// newest ids that the source has heard, in their order.
    constructor(position, heard) {
      this.shared_ids_ = new Set([position]);
      this.waiting_ = []; // what the shared connection has brought
      this.own_ids_ = new Set(heard);
      this.newest_own_ = heard[heard.length - 1];
      this.met = false; // the source needs no connection of its own any more
      this.done = false; // it goes with the shared connection from here on
    }

    /// What to dispatch after the source's own connection has brought `news`.
    own(news) {
      if (news.id && this.shared_ids_.has(news.id)) {
        this.met = this.done = true;
        const met_at = this.waiting_.map((each) => each.id).lastIndexOf(news.id);
        return [news, ...this.waiting_.slice(met_at + 1)];
      }
      if (news.id) {
        this.own_ids_.add(news.id);
        this.newest_own_ = news.id;
      }
      return [news];
    }

    /// What to dispatch after the shared connection has brought `news`.
    shared(news) {
      const is_heard = Boolean(news.id) && this.own_ids_.has(news.id);
      if (!this.met && !is_heard) {
        this.waiting_.push(news);
        this.shared_ids_.add(news.id);
        return [];
      }
      // The shared connection is behind: everything is known up to the newest that came the other way.
      this.met = true;
      const is_new = Boolean(news.id) && !is_heard;
      this.done = is_new || news.id === this.newest_own_;
      return is_new ? [news] : [];
    }
  }

  // A source's part in the connection that it shares with the sources of this and other tabs that ask for the same.
  // Each of them wants the lock of that name. The one that has it, the holder, has the connection, and numbers what it
  // tells the others. They dispatch the same in the same order, the holder too. When the lock falls to another, because
  // the holder has closed or is gone, that one first asks all others how far they have come: a holder that dies may
  // have told some what others have not heard. So everybody keeps the newest news, those who have less are given the
  // rest, and the connection goes on after the newest event that any of them has heard.
  //
  // A source that cannot be brought to the common place in this way catches up by itself: it came late and its url asks
  // for what was before, its tab has slept, or its lock was taken away because its tab seemed to be dead.
  //
  // They say in their channel:
  //   hello              a source is there that knows nothing; `welcome` answers
  //   welcome            the place where the connection is. `news` goes on from there.
  //   news               one thing more, with its number
  //   ask, answer        the next holder learns the place of each, and the news that it itself has not heard
  //   begin              the next holder begins at a place, with the news that some have not heard
  //   ping, pong         whether the holder lives
  // A place is { term, number, last_event_id, retry_ms, state, transport, client }. The term tells one holder's numbers
  // from another's: it is the time at which it began, and who began it, so that the later is the greater and no two are
  // alike.
  class Share {
    constructor(source, request) {
      this.source_ = source;
      this.request_ = request;
      this.me_ = request.client;
      this.name_ = "spate.js 1 " + JSON.stringify([request.url, request.with_credentials, request.candidates]);
      this.channel_ = null;
      this.bid_ = null; // for the lock
      this.holding_ = false;
      this.asking_ = null; // while the answers come in
      this.connection_ = null; // the shared one; the holder's alone
      this.place_ = null; // of the shared connection, as far as it was heard here
      this.recent_ = []; // the newest news with their numbers
      this.recent_length_ = 0;
      this.catch_up_ = null;
      this.own_connection_ = null; // to catch up
      // A tab that is put to sleep leaves, as it could not tell anything. One that is kept for the way back, too.
      const sleep = () => this.leave_(true);
      const wake = () => this.come_();
      this.page_listeners_ = typeof document !== "object" ? [] : [
        [self, "pagehide", sleep],
        [self, "pageshow", wake],
        [document, "freeze", sleep],
        [document, "resume", wake],
      ];
      for (const [target, name, call] of this.page_listeners_) target.addEventListener(name, call);
      this.come_();
    }

    /// For good. If the connection is here, another source takes it over.
    stop() {
      for (const [target, name, call] of this.page_listeners_) target.removeEventListener(name, call);
      this.leave_(false);
    }

    /// All names are heard in any case.
    listen() {}

    come_() {
      if (this.channel_) return;
      this.channel_ = new BroadcastChannel(this.name_);
      this.channel_.onmessage = ({ data }) => this.hear_(data);
      this.place_ = null;
      this.looked_ = Date.now();
      this.silent_looks_ = 0;
      this.look_timer_ = setInterval(() => this.look_(), HOLDER_LOOK_MS);
      this.bid_for_lock_();
      this.say_({ what: "hello" });
      if (this.source_.readyState === OPEN) this.source_.told_({ state: CONNECTING });
    }

    leave_(at_once) {
      if (!this.channel_) return;
      const { channel_: channel, bid_: bid, holding_: held } = this;
      clearInterval(this.look_timer_);
      this.end_catch_up_();
      this.let_go_();
      this.channel_ = null;
      this.bid_ = null;
      channel.onmessage = null;
      const end = () => {
        bid.end();
        channel.close();
      };
      // The next holder shall not begin before everybody has been told what this one had to tell.
      if (held && !at_once) after_echo(channel, this.me_, end);
      else end();
    }

    let_go_() {
      this.holding_ = false;
      clearTimeout(this.insist_timer_);
      if (this.asking_) clearTimeout(this.asking_.timer);
      this.asking_ = null;
      if (this.connection_) this.connection_.stop();
      this.connection_ = null;
    }

    say_(message) {
      this.channel_.postMessage({ from: this.me_, ...message });
    }

    hear_(message) {
      if (message.to !== undefined && message.to !== this.me_) return;
      if (["welcome", "news", "ask", "begin", "pong"].includes(message.what)) this.silent_looks_ = 0;
      const { what, from, place, news } = message;
      if (what === "hello" && this.connection_) this.say_({ what: "welcome", to: from, place: this.place_ });
      else if (what === "welcome" && !this.place_ && !this.holding_) this.adopt_(place);
      else if (what === "news" && !this.connection_) this.follow_(message);
      else if (what === "ask") this.answer_(from, place);
      else if (what === "answer" && this.asking_) this.hear_answer_(place, news);
      else if (what === "begin" && this.connection_) this.insist_(place);
      else if (what === "begin") this.hear_begin_(message);
      else if (what === "ping" && this.connection_) this.say_({ what: "pong" });
    }

    // The lock.

    bid_for_lock_(steal) {
      const bid = {};
      const freed = new Promise((resolve) => (bid.free = resolve));
      const controller = new AbortController();
      bid.end = () => {
        controller.abort();
        bid.free();
      };
      this.bid_ = bid;
      const granted = () => {
        if (this.bid_ !== bid) return undefined;
        this.take_over_();
        return freed;
      };
      navigator.locks.request(this.name_, steal ? { steal } : { signal: controller.signal }, granted).catch((error) => {
        if (this.bid_ !== bid) return;
        if (error.name === "AbortError") return this.be_robbed_();
        // Not here, for instance in a frame without an origin.
        this.stop();
        this.source_.connect_alone_();
      });
    }

    be_robbed_() {
      this.let_go_();
      this.bid_for_lock_();
      this.come_anew_();
    }

    // Takes the lock from a holder that does not answer: one that was put to sleep without notice, or hangs.
    look_() {
      const now = Date.now();
      // What the holder has said in the meantime may still have to be heard.
      const has_slept = now - this.looked_ > 2 * HOLDER_LOOK_MS;
      this.looked_ = now;
      if (this.holding_ || has_slept) this.silent_looks_ = 0;
      else if (this.silent_looks_++ >= SILENT_LOOKS) {
        this.silent_looks_ = 0;
        this.bid_.end();
        this.bid_for_lock_(true);
      } else if (this.silent_looks_ > 1) this.say_({ what: "ping" });
    }

    // The holder.

    take_over_() {
      this.holding_ = true;
      const asking = { places: [], others: Infinity, echoed: false };
      asking.timer = setTimeout(() => this.begin_(), ANSWERS_MS);
      this.asking_ = asking;
      this.say_({ what: "ask", place: this.place_ });
      after_echo(this.channel_, this.me_, () => {
        asking.echoed = true;
        if (this.asking_ === asking) this.begin_if_answered_();
      });
      // Everybody else waits for the lock.
      navigator.locks.query().then(({ pending }) => {
        asking.others = pending.filter(({ name }) => name === this.name_).length;
        if (this.asking_ === asking) this.begin_if_answered_();
      });
    }

    answer_(to, theirs) {
      const place = this.place_;
      const comparable = place && theirs && place.term === theirs.term;
      const news = comparable ? this.recent_.filter(({ number }) => number > theirs.number) : [];
      this.say_({ what: "answer", to, place, news });
    }

    hear_answer_(place, news) {
      for (const each of news) this.follow_({ term: place.term, ...each });
      if (!this.asking_) return;
      this.asking_.places.push(place);
      this.begin_if_answered_();
    }

    begin_if_answered_() {
      const { echoed, places, others } = this.asking_;
      if (echoed && places.length >= others) this.begin_();
    }

    begin_() {
      const places = this.asking_.places.filter(Boolean);
      clearTimeout(this.asking_.timer);
      this.asking_ = null;
      const mine = this.place_;
      const was = places.reduce((best, each) => (is_further(each, best) ? each : best), mine) || this.first_place_();
      const place = { ...was, term: this.term_after_(was.term) };
      const numbers = places.filter(({ term }) => term === was.term).map(({ number }) => number);
      const news = was === mine ? this.recent_.filter(({ number }) => number > Math.min(...numbers)) : [];
      this.say_({ what: "begin", was: was.term, place, news });
      if (was === mine) this.place_ = place;
      else this.adopt_(place);
      if (place.state === OPEN && this.channel_) this.tell_({ state: CONNECTING, transport: place.transport });
      if (!this.channel_) return;
      const request = { ...this.request_, client: place.client };
      this.connection_ = new Connection(request, this.place_, (each) => this.tell_(each));
    }

    // Another has begun: one of the two has lost the lock and will know soon. The other calls the rest back.
    insist_(theirs) {
      clearTimeout(this.insist_timer_);
      this.insist_timer_ = setTimeout(() => {
        const was = this.place_.term;
        if (theirs.term < was) return;
        this.place_.term = this.term_after_(theirs.term);
        this.say_({ what: "begin", was, place: this.place_, news: [] });
      }, ANSWERS_MS);
    }

    term_after_(term) {
      const time = Math.max(Date.now(), (parseInt(term, 10) || 0) + 1);
      return String(time).padStart(16, "0") + " " + this.me_;
    }

    first_place_() {
      const { last_event_id_: last_event_id, transport } = this.source_;
      const [state, client] = [CONNECTING, this.me_];
      return { term: "", number: 0, last_event_id, retry_ms: INITIAL_RETRY_MS, state, transport, client };
    }

    tell_(news) {
      const { term, number } = this.place_;
      this.say_({ what: "news", term, number: number + 1, news });
      this.note_(number + 1, news);
    }

    // The others.

    hear_begin_({ was, place, news }) {
      const mine = this.place_;
      if (mine && place.term <= mine.term) return;
      const first = news.length > 0 ? news[0].number : place.number + 1;
      const can_go_on = mine && mine.term === was && mine.number >= first - 1 && mine.number <= place.number;
      if (!can_go_on) return this.adopt_(place);
      for (const each of news) this.follow_({ term: was, ...each });
      if (this.place_) this.place_.term = place.term;
    }

    follow_({ term, number, news }) {
      const place = this.place_;
      if (!place || term < place.term || (term === place.term && number <= place.number)) return;
      if (term === place.term && number === place.number + 1) this.note_(number, news);
      else this.come_anew_();
    }

    // Something was missed.
    come_anew_() {
      this.place_ = null;
      this.say_({ what: "hello" });
    }

    note_(number, news) {
      const place = this.place_;
      place.number = number;
      if (news.state !== undefined) place.state = news.state;
      if (news.transport !== undefined) place.transport = news.transport;
      if (news.retry !== undefined) place.retry_ms = news.retry;
      if (news.id !== undefined) place.last_event_id = news.id;
      this.keep_({ number, news });
      if (this.catch_up_ && is_event(news)) this.dispatch_(this.catch_up_.shared(news));
      else this.source_.told_(news);
      if (news.state === CLOSED) this.stop();
    }

    keep_(news) {
      const length = (each) => (each.news.data || "").length;
      this.recent_.push(news);
      this.recent_length_ += length(news);
      while (this.recent_.length > RECENT_NEWS || (this.recent_length_ > RECENT_LENGTH && this.recent_.length > 1)) {
        this.recent_length_ -= length(this.recent_.shift());
      }
    }

    // Goes with the shared connection from `place` on, at once or after having caught up.
    adopt_(place) {
      const source = this.source_;
      const cursor = source.last_event_id_;
      const heard = this.recent_.map(({ news }) => news.id).filter(Boolean);
      this.end_catch_up_();
      this.place_ = { ...place };
      this.recent_ = [];
      this.recent_length_ = 0;
      const is_elsewhere = cursor !== "" && cursor !== place.last_event_id;
      const has_begun = place.number > 0 || place.last_event_id !== "";
      const is_late = cursor === "" && has_begun && asks_for_past(this.request_.url);
      if (is_elsewhere || is_late) {
        this.catch_up_ = new CatchUp(place.last_event_id, cursor === "" ? heard : [...heard, cursor]);
        // To a server that tells polls apart by their client this is another.
        const request = { ...this.request_, client: this.me_ + "own" };
        const past = { ...place, last_event_id: cursor };
        this.own_connection_ = new Connection(request, past, (news) => this.hear_own_(news));
      } else {
        source.last_event_id_ = place.last_event_id;
      }
      const { state, transport } = place;
      source.told_(state === source.readyState ? { transport } : { state, transport });
    }

    // From the connection that only catches up. How it fares is nobody's concern, unless the server refuses it.
    hear_own_(news) {
      if (news.state === CLOSED) {
        this.source_.told_(news);
        this.stop();
      } else if (is_event(news)) {
        this.dispatch_(this.catch_up_.own(news));
      }
    }

    dispatch_(all) {
      const { met, done } = this.catch_up_;
      if (met && this.own_connection_) this.own_connection_.stop();
      if (done) this.end_catch_up_();
      for (const news of all) this.source_.told_(news);
    }

    end_catch_up_() {
      if (this.own_connection_) this.own_connection_.stop();
      this.own_connection_ = null;
      this.catch_up_ = null;
    }
  }

  class SpateEventSource extends EventTarget {
    /// Connects at once. Throws SyntaxError for a bad url, TypeError for an unknown transport, and NotSupportedError
    /// when no transport can work here.
    constructor(url, options) {
      super();
      if (arguments.length === 0) throw new TypeError("a url is needed");
      const { transport, withCredentials, shared } = options || {};
      try {
        this.url_ = new URL(url, typeof document === "object" ? document.baseURI : self.location.href).href;
      } catch (unparsable) {
        throw new DOMException("not a url: '" + url + "'", "SyntaxError");
      }
      if (transport !== undefined && !Object.prototype.hasOwnProperty.call(transports, transport)) {
        throw new TypeError("no such transport: '" + transport + "'");
      }
      const wanted = transport === undefined ? Object.keys(transports) : [transport];
      const candidates = wanted.filter((name) => transports[name].works(this.url_));
      if (candidates.length === 0) throw new DOMException("no transport works here", "NotSupportedError");

      this.with_credentials_ = Boolean(withCredentials);
      this.state_ = CONNECTING;
      this.transport_ = candidates[0];
      this.last_event_id_ = "";
      this.handlers_ = { open: null, message: null, error: null };
      this.request_ = {
        url: this.url_,
        with_credentials: this.with_credentials_,
        candidates,
        client: Array.from(crypto.getRandomValues(new Uint32Array(3)), (word) => word.toString(36)).join(""),
        names: new Set(["message"]),
      };
      if (shared && can_share()) this.connection_ = new Share(this, this.request_);
      else this.connect_alone_();
    }

    get url() {
      return this.url_;
    }

    get withCredentials() {
      return this.with_credentials_;
    }

    get readyState() {
      return this.state_;
    }

    get transport() {
      return this.transport_;
    }

    close() {
      this.state_ = CLOSED;
      this.connection_.stop();
    }

    addEventListener(name, listener, options) {
      super.addEventListener(name, listener, options);
      this.connection_.listen(String(name));
    }

    connect_alone_() {
      const past = { last_event_id: this.last_event_id_, retry_ms: INITIAL_RETRY_MS, transport: this.transport_ };
      this.connection_ = new Connection(this.request_, past, (news) => this.told_(news));
    }

    told_(news) {
      if (this.state_ === CLOSED) return;
      if (news.transport !== undefined) this.transport_ = news.transport;
      if (news.state !== undefined) this.enter_(news);
      else this.receive_(news);
    }

    // Every way into CONNECTING or CLOSED but close() is an error event (WHATWG 9.2.3).
    enter_({ state, status, message }) {
      this.state_ = state;
      const event = new Event(state === OPEN ? "open" : "error");
      if (status) event.status = status;
      if (message) event.message = message;
      this.dispatchEvent(event);
    }

    receive_({ id, event, data, origin }) {
      if (id !== undefined) this.last_event_id_ = id;
      if (data === undefined) return;
      const message = new MessageEvent(event || "message", { data, origin, lastEventId: this.last_event_id_ });
      if (typeof this.onany === "function") {
        try {
          this.onany(message);
        } catch (error) {
          // As with a listener: reported, and no harm to the stream.
          setTimeout(() => {
            throw error;
          });
        }
      }
      if (this.state_ !== CLOSED) this.dispatchEvent(message);
    }
  }

  // As attributes of an interface: constants on the class and on its instances.
  for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSED })) {
    Object.defineProperty(SpateEventSource, name, { value, enumerable: true });
    Object.defineProperty(SpateEventSource.prototype, name, { value, enumerable: true });
  }

  // A handler is a listener whose place is that of its first setting, and which can be exchanged.
  for (const name of ["open", "message", "error"]) {
    Object.defineProperty(SpateEventSource.prototype, "on" + name, {
      enumerable: true,
      configurable: true,
      get() {
        return this.handlers_[name] && this.handlers_[name].call;
      },
      set(call) {
        const wanted = typeof call === "function" ? call : null;
        const handler = this.handlers_[name];
        if (handler && wanted) {
          handler.call = wanted;
        } else if (handler) {
          this.removeEventListener(name, handler.listen);
          this.handlers_[name] = null;
        } else if (wanted) {
          const added = { call: wanted, listen: (event) => added.call.call(this, event) };
          this.handlers_[name] = added;
          this.addEventListener(name, added.listen);
        }
      },
    });
  }

  self.SpateEventSource = SpateEventSource;
})();
