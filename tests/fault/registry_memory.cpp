// Calls of an emitter and of a stream from the moment on at which memory is gone: each is done, or has changed nothing,
// and none waits for memory with a lock that those need who would free some.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <spate/history/memory_replay_store.hpp>
#include <spate/registry/detail/user_index.hpp>
#include <spate/registry/emitter.hpp>
#include "fault/calls/failing_calls.hpp"
#include "support/catch.hpp"
#include "support/socketless_streams.hpp"

using namespace spate;
using namespace spate::test;

namespace {

/// Two streams of anna and one of bert, on a loop that does not run, with so many messages in its inbox: for one more
/// it may need memory.
struct Registered {
  explicit Registered(std::size_t messages) : emitter(options()) {
    for (const char* user : {"anna", "anna", "bert"}) {
      SubscribeOptions wanted;
      if (streams.size() == 1) wanted.events = {"note", "a name far longer than what a string holds in itself"};
      emitter.add(user, streams.emplace_back(opener.open()), wanted);
    }
    for (std::size_t i = 0; i < messages; ++i) streams.back().comment("x");
  }

  EmitterOptions options() {
    EmitterOptions chosen;
    chosen.replay = store;
    chosen.on_join = chosen.on_leave = [](const std::string&) {};
    return chosen;
  }
  std::size_t open() const {
    return static_cast<std::size_t>(
        std::count_if(streams.begin(), streams.end(), [](const EventStream& stream) { return stream.is_open(); }));
  }

  const std::shared_ptr<MemoryReplayStore> store = std::make_shared<MemoryReplayStore>();
  SocketlessStreams opener;
  std::vector<EventStream> streams;
  Emitter emitter;
};

constexpr long for_good = std::numeric_limits<long>::max() / 2;

/// Does `call` when memory is gone from the first allocation on, from the second on, ... until it needs no more, and
/// calls `check` after each failure. `call` returns whether it came to what it should: no assertion runs without
/// memory. Returns how often it failed.
template <typename Call, typename Check>
long sweep(Call call, Check check) {
  long failed = 0;
  std::thread([&] {
    mark_this_thread();
    for (std::size_t messages = 0; messages < 12; ++messages) {
      for (long skip = 0;; ++skip) {
        Registered registered(messages);
        bool struck = true, right = false;
        try {
          const FailingAllocation failing(skip, for_good);
          right = call(registered);
          struck = false;
        } catch (const std::bad_alloc&) {
        }
        if (!struck) {
          CHECK(right);
          break;
        }
        INFO("after " << skip << " allocations, with " << messages << " messages");
        check(registered);
        ++failed;
      }
    }
  }).join();
  return failed;
}

}  // namespace

TEST_CASE("an event for which there is no memory is not sent, nor kept, nor waited for", "[fault][registry]") {
  const std::vector<std::string> names{"anna", "bert", "nobody"};
  const auto audience = GENERATE(0, 1, 2, 3);
  const auto to = [&] {
    switch (audience) {
      case 0: return Audience::user("anna");
      case 1: return Audience::users(names);
      case 2: return Audience::group("a");
      default: return Audience::everybody();
    }
  }();
  const Event event = Event(std::string(100, 'x')).name("note");
  const long failed =
      sweep([&](Registered& registered) { return registered.emitter.send(to, event).streams > 0; },
            [&](Registered& registered) {
              CHECK(registered.store->newest() == 0);
              CHECK(registered.store->size() == 0);
              CHECK(registered.emitter.event_count() == 0);
              CHECK(registered.emitter.has_room());
              CHECK(registered.emitter.send(to, event).streams == (audience == 1 || audience == 3 ? 3 : 2));
              CHECK(registered.store->newest() == 1);
            });
  CHECK(failed > 20);
}

TEST_CASE("a stream for which there is no memory to take it out is there as before", "[fault][registry]") {
  const long failed =
      sweep([&](Registered& registered) { return registered.emitter.remove("bert", registered.streams[2]); },
            [&](Registered& registered) {
              CHECK(registered.emitter.stream_count() == 3);
              CHECK(registered.emitter.contains("bert"));
              CHECK(registered.emitter.send("bert", Event("x")).streams == 1);
              CHECK(registered.open() == 3);
              CHECK(registered.emitter.remove("bert", registered.streams[2]));
              CHECK(registered.emitter.user_count() == 1);
              registered.emitter.add("bert", registered.streams[2]);
              CHECK(registered.emitter.stream_count() == 3);
            });
  CHECK(failed > 12);
}

TEST_CASE("a user for whom there is no memory to close them loses no stream that stays open", "[fault][registry]") {
  const long failed = sweep([&](Registered& registered) { return registered.emitter.remove("anna") == 2; },
                            [&](Registered& registered) {
                              const std::size_t left = registered.emitter.stream_count();
                              CHECK(registered.open() <= left);
                              registered.emitter.remove("anna");
                              CHECK(registered.emitter.stream_count() == 1);
                              CHECK(registered.open() == 1);
                            });
  CHECK(failed > 12);
}

TEST_CASE("a stream for which there is no memory to add it has not come", "[fault][registry]") {
  const auto user = GENERATE(as<std::string>(), "anna", "clara, whose name is longer than what a string holds itself");
  const long failed = sweep(
      [&](Registered& registered) {
        SubscribeOptions wanted;
        wanted.events = {"b, a name far longer than what a string holds in itself", "a", "note"};
        registered.emitter.add(user, registered.opener.open(), wanted);
        return true;
      },
      [&](Registered& registered) {
        CHECK(registered.emitter.stream_count() == 3);
        CHECK(registered.emitter.user_count() == 2);
        CHECK(registered.emitter.broadcast(Event("x").name("a")).streams == 2);
        const EventStream stream = registered.opener.open();
        registered.emitter.add(user, stream);
        CHECK(registered.emitter.stream_count() == 4);
        CHECK(registered.emitter.remove(user, stream));
      });
  CHECK(failed > 60);
}

TEST_CASE("one user more than are kept side by side is there, or else the others are as before", "[fault][registry]") {
  const auto id = [](std::size_t i) { return "a user with a long name " + std::to_string(1000 + i); };
  // Among those whose part of the index is full, or after them all.
  const std::size_t place = GENERATE(400U, 600U, 1000U);
  long failed = 0;
  std::thread([&] {
    mark_this_thread();
    for (const long times : {1L, for_good}) {
      for (long skip = 0;; ++skip) {
        spate::detail::UserIndex index;
        std::size_t users = 0;
        bool first = false;
        for (; users < 640; ++users) index.obtain(id(2 * users), first);
        bool struck = true;
        std::string name = id(2 * place + 1);
        try {
          const FailingAllocation failing(skip, times);
          index.obtain(std::move(name), first);
          struck = false;
        } catch (const std::bad_alloc&) {
        }
        INFO("after " << skip << " allocations");
        const std::size_t expected = struck ? users : users + 1;
        std::vector<std::string> listed;
        index.for_each(std::string_view(), [&](const spate::detail::User& user) { listed.push_back(user.id); });
        CHECK(index.users() == expected);
        CHECK(listed.size() == expected);
        CHECK(std::is_sorted(listed.begin(), listed.end()));
        if (!struck) break;
        ++failed;
        index.obtain(id(2 * place + 1), first);
        CHECK(index.contains(id(2 * place + 1)));
      }
    }
  }).join();
  CHECK(failed > 4);
}

TEST_CASE("a stream for which there is no memory to end it is open as before", "[fault][stream]") {
  const bool overflows = GENERATE(false, true);
  const Event large(std::string(200 * 1024, 'x'));
  const EncodedEvent encoded(large);
  const long failed = sweep(
      [&](Registered& registered) {
        if (overflows) {
          registered.streams[0].send(encoded);
          return registered.streams[0].send(encoded) == SendResult::closed;
        }
        registered.streams[0].complete();
        return !registered.streams[0].is_open();
      },
      [&](Registered& registered) {
        CHECK(registered.streams[0].is_open());
        registered.streams[0].complete();
        CHECK_FALSE(registered.streams[0].is_open());
      });
  CHECK(failed > 1);
}

TEST_CASE("an emitter goes though there is no memory", "[fault][registry]") {
  std::thread([&] {
    mark_this_thread();
    for (long skip = 0; skip < 20; ++skip) {
      SocketlessStreams opener;
      std::vector<EventStream> streams;
      auto emitter = std::make_unique<Emitter>();
      for (int i = 0; i < 4; ++i) emitter->add("anna", streams.emplace_back(opener.open()));
      {
        const FailingAllocation failing(skip, for_good);
        emitter.reset();
      }
      for (const EventStream& stream : streams) CHECK(stream.is_open());
    }
  }).join();
}
