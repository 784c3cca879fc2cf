// Event stream clients from npm, by name.
//
//   const stop = await clients.eventsource(url, ({ id, name, data }) => ...);
/// How each listens: calls `take` with every event and returns what stops it.
export const clients = {
  async eventsource(url, take) {
    const { EventSource } = await import("eventsource");
    const source = new EventSource(url);
    for (const name of ["message", "note", "gap"]) {
      source.addEventListener(name, (event) => take({ id: event.lastEventId, name: event.type, data: event.data }));
    }
    return () => source.close();
  },

  async "eventsource-client"(url, take) {
    const { createEventSource } = await import("eventsource-client");
    const source = createEventSource({
      url,
      onMessage: ({ id, event, data }) => take({ id, name: event ?? "message", data }),
    });
    return () => source.close();
  },

  async "@microsoft/fetch-event-source"(url, take) {
    // Written for browsers: it looks for these.
    globalThis.window ??= globalThis;
    globalThis.document ??= { hidden: false, addEventListener() {}, removeEventListener() {} };
    const { fetchEventSource } = await import("@microsoft/fetch-event-source");
    const controller = new AbortController();
    fetchEventSource(url, {
      signal: controller.signal,
      openWhenHidden: true,
      // A comment is a message without anything to it.
      onmessage: ({ id, event, data }) => (id || event || data) && take({ id, name: event || "message", data }),
      onerror() {}, // try again
    });
    return () => controller.abort();
  },
};

/// This client takes an id for seen as soon as its line is there (against WHATWG 9.2.6), so a cut within an event loses it the
/// event, whatever the server does. It is cut only when it has everything.
export const needs_whole_events = ["@microsoft/fetch-event-source"];
