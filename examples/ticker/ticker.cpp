// A stream without an end: a new UUID every second, to everybody who listens. One coroutine makes them, whatever the
// number of listeners, and its timer rests while there are none.
//
//   curl -N http://127.0.0.1:8080/ticker
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/program.hpp>
#include <spate/spate.hpp>

#include "common/pages.hpp"
#include "common/random_hex.hpp"
#include "pages/ticker_index_html.hpp"

namespace {

/// A random UUID: version 4, variant 1 (RFC 9562).
std::string uuid() {
  std::string text = examples::random_hex(16);
  text[12] = '4';
  text[16] = "89ab"[text[16] % 4];
  for (const int dash : {20, 16, 12, 8}) text.insert(static_cast<std::size_t>(dash), "-");
  return text;
}

/// Ticks while somebody listens. Cancelling `timer` makes it look again.
asio::awaitable<void> tick(spate::Emitter& emitter, asio::steady_timer& timer, std::chrono::milliseconds interval) {
  for (;;) {
    if (emitter.stream_count() > 0) {
      const spate::Event event(uuid());
      emitter.broadcast(event);
      timer.expires_after(interval);
    } else {
      timer.expires_at(asio::steady_timer::time_point::max());
    }
    std::error_code cancelled;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::chrono::milliseconds interval = std::chrono::seconds(1);
  spate::Program program("sends a UUID every second to everybody who listens");
  program.option("--interval-ms", "N", "time between two UUIDs", interval, 1);
  program.parse(argc, argv);

  asio::io_context io;
  asio::steady_timer timer(io);
  spate::EmitterOptions options;
  // For those who poll, and for those who drop out for a moment.
  options.replay = std::make_shared<spate::MemoryReplayStore>();
  // Everybody listens as one user, who joins with the first stream and leaves with the last.
  options.on_join = [&](const std::string&) {
    std::cerr << "somebody listens: ticking" << std::endl;
    timer.cancel();
  };
  options.on_leave = [&](const std::string&) {
    std::cerr << "nobody listens: resting" << std::endl;
    timer.cancel();
  };
  spate::Emitter emitter(options);

  spate::Server server(io, program.options);
  examples::add_page(server, pages::ticker_index_html);
  server.stream("/ticker", [&](const spate::EventStream& stream) { emitter.add("everybody", stream); });

  asio::co_spawn(io, tick(emitter, timer, interval), asio::detached);
  return program.serve(io, server);
}
