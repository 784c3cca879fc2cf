// A server that serves, on an io_context on a thread of its own.
//
//   Serving serving([](Server& server) { server.stream("/events", handler); });
//   EventClient client(serving.port(), "/events");
//
// At the end the server is destroyed on its loop, as a program would do it, and the loop has to run out by itself.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <spate/server/server.hpp>
#include "support/accepting.hpp"
#include "support/compressed_runs.hpp"

namespace spate::test {

/// An io_context that runs on a thread of its own as long as this lives, and until it has run out of work.
class Loop {
 public:
  Loop() : thread_([this] { run(); }) {}
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() { finish(); }

  /// Runs `function` on the loop; returns what it returns. (No std::future: ThreadSanitizer does not see how its parts
  /// in the standard library order what they do.)
  template <typename Function>
  auto run(Function function) {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    using Result = decltype(function());
    std::conditional_t<std::is_void_v<Result>, std::monostate, std::optional<Result>> result;
    asio::post(io, [&] {
      if constexpr (std::is_void_v<Result>) {
        function();
      } else {
        result.emplace(function());
      }
      const std::lock_guard lock(mutex);
      done = true;
      changed.notify_one();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done; });
    if constexpr (!std::is_void_v<Result>) return *std::move(result);
  }
  /// Waits until what was posted before has run, and what that has posted.
  void settle() {
    for (int i = 0; i < 10; ++i) run([] {});
  }
  /// Waits until nothing is left to do.
  void finish() {
    work_.reset();
    if (thread_.joinable()) thread_.join();
  }

  asio::io_context io{1};

 private:
  // Goes on when memory has run out, as the tests of it want it.
  void run() {
    for (;;) {
      try {
        io.run();
        return;
      } catch (const std::bad_alloc&) {
        continue;
      }
    }
  }

  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(io);
  std::thread thread_;
};

/// Options of a server on a free port, with so many threads of its own; none for one on the program's loop.
inline ServerOptions any_port(std::size_t threads = 0) {
  ServerOptions options;
  options.port = 0;
  options.threads = threads;
  return options;
}

class Serving {
 public:
  /// With little room in the kernel, a client that does not read soon blocks its stream.
  static constexpr int small_buffer = 16 * 1024;

  explicit Serving(const std::function<void(Server&)>& routes, ServerOptions options = {}, int send_buffer = 0) {
    options.port = 0;
    if (!options.compression) options.compression = compression_of_run();
    server_.emplace(loop.io, std::move(options));
    routes(*server_);
    accepting_.emplace(*server_, loop.io.get_executor(), send_buffer);
    port_ = accepting_->port();
  }
  ~Serving() { destroy(); }
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;

  std::uint16_t port() const noexcept { return port_; }
  Server& server() noexcept { return *server_; }
  ServerStats stats() const { return server_->stats(); }
  std::uint64_t ended(EndReason reason) const { return stats().streams_ended[static_cast<std::size_t>(reason)]; }

  /// Destroys the server, on its loop.
  void destroy() {
    accepting_.reset();
    if (server_) {
      loop.run([this] { server_.reset(); });
    }
  }

  Loop loop;

 private:
  std::optional<Server> server_;
  std::optional<Accepting> accepting_;
  std::uint16_t port_ = 0;
};

}  // namespace spate::test
