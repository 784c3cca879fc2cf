// How a server goes down without anybody being hurt: on SIGTERM or Ctrl-C it accepts nobody any more, tells every
// client why and when to come back, each at another moment, writes what is queued, and exits; at the latest when the
// deadline has come (--drain-ms). A second signal does not wait.
//
//   curl -N http://127.0.0.1:8080/events      and then stop the program
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/program.hpp>
#include <spate/spate.hpp>

#include "common/pages.hpp"
#include "pages/graceful_stop_index_html.hpp"

namespace {

using namespace std::chrono_literals;

/// The last event of a stream that the server ends.
std::optional<spate::Event> farewell(spate::EndReason reason) {
  if (reason != spate::EndReason::shutdown) return std::nullopt;
  // The server adds the time after which to come back.
  return spate::Event("{\"reason\":\"shutdown\"}").name("closing");
}

asio::awaitable<void> count(spate::Emitter& emitter) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (std::size_t number = 1;; ++number) {
    const spate::Event event(std::to_string(number));
    emitter.broadcast(event);
    timer.expires_after(1s);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

/// Drains the server on the first signal and ends `io` when that is done; exits on the second.
void stop_on_signals(asio::io_context& io, asio::signal_set& signals, spate::Server& server,
                     std::chrono::milliseconds deadline) {
  signals.async_wait([&io, &signals, &server, deadline](std::error_code, int) {
    signals.async_wait([](std::error_code error, int) {
      if (!error) std::_Exit(EXIT_FAILURE);
    });
    std::cerr << "draining " << server.stats().streams << " streams" << std::endl;
    server.shutdown(deadline, [&io](std::size_t cut) {
      std::cerr << "done, " << cut << " had to be cut" << std::endl;
      asio::post(io, [&io] { io.stop(); });
    });
  });
}

}  // namespace

int main(int argc, char** argv) {
  spate::Program program("goes down gracefully", argc, argv);
  spate::StreamOptions& stream = program.options.stream;
  stream.farewell = farewell;
  // A random time between these for each client, so that they do not all return at once. (WHATWG 9.2.3)
  stream.shutdown_retry_min = 1s;
  stream.shutdown_retry_max = 5s;

  asio::io_context io;
  spate::EmitterOptions options;
  options.replay = std::make_shared<spate::MemoryReplayStore>();
  spate::Emitter emitter(options);
  spate::Server server(io, program.options);
  examples::add_page(server, pages::graceful_stop_index_html);
  server.stream("/events", [&](const spate::EventStream& opened) { emitter.add("everybody", opened); });
  asio::co_spawn(io, count(emitter), asio::detached);

  try {
    server.start();
  } catch (const std::system_error& error) {
    program.refuse("cannot listen on port " + std::to_string(program.options.port) + ": " + error.code().message(),
                   spate::Program::cannot_serve);
  }
  asio::signal_set signals(io, SIGINT, SIGTERM);
  stop_on_signals(io, signals, server, program.drain);
  std::cout << "listening on http://" << server.local_endpoint() << std::endl;
  io.run();
  return EXIT_SUCCESS;
}
