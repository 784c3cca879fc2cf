// An emitter behind a server on threads of its own, and clients of its streams.
//
//   EmitterServer hub;
//   EventClient anna = hub.open("/anna");
//   hub.emitter.send("anna", Event("hello"));
//   CHECK(anna.next().data == "hello");
//
// `/{user}` is a stream of that user; ?event= filters, ?topic= joins, ?last= asks for the newest, ?greet= for a
// greeting, ?after= is where the program says that it begins.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/io_context.hpp>

#include <spate/detail/access.hpp>
#include <spate/history/memory_replay_store.hpp>
#include <spate/registry/emitter.hpp>
#include <spate/server/server.hpp>
#include <spate/stream/detail/stream_core.hpp>
#include "support/accepting.hpp"
#include "support/compressed_runs.hpp"
#include "support/event_client.hpp"
#include "support/eventually.hpp"
#include "support/sending.hpp"
#include "support/serving.hpp"

namespace spate::test {

inline EmitterOptions with_store(ReplayLimits limits = {}) {
  EmitterOptions options;
  options.replay = std::make_shared<MemoryReplayStore>(limits);
  return options;
}

/// Options that note in `presence` who joins, "+anna", and who leaves, "-anna".
inline EmitterOptions noting(Journal& presence) {
  EmitterOptions options = with_store();
  options.on_join = [&presence](const std::string& user) { presence.add("+" + user); };
  options.on_leave = [&presence](const std::string& user) { presence.add("-" + user); };
  return options;
}

class EmitterServer {
  // Before the server, whose loops use them to the end.
  asio::io_context io_;
  mutable std::mutex mutex_;
  std::vector<EventStream> streams_;

 public:
  /// What a stream holds in the kernel is little when `send_buffer` is, so that a client who does not read blocks it.
  explicit EmitterServer(EmitterOptions options = with_store(), StreamOptions streams = {}, std::size_t threads = 1,
                         int send_buffer = 0)
      : store(options.replay), emitter(std::move(options)), server(server_options(std::move(streams), threads)) {
    server.stream("/{user}", [this](const EventStream& stream) {
      const auto request = stream.request();
      SubscribeOptions wanted;
      wanted.events = request->query_all("event");
      wanted.topics = request->query_all("topic");
      wanted.after = request->query("after");
      if (const auto last = request->query("last")) wanted.last = std::stoul(*last);
      if (request->query("greet")) {
        wanted.greeting = [](bool resumed) { return Event(resumed ? "resumed" : "fresh").name("greeting"); };
      }
      {
        const std::lock_guard lock(mutex_);
        streams_.push_back(stream);
      }
      emitter.add(request->param("user"), stream, wanted);
    });
    accepting_.emplace(server, io_.get_executor(), send_buffer);
  }

  /// A client whose stream is registered.
  EventClient open(std::string_view target, const std::string& last_event_id = {},
                   std::string_view version = "HTTP/1.1", int receive_buffer = 0) const {
    const std::string cursor = last_event_id.empty() ? "" : "Last-Event-ID: " + last_event_id + "\r\n";
    return EventClient(port(), target, cursor, version, receive_buffer);
  }

  /// So many clients of `target`, for each of whom the kernels keep little.
  std::vector<EventClient> crowd(std::string_view target, std::size_t size) const {
    std::vector<EventClient> clients;
    while (clients.size() < size) clients.push_back(open(target, {}, "HTTP/1.1", Serving::small_buffer));
    return clients;
  }

  std::uint16_t port() const noexcept { return accepting_->port(); }

  /// The stream that was opened as number `index`.
  EventStream stream(std::size_t index) const {
    const std::lock_guard lock(mutex_);
    return streams_.at(index);
  }

  /// Runs `function` within one turn of the loop of stream `index`, and waits for it.
  template <typename Function>
  void in_one_turn(Function function, std::size_t index = 0) const {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
    detail::access::core(stream(index))->own_shard().run([&] {
      function();
      const std::lock_guard lock(mutex);
      done = true;
      changed.notify_one();
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done; });
  }

  /// Sends `text` and waits until that has succeeded; returns the event's id.
  std::string sent(const Audience& audience, const std::string& text) {
    return Sending(emitter, audience, Event(text)).success().id;
  }

  /// The id of the event sent as number `sequence`.
  std::string id(std::uint64_t sequence) const { return epoch() + "-" + std::to_string(sequence); }
  std::string epoch() const { return std::string(store->epoch()); }

  bool comes_to(std::size_t streams) const {
    return eventually([&] { return emitter.stream_count() == streams; });
  }

  const std::shared_ptr<ReplayStore> store;
  Emitter emitter;
  Server server;

 private:
  static ServerOptions server_options(StreamOptions streams, std::size_t threads) {
    ServerOptions options = any_port(threads);
    options.stream = std::move(streams);
    options.compression = compression_of_run();
    return options;
  }

  std::optional<Accepting> accepting_;
};

}  // namespace spate::test
