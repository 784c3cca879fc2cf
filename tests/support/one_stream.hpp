// A server with one route, and one client on it: what most tests of a stream need.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <spate/stream/event_stream.hpp>
#include "support/event_client.hpp"
#include "support/eventually.hpp"
#include "support/serving.hpp"

namespace spate::test {

/// Notes in `journal` how `stream` ends: "timeout", "error: <message>", "complete".
inline void watch(const EventStream& stream, Journal& journal) {
  stream.on_timeout([&journal] { journal.add("timeout"); });
  stream.on_error([&journal](std::error_code error) { journal.add("error: " + error.message()); });
  stream.on_complete([&journal] { journal.add("complete"); });
}

inline ServerOptions with(StreamOptions stream) {
  ServerOptions options;
  options.stream = std::move(stream);
  return options;
}

/// Options with room in the queue for whatever a test sends.
inline StreamOptions roomy() {
  StreamOptions options;
  options.max_queued_bytes = 64 * 1024 * 1024;
  return options;
}

/// The client of one stream of `/events`, whose both ends the test has. Little room lies between them.
class OneStream {
 public:
  explicit OneStream(StreamOptions options = roomy(), std::function<void(EventStream)> handler = {},
                     std::string_view fields = {}, std::string_view version = "HTTP/1.1")
      : serving(
            [this, handler = std::move(handler)](Server& server) {
              server.stream("/events", [this, handler](EventStream opened) {
                watch(opened, journal);
                if (handler) handler(opened);
                opened_.set(std::move(opened));
              });
            },
            with(std::move(options)), Serving::small_buffer),
        client(serving.port(), "/events", fields, version, Serving::small_buffer),
        stream(opened_.get()) {}

  /// Sends so much that the kernel refuses some of it. From here on events wait in the stream's queue, until the client
  /// reads; before them lies the event that this sends.
  void block() {
    stream.send(Event(std::string(filler_size, 'f')));
    // Only what waits for the kernel raises the mark.
    if (!eventually([&] { return serving.stats().queue_high_water_bytes > 0; })) {
      throw std::runtime_error("the stream is not blocked");
    }
  }
  static constexpr std::size_t filler_size = 512 * 1024;

  /// Waits until all that was sent is in the queue or beyond it.
  void settle() { serving.loop.settle(); }

  Journal journal;  // how the stream ends

 private:
  Awaited<EventStream> opened_;

 public:
  Serving serving;
  EventClient client;
  EventStream stream;
};

}  // namespace spate::test
