// Streams that end: what was accepted for them before, history included, arrives before the end.
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/use_awaitable.hpp>

#include <nlohmann/json.hpp>

#include <spate/registry/emitter.hpp>
#include <spate/server/server.hpp>
#include "support/catch.hpp"
#include "support/emitter_server.hpp"
#include "support/event_client.hpp"
#include "support/eventually.hpp"
#include "support/serving.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

namespace {

/// A service whose job is over: its results, "1" to "201", are in the history of the user "job". What a stream of
/// `/job` does beside `add`, the test says.
class Job {
 public:
  static constexpr std::size_t results = 201;

  using Handler = std::function<void(Emitter&, const EventStream&)>;
  explicit Job(Handler handler, StreamOptions streams = {}, std::size_t count = results, std::size_t padding = 200)
      : emitter(with_store(limits(count))),
        serving(
            [&](Server& server) {
              server.stream("/job", [this, handler](const EventStream& stream) { handler(emitter, stream); });
            },
            options(std::move(streams)), Serving::small_buffer) {
    for (std::size_t i = 1; i <= count; ++i) {
      const std::string text = std::to_string(i);
      emitter.send("job", Event(text + std::string(padding, ' ')));
      expected.push_back(text);
    }
  }

  EventClient client(std::string_view query = {}, int receive_buffer = 0) const {
    return EventClient(serving.port(), "/job?last_event_id=earliest" + std::string(query), {}, "HTTP/1.1",
                       receive_buffer);
  }

  /// What came after the results, and whether they were complete and the stream ended as it should.
  Texts after_results(EventClient client) const {
    Texts all = client.rest();
    for (std::string& text : all) text.erase(text.find_last_not_of(' ') + 1);
    CHECK(client.completed());
    if (all.size() < expected.size()) {
      FAIL("only " << all.size() << " of " << expected.size() << " results arrived");
    }
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(expected.size());
    CHECK(Texts(all.begin(), end) == expected);
    return Texts(end, all.end());
  }
  Texts after_results() const { return after_results(client()); }

  Emitter emitter;
  Serving serving;
  Texts expected;

 private:
  static ReplayLimits limits(std::size_t count) {
    ReplayLimits limits;
    limits.max_events = count + 5'000;
    return limits;
  }
  static ServerOptions options(StreamOptions streams) {
    ServerOptions options;
    options.stream = std::move(streams);
    return options;
  }
};

StreamOptions with_farewell() {
  StreamOptions options;
  options.farewell = [](EndReason reason) { return Event(std::string(to_string(reason))); };
  return options;
}

}  // namespace

TEST_CASE("a stream that completes after it was added gets all of its history first", "[registry][ending]") {
  const Job job([](Emitter& emitter, const EventStream& stream) {
    emitter.add("job", stream);
    stream.complete();
  });
  CHECK(job.after_results() == Texts{});
  CHECK(eventually([&] { return job.emitter.stream_count() == 0; }));
}

TEST_CASE("the last event of a stream comes after its history", "[registry][ending]") {
  const Job job([](Emitter& emitter, const EventStream& stream) {
    emitter.add("job", stream);
    stream.complete(Event("BYE"));
  });
  CHECK(job.after_results() == Texts{"BYE"});
}

TEST_CASE("a stream that fails on purpose gets its history and its last event first", "[registry][ending]") {
  const Job job([](Emitter& emitter, const EventStream& stream) {
    emitter.add("job", stream);
    stream.complete_with_error(Errc::completed_with_error, Event("failed"));
  });
  CHECK(job.after_results() == Texts{"failed"});
}

TEST_CASE("what is sent to a stream after it was added comes after its history", "[registry][ending]") {
  const Job job([](Emitter& emitter, const EventStream& stream) {
    stream.send(Event("BEFORE"));
    emitter.add("job", stream);
    stream.send(Event("MINE"));
    stream.send(Event("MINE TOO"));
    stream.complete();
  });
  EventClient client = job.client();
  CHECK(client.next().data == "BEFORE");
  CHECK(job.after_results(std::move(client)) == Texts{"MINE", "MINE TOO"});
}

TEST_CASE("events of one caller keep the order of the calls, to the stream or through the emitter",
          "[registry][ending]") {
  const Job job([](Emitter& emitter, const EventStream& stream) {
    emitter.add("job", stream);
    stream.send(Event("a"));
    emitter.send("job", Event("b"));
    emitter.broadcast(Event("c"));
    stream.send(Event("d"));
    emitter.send("job", Event("e"));
    stream.complete();
  });
  CHECK(job.after_results() == Texts{"a", "b", "c", "d", "e"});
}

TEST_CASE("a coroutine that adds its stream and returns ends it after its history", "[registry][ending][coroutine]") {
  // A client that reads slowly, and much to read.
  Emitter emitter(with_store([] {
    ReplayLimits limits;
    limits.max_events = 30'000;
    return limits;
  }()));
  const std::size_t count = 20'001;
  for (std::size_t i = 1; i <= count; ++i) emitter.send("job", Event(std::to_string(i)));
  const Serving serving(
      [&](Server& server) {
        server.stream("/job", [&](EventStream stream) -> asio::awaitable<void> {
          emitter.add("job", stream);
          const Event mine("MINE");
          co_await stream.async_send(mine, asio::use_awaitable);
        });
      },
      {}, Serving::small_buffer);
  EventClient client(serving.port(), "/job?last_event_id=earliest", {}, "HTTP/1.1", Serving::small_buffer);
  std::size_t next = 1;
  for (const std::string& text : client.rest()) {
    if (next > count) {
      CHECK(text == "MINE");
    } else if (text != std::to_string(next)) {
      FAIL("not event " << next << " but " << text);
    }
    ++next;
  }
  CHECK(next == count + 2);
  CHECK(client.completed());
}

TEST_CASE("a user who is removed gets what was sent before, history included", "[registry][ending]") {
  SECTION("and the last event sent to them") {
    const Job job(
        [](Emitter& emitter, const EventStream& stream) {
          emitter.add("job", stream);
          emitter.send("job", Event("LIVE"));
          CHECK(emitter.remove("job") == 1);
          // They are out of the registry at once.
          CHECK_FALSE(emitter.contains("job"));
          emitter.send("job", Event("LATER"));
        },
        with_farewell());
    CHECK(job.after_results() == Texts{"LIVE", "closed"});
  }
  SECTION("also one of several streams that is taken out and stays open") {
    Awaited<EventStream> taken;
    Job job([&](Emitter& emitter, const EventStream& stream) {
      emitter.add("job", stream);
      CHECK(emitter.remove("job", stream));
      emitter.send("job", Event("LATER"));
      stream.send(Event("MINE"));
      taken.set(stream);
    });
    EventClient client = job.client();
    CHECK(eventually([&] { return job.serving.stats().deliveries >= Job::results + 1; }));
    // Once it has been served it may be added again.
    job.serving.loop.run([&] { job.emitter.add("other", taken.get()); });
    job.emitter.send("other", Event("again"));
    taken.get().complete();
    const Texts rest = job.after_results(std::move(client));
    REQUIRE(rest.size() >= 2);
    CHECK(rest.front() == "MINE");
    CHECK(rest.back() == "again");
  }
}

TEST_CASE("a stream that a newer one replaces gets its history first", "[registry][ending]") {
  std::vector<EventStream> streams;
  EmitterOptions options = with_store();
  options.max_streams_per_user = 1;
  Emitter emitter(std::move(options));
  for (int i = 1; i <= 3; ++i) emitter.send("anna", Event(std::to_string(i)));
  const Serving serving([&](Server& server) {
    server.stream("/first", [&](const EventStream& stream) {
      emitter.add("anna", stream);
      if (!streams.empty()) emitter.add("anna", streams.front());
    });
    server.stream("/waiting", [&](const EventStream& stream) { streams.push_back(stream); });
  });
  EventClient waiting(serving.port(), "/waiting");
  EventClient client(serving.port(), "/first?last_event_id=earliest");
  CHECK(client.rest() == Texts{"1", "2", "3"});
  CHECK(client.completed());
}

TEST_CASE("a drain delivers history before it says farewell", "[registry][ending][shutdown]") {
  Awaited<bool> added;
  Job job(
      [&](Emitter& emitter, const EventStream& stream) {
        emitter.add("job", stream);
        added.set(true);
      },
      with_farewell(), 5'000);
  EventClient client = job.client({}, Serving::small_buffer);
  added.get();
  std::atomic<bool> done{false};
  std::atomic<std::size_t> cut{1};
  job.serving.loop.run([&] {
    job.serving.server().shutdown(20s, [&](std::size_t how_many) {
      cut = how_many;
      done = true;
    });
  });
  CHECK(job.after_results(std::move(client)) == Texts{"shutdown"});
  CHECK(eventually([&] { return done.load(); }));
  CHECK(cut == 0);
}

TEST_CASE("a drain's deadline cuts those who are still owed something", "[registry][ending][shutdown]") {
  Awaited<bool> added;
  Job job(
      [&](Emitter& emitter, const EventStream& stream) {
        emitter.add("job", stream);
        stream.complete();
        added.set(true);
      },
      {}, 20'000);
  const EventClient client = job.client({}, Serving::small_buffer);  // never reads on
  added.get();
  std::atomic<bool> done{false};
  std::atomic<std::size_t> cut{0};
  job.serving.loop.run([&] {
    job.serving.server().shutdown(50ms, [&](std::size_t how_many) {
      cut = how_many;
      done = true;
    });
  });
  CHECK(eventually([&] { return done.load(); }));
  CHECK(cut == 1);
}

TEST_CASE("whoever has no valid credential any more gets no history either", "[registry][ending]") {
  Job job(
      [](Emitter& emitter, const EventStream& stream) {
        emitter.add("job", stream);
        stream.complete();
        stream.expire_at(std::chrono::system_clock::now());
      },
      {}, 20'000);
  EventClient client = job.client({}, Serving::small_buffer);
  // It ends in time although it has read nothing: what is in the kernel's hands is less than half of all.
  CHECK(eventually([&] { return job.emitter.stream_count() == 0; }));
  CHECK(client.rest().size() < 20'000);
}

TEST_CASE("polls and frames that complete after they were added get the history too", "[registry][ending]") {
  Job job([](Emitter& emitter, const EventStream& stream) {
    emitter.add("job", stream);
    stream.send(Event("MINE"));
    stream.complete(Event("BYE"));
  });
  SECTION("a poll") {
    Client client(job.serving.port());
    client.get("/job?last_event_id=earliest&transport=poll&timeout=0");
    const auto answer = nlohmann::json::parse(client.read_reply().body);
    const auto& events = answer["events"];
    REQUIRE(events.size() == Job::results + 2);
    CHECK(events[Job::results]["data"] == "MINE");
    CHECK(events[Job::results + 1]["data"] == "BYE");
    CHECK(eventually([&] { return job.emitter.stream_count() == 1; }));  // for its time of grace
  }
  SECTION("a frame") {
    Client client(job.serving.port());
    client.get("/job?last_event_id=earliest&transport=iframe");
    const std::string page = client.read_reply().body;
    CHECK(page.find("\"201") < page.find("\"MINE\""));
    CHECK(page.find("\"MINE\"") < page.find("\"BYE\""));
    CHECK(page.find("\"BYE\"") != std::string::npos);
  }
}

TEST_CASE("whoever waits for a stream to catch up is told when its history is with the kernel", "[registry][ending]") {
  std::atomic<bool> caught_up{false};
  Awaited<EventStream> opened;
  Job job(
      [&](Emitter& emitter, const EventStream& stream) {
        emitter.add("job", stream);
        emitter.async_caught_up(stream, [&](std::error_code error) {
          CHECK_FALSE(error);
          caught_up = true;
        });
        opened.set(stream);
      },
      {}, 5'000);
  EventClient client = job.client({}, Serving::small_buffer);
  const EventStream stream = opened.get();
  client.next();
  CHECK_FALSE(caught_up);
  client.next_data(4'999);
  CHECK(eventually([&] { return caught_up.load(); }));
  // Who has caught up already is told as well, and so is who waits for a stream that has ended.
  Awaited<std::error_code> again, ended;
  job.emitter.async_caught_up(stream, [&](std::error_code error) { again.set(error); });
  CHECK_FALSE(again.get());
  stream.complete();
  CHECK(client.rest().empty());
  job.emitter.async_caught_up(stream, [&](std::error_code error) { ended.set(error); });
  CHECK(ended.get() == Errc::stream_closed);
}

TEST_CASE("what waits after history is bounded like any queue", "[registry][ending][overflow]") {
  StreamOptions options;
  options.max_queued_events = 3;
  options.overflow = Overflow::drop_oldest;
  const Job job(
      [](Emitter& emitter, const EventStream& stream) {
        emitter.add("job", stream);
        for (int i = 1; i <= 6; ++i) stream.send(Event("mine " + std::to_string(i)));
        stream.complete();
      },
      options);
  const Texts rest = job.after_results();
  REQUIRE(rest.size() == 4);
  CHECK(rest[0].find("overflow") != std::string::npos);
  CHECK(Texts(rest.begin() + 1, rest.end()) == Texts{"mine 4", "mine 5", "mine 6"});
}

TEST_CASE("nothing is lost or doubled when streams complete while others publish", "[registry][ending][race]") {
  Job job([](Emitter& emitter, const EventStream& stream) {
    emitter.add("job", stream);
    stream.complete();
  });
  std::atomic<bool> stop{false};
  std::thread publisher([&] {
    for (int i = 0; !stop && i < 2'000; ++i) job.emitter.send("job", Event("live"));
  });
  for (int i = 0; i < 20; ++i) {
    for (const std::string& text : job.after_results()) CHECK(text == "live");
  }
  stop = true;
  publisher.join();
}
