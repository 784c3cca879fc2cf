// What every fault is put into: a server with an emitter on a loop of its own, a client that listens and comes back
// when its stream breaks, and plain requests. Whatever fails meanwhile, the client hears everything once and in order,
// the server goes on, and at the end nothing is left.
#pragma once

#include <dirent.h>

#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/history/memory_replay_store.hpp>
#include <spate/registry/emitter.hpp>
#include <spate/server/server.hpp>
#include "fault/calls/failing_calls.hpp"
#include "fault/calls/marked_loop.hpp"
#include "support/catch.hpp"
#include "support/exceptions.hpp"
#include "support/resuming_client.hpp"
#include "support/serving.hpp"

namespace spate::test {

inline std::size_t open_descriptors() {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc/self/fd"), ::closedir);
  std::size_t count = 0;
  while (::readdir(directory.get()) != nullptr) ++count;
  return count;
}

class Scenario {
 public:
  Scenario() : emitter_(with_store()), server_(options()) {
    server_.stream("/{user}", [this](const EventStream& stream) {
      stream.on_error([this](std::error_code error) { told.add(error.message()); });
      emitter_.add(stream.request()->param("user"), stream);
    });
    server_.get("/value/now", [](const Request&) { return Response::text(200, "now"); });
    server_.get("/pending/later",
                [](const Request&, const PendingResponse& pending) { pending.respond(Response::text(200, "later")); });
    server_.start();
    mark_loop_of(server_);
  }

  /// Everything once. Throws, or fails the test, when something is missing or comes twice.
  void run() {
    ResumingClient alice(server_.port(), "/alice?last_event_id=earliest");
    std::vector<std::string> sent;
    const auto send = [&](const Audience& audience) {
      sent.push_back(std::to_string(sent.size()) + " of round " + std::to_string(rounds_));
      emitter_.send(audience, Event(sent.back()));
    };
    if (rounds_ == 0) send(Audience::user("alice"));
    for (int i = 0; i < 4; ++i) {
      if (!sent.empty()) alice.listen_until(sent.back());
      send(i % 2 == 0 ? Audience::group("al") : Audience::everybody());
    }
    alice.listen_until(sent.back());
    asks = ask("/value/now") + ask("/pending/later");
    connects = alice.connects();
    std::vector<std::string> heard = alice.heard();
    heard.erase(heard.begin(), heard.end() - static_cast<std::ptrdiff_t>(std::min(heard.size(), sent.size())));
    CHECK(heard == sent);
    all_.insert(all_.end(), sent.begin(), sent.end());
    CHECK(alice.heard() == all_);
    CHECK(alice.gaps().empty());
    alice.leave();
    ++rounds_;
  }

  /// Without any fault: the same at the first attempt, and then nothing is left.
  void go_on() {
    run();
    CHECK(connects == 1);
    CHECK(asks == 2);
    CHECK(eventually([&] { return emitter_.stream_count() == 0 && server_.stats().streams == 0; }));
    CHECK(emitter_.user_count() == 0);
    Awaited<std::size_t> cut;
    server_.shutdown(patience, [&](std::size_t count) { cut.set(count); });
    CHECK(cut.get() == 0);
  }

  ServerStats stats() const { return server_.stats(); }

  Journal told;  // by on_error and on_exception
  int connects = 0;
  int asks = 0;

 private:
  static EmitterOptions with_store() {
    EmitterOptions options;
    options.replay = std::make_shared<MemoryReplayStore>();
    return options;
  }
  ServerOptions options() {
    ServerOptions chosen = any_port(1);
    chosen.on_exception = note_in(told);
    return chosen;
  }

  /// How often it had to ask for `target` until it was answered with 200. Throws when that takes too long.
  int ask(const std::string& target) {
    const auto end = std::chrono::steady_clock::now() + patience;
    for (int attempts = 1;; ++attempts) {
      try {
        Client client(server_.port());
        client.get(target, "Connection: close\r\n");
        if (client.read_reply().status == 200) return attempts;
      } catch (const Failure& failure) {
        const bool too_late = std::string_view(failure.what()).find("too late") != std::string_view::npos;
        if (too_late || std::chrono::steady_clock::now() > end) throw;
      }
    }
  }

  Emitter emitter_;
  Server server_;
  std::vector<std::string> all_;
  int rounds_ = 0;
};

}  // namespace spate::test
