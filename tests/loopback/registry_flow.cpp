#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/detached.hpp>
#include <asio/error.hpp>
#include <asio/redirect_error.hpp>

#include <spate/detail/access.hpp>
#include <spate/registry/emitter.hpp>
#include <spate/stream/detail/stream_core.hpp>
#include "support/catch.hpp"
#include "support/emitter_server.hpp"

using namespace spate::test;
using spate::Audience;
using spate::EmitterOptions;
using spate::Event;
using spate::ReplayLimits;
using spate::SendReport;
using spate::StreamOptions;

namespace {

constexpr int small_buffer = Serving::small_buffer;

/// An event that is known by its number, and so large.
Event numbered(std::uint64_t number, std::size_t size) {
  std::string data = std::to_string(number) + " ";
  data.resize(std::max(data.size(), size), '.');
  return Event(data);
}

std::uint64_t number_of(const spate::DecodedEvent& event) {
  return std::stoull(event.data);
}

std::uint64_t ended(const EmitterServer& hub, spate::EndReason reason) {
  return hub.server.stats().streams_ended[static_cast<std::size_t>(reason)];
}

/// Keeps the loop of the first stream from doing anything else as long as it lives.
class Blocked {
 public:
  explicit Blocked(const EmitterServer& hub) {
    spate::detail::access::core(hub.stream(0))->own_shard().run([state = state_] {
      state->begun = true;
      eventually([&] { return state->over.load(); });
    });
    eventually([&] { return state_->begun.load(); });
  }
  ~Blocked() { state_->over = true; }

 private:
  struct State {
    std::atomic<bool> begun{false};
    std::atomic<bool> over{false};
  };
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace

TEST_CASE("a replay far larger than what may be queued reaches a slow client whole", "[registry][replay]") {
  StreamOptions streams;
  streams.max_queued_bytes = 16 * 1024;
  EmitterServer hub(with_store(), streams, 1, small_buffer);
  constexpr std::uint64_t before = 1'000, meanwhile = 200;
  for (std::uint64_t i = 1; i <= before; ++i) hub.emitter.send("anna", numbered(i, 4'000));

  EventClient anna = hub.open("/anna", "earliest", "HTTP/1.1", small_buffer);
  // It does not read yet. What is published now is not queued either: it is drawn from the store when it is its turn.
  for (std::uint64_t i = before + 1; i <= before + meanwhile; ++i) {
    CHECK(hub.emitter.send("anna", numbered(i, 4'000)).streams == 1);
  }
  hub.in_one_turn([] {});
  CHECK(hub.stream(0).queued_bytes() == 0);
  // And while it reads, others publish.
  std::thread publisher([&] {
    for (std::uint64_t i = before + meanwhile + 1; i <= before + 2 * meanwhile; ++i) {
      Sending(hub.emitter, Audience::everybody(), numbered(i, 50)).wait();
    }
  });
  for (std::uint64_t i = 1; i <= before + 2 * meanwhile; ++i) {
    const auto event = anna.next();
    REQUIRE(number_of(event) == i);
    REQUIRE(event.last_event_id == hub.id(i));
  }
  publisher.join();
  CHECK(ended(hub, spate::EndReason::overflow) == 0);
  CHECK(hub.server.stats().gaps == 0);
  CHECK(hub.server.stats().replayed_events >= before + meanwhile);
  CHECK(hub.server.stats().queue_high_water_bytes <= 16 * 1024);
}

TEST_CASE("what a store loses while a slow client is at it is told in the middle of the replay", "[registry][gap]") {
  Journal gaps;
  ReplayLimits limits;
  limits.max_events = 100;
  EmitterOptions options = with_store(limits);
  options.on_gap = [&](const spate::Gap& gap) { gaps.add(gap.requested + " " + gap.oldest); };
  EmitterServer hub(options, {}, 1, small_buffer);
  for (std::uint64_t i = 1; i <= 100; ++i) hub.emitter.send("anna", numbered(i, 8'000));
  EventClient anna = hub.open("/anna", "earliest", "HTTP/1.1", small_buffer);
  REQUIRE(anna.next().last_event_id == hub.id(1));
  for (std::uint64_t i = 101; i <= 250; ++i) hub.emitter.send("anna", numbered(i, 8'000));

  // A gap says after what it is and where it goes on; its id is the place just before. Usually there is one, up to what
  // is kept; if the client's kernel took a little more meanwhile, there are several.
  std::uint64_t number = 1;
  std::size_t told = 0;
  while (number < 250) {
    const spate::DecodedEvent event = anna.next();
    if (event.name != "gap") {
      REQUIRE(number_of(event) == ++number);
      continue;
    }
    ++told;
    const std::string before = "{\"requested\":\"" + hub.id(number) + "\",\"oldest\":\"" + hub.epoch() + "-";
    REQUIRE(event.data.substr(0, before.size()) == before);
    const std::uint64_t oldest = std::stoull(event.data.substr(before.size()));
    CHECK(event.data == before + std::to_string(oldest) + "\",\"reason\":\"trimmed\"}");
    CHECK(oldest > number + 1);
    CHECK(oldest <= 151);
    CHECK(event.last_event_id == hub.id(oldest - 1));
    number = oldest - 1;
  }
  CHECK(told > 0);
  hub.emitter.broadcast(numbered(251, 1));
  CHECK(number_of(anna.next()) == 251);
  CHECK(gaps.wait_for(told).size() == told);
  CHECK(hub.server.stats().gaps == told);
}

TEST_CASE("an event that finds nothing waiting is taken, whatever its size", "[registry][overflow]") {
  const bool broadcast = GENERATE(false, true);
  StreamOptions streams;
  streams.max_queued_bytes = 1'000;
  EmitterServer hub(with_store(), streams, 1, small_buffer);
  const auto send = [&](const Event& event) {
    if (broadcast) {
      hub.emitter.broadcast(event);
    } else {
      hub.emitter.send("anna", event);
    }
    hub.in_one_turn([] {});
  };
  EventClient anna = hub.open("/anna", {}, "HTTP/1.1", small_buffer);
  send(numbered(1, 1'000'000));
  CHECK(eventually([&] { return hub.stream(0).queued_bytes() > 100'000; }));
  CHECK(number_of(anna.next()) == 1);
  REQUIRE(eventually([&] { return hub.stream(0).queued_bytes() == 0; }));
  // Small ones in front of it that go out with it are not in its way.
  hub.in_one_turn([&] {
    for (std::uint64_t i = 2; i <= 5; ++i) hub.emitter.broadcast(numbered(i, 50));
    hub.emitter.broadcast(numbered(6, 1'000'000));
  });
  for (std::uint64_t i = 2; i <= 6; ++i) CHECK(number_of(anna.next()) == i);
  // The next one finds something.
  send(numbered(7, 1'000'000));
  send(numbered(8, 10));
  CHECK(eventually([&] { return ended(hub, spate::EndReason::overflow) == 1; }));
  CHECK(hub.comes_to(0));
}

TEST_CASE("a client that stalls is cut by policy, and the others notice nothing", "[registry][overflow]") {
  StreamOptions streams;
  streams.max_queued_bytes = 100'000;
  EmitterServer hub(with_store(), streams, 1, small_buffer);
  EventClient stalled = hub.open("/stalled", {}, "HTTP/1.1", small_buffer);
  std::vector<EventClient> others;
  for (int i = 0; i < 5; ++i) others.push_back(hub.open(i % 2 == 0 ? "/anna" : "/bert?event=message"));
  for (std::uint64_t i = 1; i <= 100; ++i) {
    hub.emitter.broadcast(numbered(i, 8'000));
    for (EventClient& other : others) REQUIRE(number_of(other.next()) == i);
  }
  CHECK(hub.comes_to(5));
  CHECK(ended(hub, spate::EndReason::overflow) == 1);
  // It comes back to what it missed.
  std::uint64_t last = 0;
  for (const auto& event : stalled.rest_of_events()) last = number_of(event);
  EventClient again = hub.open("/stalled", stalled.decoder().last_event_id());
  for (std::uint64_t i = last + 1; i <= 100; ++i) REQUIRE(number_of(again.next()) == i);
}

TEST_CASE("a stream that ends while three emitters serve it leaves the others their turn", "[registry][overflow]") {
  StreamOptions streams;
  streams.max_queued_bytes = 20'000;
  EmitterServer hub(with_store(), streams, 1, small_buffer);
  const std::string target = GENERATE("/anna?event=message", "/anna");
  EventClient stalled = hub.open(target, {}, "HTTP/1.1", small_buffer);
  spate::Emitter second, third;
  spate::SubscribeOptions wanted;
  if (target != "/anna") wanted.events = {"message"};
  std::vector<EventClient> others;
  others.push_back(hub.open(target));
  second.add("second", hub.stream(0), wanted);
  others.push_back(hub.open(target));
  third.add("third", hub.stream(0), wanted);
  for (std::uint64_t i = 1; i <= 60; ++i) {
    for (spate::Emitter* emitter : {&second, &hub.emitter, &third}) emitter->broadcast(numbered(i, 8'000));
    for (EventClient& other : others) REQUIRE(number_of(other.next()) == i);
  }
  CHECK(hub.comes_to(2));
  CHECK(eventually([&] { return second.stream_count() == 0 && third.stream_count() == 0; }));
  CHECK(hub.emitter.users() == std::vector<std::string>{"anna"});
}

TEST_CASE("a publisher that awaits its sends waits for a loop that is behind", "[registry][async]") {
  EmitterOptions options = with_store();
  options.max_backlog_bytes = 10'000;
  EmitterServer hub(options, {}, 2);
  EventClient anna = hub.open("/anna"), bert = hub.open("/bert");
  std::vector<Sending> sends;
  {
    const Blocked blocked(hub);
    const auto send = [&](const Audience& audience) {
      sends.emplace_back(hub.emitter, audience, numbered(sends.size() + 1, 6'000));
    };
    send(Audience::everybody());
    REQUIRE(sends.back().wait());
    CHECK(sends.back().report().streams == 2);
    CHECK(hub.emitter.has_room());
    for (int i = 0; i < 5; ++i) send(i % 2 == 0 ? Audience::everybody() : Audience::user("anna"));
    for (int i = 0; i < 5; ++i) CHECK_FALSE(sends[static_cast<std::size_t>(i) + 1].done());
    CHECK_FALSE(hub.emitter.has_room());
  }
  for (std::size_t i = 1; i < sends.size(); ++i) {
    REQUIRE(sends[i].wait());
    CHECK(sends[i].report().id == hub.id(i + 1));
    CHECK(sends[i].report().streams == (i % 2 == 1 ? 2 : 1));
  }
  CHECK(eventually([&] { return hub.emitter.has_room(); }));
  for (std::uint64_t i = 1; i <= 6; ++i) CHECK(number_of(anna.next()) == i);
}

TEST_CASE("a publisher that awaits its sends never waits for one slow client", "[registry][async]") {
  StreamOptions streams;
  streams.max_queued_bytes = 64 * 1024 * 1024;
  EmitterOptions options = with_store();
  options.max_backlog_bytes = 10'000;
  EmitterServer hub(options, streams, 1, small_buffer);
  EventClient slow = hub.open("/slow", {}, "HTTP/1.1", small_buffer), other = hub.open("/other?event=message");
  for (std::uint64_t i = 1; i <= 200; ++i) {
    const Audience audience = i % 2 == 0 ? Audience::everybody() : Audience::group("");
    const Sending sending(hub.emitter, audience, numbered(i, 20'000));
    REQUIRE(sending.wait());
    CHECK(sending.report().streams == 2);
    REQUIRE(number_of(other.next()) == i);
  }
  CHECK(hub.stream(0).queued_bytes() > 2'000'000);
  for (std::uint64_t i = 1; i <= 200; ++i) REQUIRE(number_of(slow.next()) == i);
}

TEST_CASE("publishers that await their sends wait for a crowd that cannot follow", "[registry][async]") {
  StreamOptions streams;
  streams.max_queued_bytes = 256 * 1024;
  EmitterOptions options = with_store();
  options.max_backlog_bytes = 16 * 1024;
  EmitterServer hub(options, streams, 1, small_buffer);
  std::vector<EventClient> crowd = hub.crowd("/anna", 64);
  // One thread reads what another one has delivered by the dozen: without waiting it would be far ahead.
  constexpr std::uint64_t events = 200;
  std::jthread publisher([&] {
    for (std::uint64_t i = 1; i <= events; ++i) {
      // A unicast goes another way than a broadcast.
      const Audience audience = i % 2 == 0 ? Audience::everybody() : Audience::user("anna");
      Sending(hub.emitter, audience, numbered(i, 8'000)).wait();
    }
  });
  for (std::uint64_t i = 1; i <= events; ++i) {
    for (EventClient& client : crowd) REQUIRE(number_of(client.next()) == i);
  }
  publisher.join();
  CHECK(ended(hub, spate::EndReason::overflow) == 0);
}

TEST_CASE("a crowd that has stalled is waited for no longer than a moment", "[registry][async]") {
  StreamOptions streams;
  streams.max_queued_bytes = 256 * 1024;
  EmitterServer hub(with_store(), streams, 1, small_buffer);
  std::vector<EventClient> crowd = hub.crowd("/anna", 64);
  EventClient bert = hub.open("/bert");
  const auto publish = [&](std::uint64_t number) {
    Sending sending(hub.emitter, Audience::everybody(), numbered(number, 8'000));
    // Whether or not its publisher is held back, those who read have the event.
    CHECK(number_of(bert.next()) == number);
    return sending;
  };
  std::uint64_t number = 0;
  while (hub.emitter.has_room()) REQUIRE(publish(++number).wait());
  const Sending held_back = publish(++number);
  CHECK(ended(hub, spate::EndReason::overflow) == 0);
  REQUIRE(held_back.wait());
  // In the end the policy ends those who have stalled, and they hold nobody back any more.
  while (hub.emitter.stream_count() > 1) {
    hub.emitter.broadcast(numbered(++number, 8'000));
    CHECK(number_of(bert.next()) == number);
  }
  CHECK(ended(hub, spate::EndReason::overflow) == 64);
  CHECK(eventually([&] { return hub.emitter.has_room(); }));
}

TEST_CASE("a wait that is cancelled ends, and its event arrives all the same", "[registry][async]") {
  EmitterOptions options = with_store();
  options.max_backlog_bytes = 0;
  Loop loop;
  options.executor = loop.io.get_executor();
  EmitterServer hub(options);
  EventClient anna = hub.open("/anna");
  asio::cancellation_signal signal;
  Awaited<std::error_code> outcome;
  {
    const Blocked blocked(hub);
    loop.run([&] {
      hub.emitter.async_send(Audience::everybody(), Event("sent"),
                             asio::bind_cancellation_slot(
                                 signal.slot(), [&](std::error_code error, const SendReport&) { outcome.set(error); }));
      CHECK_FALSE(outcome.is_set());
      signal.emit(asio::cancellation_type::terminal);
    });
    CHECK(outcome.get() == asio::error::operation_aborted);
  }
  CHECK(anna.next().data == "sent");
}

TEST_CASE("a handler that nobody could call is refused before anything is sent", "[registry][async]") {
  EmitterServer hub;
  EventClient anna = hub.open("/anna");
  const auto refusal = Catch::Matchers::ContainsSubstring("asio::bind_executor, or set EmitterOptions::executor");
  const Audience everybody = Audience::everybody();
  const auto on_sent = [](std::error_code, const SendReport&) {};
  CHECK_THROWS_WITH(hub.emitter.async_send(everybody, Event("refused"), on_sent), refusal);
  asio::cancellation_signal signal;
  CHECK_THROWS_WITH(
      hub.emitter.async_send(everybody, Event("refused"), asio::bind_cancellation_slot(signal.slot(), on_sent)),
      refusal);
  CHECK(hub.emitter.event_count() == 0);
  CHECK_THROWS_WITH(hub.emitter.async_room([](std::error_code) {}), refusal);
  CHECK_THROWS_WITH(hub.emitter.async_cluster_users({}, [](std::error_code, const std::vector<std::string>&) {}),
                    refusal);
  CHECK_THROWS_WITH(hub.emitter.async_cluster_counts([](std::error_code, const spate::Emitter::Counts&) {}), refusal);
  // A token that is not the handler itself gives it when the event is sent.
  std::error_code error;
  CHECK_THROWS_WITH(
      hub.emitter.async_send(everybody, Event("first"), asio::redirect_error([](const SendReport&) {}, error)),
      refusal);
  // Here there is nobody to call.
  hub.emitter.async_send(everybody, Event("second"), asio::detached);
  hub.emitter.async_send(everybody, Event("third"), asio::bind_cancellation_slot(signal.slot(), asio::detached));
  hub.emitter.async_room(asio::detached);
  // That is what a server's executor is when it has stopped.
  const asio::any_io_executor gone;
  hub.emitter.async_send(everybody, Event("fourth"), asio::bind_executor(gone, on_sent));
  CHECK(Sending(hub.emitter, everybody, Event("fifth")).success().streams == 1);
  CHECK(anna.next_data(5) == std::vector<std::string>{"first", "second", "third", "fourth", "fifth"});
}

TEST_CASE("publishers on many threads that await every send are all told", "[registry][async]") {
  EmitterOptions options = with_store();
  options.max_backlog_bytes = 0;  // every send waits for the loops
  EmitterServer hub(options, {}, 2);
  EventClient anna = hub.open("/anna"), bert = hub.open("/bert");
  constexpr std::uint64_t threads = 3, events = 400;
  std::vector<std::thread> publishers;
  std::atomic<int> late{0};
  for (std::uint64_t thread = 0; thread < threads; ++thread) {
    publishers.emplace_back([&] {
      for (std::uint64_t i = 0; i < events; ++i) {
        if (!Sending(hub.emitter, Audience::everybody(), Event("x")).wait()) ++late;
      }
    });
  }
  for (std::thread& publisher : publishers) publisher.join();
  CHECK(late == 0);
  for (std::uint64_t i = 1; i <= threads * events; ++i) REQUIRE(anna.next().last_event_id == hub.id(i));
}
