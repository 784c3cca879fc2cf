// Streams inside a program that has a server already: Boost.Beast accepts and parses, and hands the connections that
// ask for events over to a StreamHost. The streams live on an asio::io_context that has work of its own to do.
//
//   curl -N http://127.0.0.1:8080/events
//
// Two libraries, two loops: Boost.Beast 1.74 works with Boost.Asio, Spate with Asio as it comes without Boost. What
// they have in common is the socket of the system, so that is what changes hands.
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <spate/program.hpp>
#include <spate/spate.hpp>

#include "own_server/beast_server.hpp"

namespace own_server {
namespace {

/// The program's own work: looks for primes, a thousand numbers at a time, and tells whoever listens.
asio::awaitable<void> look_for_primes(asio::io_context& io, spate::Emitter& emitter,
                                      std::chrono::milliseconds interval) {
  constexpr std::uint64_t at_a_time = 1000;
  asio::steady_timer timer(io);
  std::uint64_t primes = 0;
  for (std::uint64_t number = 2;;) {
    for (const std::uint64_t end = number + at_a_time; number < end; ++number) {
      bool prime = true;
      for (std::uint64_t divisor = 2; prime && divisor * divisor <= number; ++divisor) prime = number % divisor != 0;
      primes += prime ? 1 : 0;
    }
    const spate::Event event("{\"tested\":" + std::to_string(number - 1) + ",\"primes\":" + std::to_string(primes) +
                             "}");
    emitter.broadcast(event);
    timer.expires_after(interval);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

/// Answers with an error on a connection that does not become a stream.
void refuse(asio::ip::tcp::socket& socket, spate::Response response) {
  std::string answer;
  spate::serialize_head(answer, response.close_connection(), spate::HeadContext());
  answer += response.body();
  std::error_code ignored;
  asio::write(socket, asio::buffer(answer), ignored);
}

int run(int argc, char** argv) {
  std::chrono::milliseconds interval = std::chrono::seconds(1);
  spate::Program program("streams from inside a program built on Boost.Beast");
  program.option("--interval-ms", "N", "time between two pieces of work", interval, 1);
  program.parse(argc, argv);

  asio::io_context io;  // of the work and of the streams
  spate::EmitterOptions options;
  options.replay = std::make_shared<spate::MemoryReplayStore>();
  spate::Emitter emitter(options);
  spate::StreamHost host(io.get_executor());
  asio::co_spawn(io, look_for_primes(io, emitter, interval), asio::detached);

  const spate::CorsPolicy cors(program.options.cors);  // which pages may listen, as a spate::Server decides it

  std::size_t streams = 0;
  bool stopping = false;
  const auto subscribe = [&](asio::ip::tcp::socket socket, spate::Request request) {
    const spate::CorsDecision origin = cors.decide(request);
    if (origin.verdict == spate::CorsDecision::refused) {
      return refuse(socket, spate::Response::error(403, "this origin is not allowed"));
    }
    try {
      const spate::EventStream stream = host.open(std::move(socket), std::move(request), origin.fields);
      ++streams;
      stream.on_complete([&] {
        if (--streams == 0 && stopping) io.stop();
      });
      emitter.add("everybody", stream);
    } catch (const std::invalid_argument& error) {
      refuse(socket, spate::Response::error(400, error.what()));
    }
  };

  // Called on Beast's thread.
  const auto hand_over = [&](NativeSocket native, spate::Request request) {
    asio::post(io, [&, native = std::move(native), request = std::move(request)]() mutable {
      std::error_code error;
      asio::ip::tcp::socket socket(io);
      socket.assign(native.is_v6() ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), native.release(), error);
      if (!error && !stopping) subscribe(std::move(socket), std::move(request));
    });
  };

  std::unique_ptr<BeastServer> web;
  try {
    web = std::make_unique<BeastServer>(program.options.address, program.options.port, hand_over);
  } catch (const std::invalid_argument& error) {
    program.refuse(error.what());
  } catch (const std::exception& error) {
    program.refuse("cannot listen on port " + std::to_string(program.options.port) + ": " + error.what(),
                   spate::Program::cannot_serve);
  }

  asio::signal_set signals(io, SIGINT, SIGTERM);
  asio::steady_timer deadline(io);
  signals.async_wait([&](std::error_code, int) {
    signals.async_wait([](std::error_code error, int) {
      if (!error) std::_Exit(EXIT_FAILURE);
    });
    stopping = true;
    web.reset();
    if (streams == 0) return io.stop();
    host.drain();
    deadline.expires_after(program.drain);
    deadline.async_wait([&](std::error_code) { io.stop(); });
  });
  std::cout << "listening on http://" << web->local_endpoint() << std::endl;
  io.run();
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace own_server

int main(int argc, char** argv) {
  return own_server::run(argc, argv);
}
