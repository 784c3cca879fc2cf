// A gauge: this process's memory, once a second, with a page that draws it. A page that comes late, or comes back, gets
// the last minutes at once, because they are kept for replay.
//
//   curl -N http://127.0.0.1:8080/memory
//   curl -N 'http://127.0.0.1:8080/memory?last_event_id=earliest'
//   curl -X POST http://127.0.0.1:8080/allocate
//   curl -X POST http://127.0.0.1:8080/free
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/program.hpp>
#include <spate/spate.hpp>

#include "common/pages.hpp"
#include "memory_monitor/memory.hpp"
#include "pages/memory_monitor_index_html.hpp"

namespace memory_monitor {
namespace {

// Large enough that malloc takes each block from the system and gives it back at once.
constexpr std::size_t block_bytes = 64 * 1024 * 1024;
constexpr std::size_t most_blocks = 8;
// Five minutes at one a second.
constexpr std::size_t samples_kept = 300;

/// One sample. The emitter adds the id; `retry` makes clients look for a restarted monitor every second.
spate::Event sample() {
  const Memory memory = memory_now();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return spate::Event("{\"rss\":" + std::to_string(memory.rss) + ",\"peak\":" + std::to_string(memory.peak) +
                      ",\"heap\":" + std::to_string(memory.heap) + ",\"time\":" + std::to_string(time) + "}")
      .name("memory")
      .retry(std::chrono::seconds(1));
}

asio::awaitable<void> sample_for_ever(spate::Emitter& emitter, std::chrono::milliseconds interval) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (;;) {
    emitter.broadcast(sample());
    timer.expires_after(interval);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

/// Memory that is used for nothing, so that the lines move.
class Ballast {
 public:
  spate::Response allocate() {
    if (blocks_.size() == most_blocks) return spate::Response::error(409, "it is enough: free some first");
    blocks_.emplace_back(block_bytes, 'x');  // written to, because untouched pages take no memory
    return held();
  }
  spate::Response free() {
    blocks_.clear();
    return held();
  }

 private:
  spate::Response held() const {
    return spate::Response::json(200, "{\"held\":" + std::to_string(blocks_.size() * block_bytes) + "}");
  }

  std::vector<std::vector<char>> blocks_;
};

int run(int argc, char** argv) {
  std::chrono::milliseconds interval = std::chrono::seconds(1);
  spate::Program program("shows the memory that it uses itself");
  program.option("--interval-ms", "N", "time between two samples", interval, 1);
  program.parse(argc, argv);

  asio::io_context io;
  Ballast ballast;
  spate::ReplayLimits limits;
  limits.max_events = samples_kept;
  spate::EmitterOptions options;
  options.replay = std::make_shared<spate::MemoryReplayStore>(limits);
  spate::Emitter emitter(options);

  spate::Server server(io, program.options);
  examples::add_page(server, pages::memory_monitor_index_html);
  server.stream("/memory", [&](const spate::EventStream& stream) { emitter.add("everybody", stream); });
  server.post("/allocate", [&](const spate::Request&) { return ballast.allocate(); });
  server.post("/free", [&](const spate::Request&) { return ballast.free(); });

  asio::co_spawn(io, sample_for_ever(emitter, interval), asio::detached);
  return program.serve(io, server);
}

}  // namespace
}  // namespace memory_monitor

int main(int argc, char** argv) {
  return memory_monitor::run(argc, argv);
}
