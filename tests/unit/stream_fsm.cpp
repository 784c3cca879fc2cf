// The life of one stream, without the stream: what happens goes in, what is to be done comes out.
#include <chrono>
#include <cstddef>
#include <ostream>
#include <set>
#include <system_error>

#include <spate/error.hpp>
#include <spate/stream/detail/stream_fsm.hpp>
#include "support/catch.hpp"

namespace spate::detail {

inline std::ostream& operator<<(std::ostream& out, const StreamFsm::Action& action) {
  using Kind = StreamFsm::Action::Kind;
  const auto why = [&] { return std::string(to_string(action.reason)) + ", " + action.error.message(); };
  switch (action.kind) {
    case Kind::nothing: return out << "nothing";
    case Kind::write_heartbeat: return out << "write a heartbeat";
    case Kind::look_at_progress: return out << "look at the client's progress";
    case Kind::end: return out << "end: " << why();
    case Kind::wait: return out << "wait for what is owed";
    case Kind::finish: return out << "finish";
    case Kind::stop: return out << "stop: " << why();
  }
  return out << "?";
}

namespace {

using namespace std::chrono_literals;
using Action = StreamFsm::Action;
using Phase = StreamFsm::Phase;

constexpr TimePoint t0{1000h};
constexpr StreamLimits usual{15s, {20s, 20'000}};
constexpr std::size_t nothing_taken = 0;

StreamFsm opened(TimePoint at = t0) {
  StreamFsm fsm;
  fsm.open(at);
  return fsm;
}

TEST_CASE("a stream that is ended queues its last bytes, and is over when they are written", "[stream][end]") {
  StreamFsm fsm = opened();
  CHECK(fsm.phase() == Phase::live);
  CHECK(fsm.end(EndReason::completed, false) == Action::finish());
  CHECK_FALSE(fsm.takes_events());
  CHECK_FALSE(fsm.is_over());
  CHECK(fsm.finished() == Action::stop(EndReason::completed));
  CHECK(fsm.is_over());
  fsm.told();
  CHECK(fsm.phase() == Phase::told);
}

TEST_CASE("a stream that is ended while something is owed to it waits for that first", "[stream][end]") {
  StreamFsm fsm = opened();
  CHECK(fsm.end(EndReason::closed, true) == Action::wait());
  CHECK(fsm.takes_events());     // what is owed is drawn
  CHECK_FALSE(fsm.takes_end());  // and nobody else ends it
  CHECK(fsm.end(EndReason::completed, false) == Action::nothing());
  CHECK(fsm.finished() == Action::nothing());
  CHECK(fsm.nothing_owed() == Action::finish());
  CHECK(fsm.nothing_owed() == Action::nothing());
  CHECK(fsm.finished() == Action::stop(EndReason::closed));
}

TEST_CASE("the first end counts", "[stream][end]") {
  StreamFsm fsm = opened();
  fsm.end(EndReason::shutdown, false);
  CHECK(fsm.end(EndReason::completed, false) == Action::nothing());
  CHECK(fsm.reason() == EndReason::shutdown);
}

TEST_CASE("a connection that breaks ends a stream at once, whatever it was about to do", "[stream][end]") {
  const std::error_code broken = std::make_error_code(std::errc::connection_reset);
  StreamFsm fsm;
  SECTION("before its head went out: then it never was open") {
    CHECK(fsm.break_off(EndReason::client, broken) == Action::stop(EndReason::client, broken));
    CHECK_FALSE(fsm.was_open());
  }
  SECTION("while it is live") {
    fsm.open(t0);
    CHECK(fsm.break_off(EndReason::client, broken) == Action::stop(EndReason::client, broken));
    CHECK(fsm.was_open());
  }
  SECTION("while something is owed: it has its reason, and the break is none") {
    fsm.open(t0);
    fsm.end(EndReason::completed, true);
    CHECK(fsm.break_off(EndReason::client, broken) == Action::stop(EndReason::completed));
  }
  SECTION("while its last bytes wait") {
    fsm.open(t0);
    fsm.end(EndReason::lifetime, false);
    CHECK(fsm.break_off(EndReason::client, broken) == Action::stop(EndReason::lifetime));
  }
  CHECK(fsm.break_off(EndReason::client, broken) == Action::nothing());
  CHECK(fsm.finished() == Action::nothing());
  CHECK(fsm.timer_fired(t0 + 1000h, true, usual) == Action::nothing());
}

TEST_CASE("a queue that overflows is told, whatever was to come", "[stream][end][overflow]") {
  StreamFsm fsm = opened();
  SECTION("live") {}
  SECTION("owing") {
    fsm.end(EndReason::completed, true);
  }
  SECTION("finishing") {
    fsm.end(EndReason::completed, false);
  }
  CHECK(fsm.overflowed() == Action::stop(EndReason::overflow, Errc::queue_overflow));
  CHECK(fsm.overflowed() == Action::nothing());
}

TEST_CASE("an idle stream is due for one heartbeat per interval", "[stream][heartbeat]") {
  StreamFsm fsm = opened();
  CHECK(fsm.next(usual) == t0 + 15s);
  CHECK(fsm.timer_fired(t0 + 15s - 1ns, false, usual) == Action::nothing());
  CHECK(fsm.timer_fired(t0 + 15s, false, usual) == Action::write_heartbeat());
  // The next one is an interval away, whether or not the first has gone out.
  CHECK(fsm.timer_fired(t0 + 15s, false, usual) == Action::nothing());
  CHECK(fsm.next(usual) == t0 + 30s);
  CHECK(fsm.timer_fired(t0 + 29s, false, usual) == Action::nothing());
  CHECK(fsm.timer_fired(t0 + 30s, false, usual) == Action::write_heartbeat());
}

TEST_CASE("an event puts the heartbeat off", "[stream][heartbeat]") {
  StreamFsm fsm = opened();
  fsm.wrote(t0 + 7500ms);
  // The timer that was set at the start fires all the same and finds nothing.
  CHECK(fsm.timer_fired(t0 + 15s, false, usual) == Action::nothing());
  CHECK(fsm.next(usual) == t0 + 22500ms);
}

TEST_CASE("a stream that waits for what is owed has heartbeats, and one that finishes has none",
          "[stream][heartbeat]") {
  StreamFsm fsm = opened();
  fsm.end(EndReason::completed, true);
  CHECK(fsm.timer_fired(t0 + 15s, false, usual) == Action::write_heartbeat());
  fsm.nothing_owed();
  CHECK(fsm.timer_fired(t0 + 30s, false, usual) == Action::nothing());
}

TEST_CASE("streams of one slot are due for their heartbeats together, and never early", "[stream][heartbeat]") {
  const StreamLimits limits{32s, {20s}};
  std::set<TimePoint> moments;
  for (TimePoint begin = t0; begin < t0 + 32s; begin += 10ms) {
    StreamFsm fsm = opened(begin);
    const TimePoint due = fsm.next(limits);
    CHECK(due >= begin + 32s);
    CHECK(due < begin + 33s);
    CHECK(fsm.timer_fired(due, false, limits) == Action::write_heartbeat());
    moments.insert(due);
  }
  CHECK(moments.size() <= StreamFsm::heartbeat_slots + 1);
}

TEST_CASE("a blocked stream needs no heartbeat but has a write deadline", "[stream][deadline]") {
  StreamFsm fsm = opened();
  fsm.stalled(t0 + 100s, nothing_taken, 1'000'000);
  CHECK(fsm.blocked());
  // A hundred quiet seconds before it do not count: there was nothing to take.
  CHECK(fsm.next(usual) == t0 + 120s);
  CHECK(fsm.timer_fired(t0 + 116s, false, usual) == Action::nothing());
  CHECK(fsm.timer_fired(t0 + 120s, false, usual) == Action::look_at_progress());
  SECTION("that a client meets by acknowledging enough") {
    CHECK(fsm.looked(t0 + 120s, 980'000, usual) == Action::nothing());
    CHECK(fsm.timer_fired(t0 + 120s, false, usual) == Action::nothing());
    CHECK(fsm.next(usual) == t0 + 140s);
  }
  SECTION("and misses otherwise, though it is being ended") {
    fsm.end(EndReason::completed, false);
    CHECK(fsm.looked(t0 + 120s, 980'001, usual) == Action::stop(EndReason::write_timeout, Errc::write_timeout));
  }
}

TEST_CASE("a lifetime ends a stream once, and not one that is being ended", "[stream][lifetime]") {
  const StreamLimits quiet;
  StreamFsm fsm = opened();
  fsm.live_until(t0 + 60s);
  fsm.live_until(t0 + 90s);  // the earliest counts
  CHECK(fsm.next(quiet) == t0 + 60s);
  CHECK(fsm.timer_fired(t0 + 59s, false, quiet) == Action::nothing());
  SECTION("live") {
    CHECK(fsm.timer_fired(t0 + 60s, false, quiet) == Action::end(EndReason::lifetime, Errc::lifetime_reached));
    CHECK(fsm.timer_fired(t0 + 60s, false, quiet) == Action::nothing());
  }
  SECTION("owing") {
    fsm.end(EndReason::completed, true);
    CHECK(fsm.timer_fired(t0 + 60s, false, quiet) == Action::nothing());
  }
  CHECK(fsm.next(quiet) == never);
}

TEST_CASE("a credential that has run out ends a stream, and the wait for what is owed", "[stream][lifetime]") {
  StreamFsm fsm = opened();
  SECTION("live: rather than a heartbeat") {
    CHECK(fsm.timer_fired(t0 + 15s, true, usual) == Action::end(EndReason::expired));
  }
  SECTION("owing: what is owed is the client's no more") {
    fsm.end(EndReason::completed, true);
    CHECK(fsm.timer_fired(t0 + 1s, true, usual) == Action::finish());
    CHECK(fsm.timer_fired(t0 + 1s, true, usual) == Action::nothing());
    CHECK(fsm.finished() == Action::stop(EndReason::completed));
  }
}

TEST_CASE("a wall clock is looked at when its moment comes, and soon in any case", "[stream][lifetime]") {
  const StreamLimits quiet;
  CHECK(StreamFsm::look_at_wall(t0, 3s, quiet) == t0 + 3s);
  CHECK(StreamFsm::look_at_wall(t0, 0s, quiet) == t0);
  CHECK(StreamFsm::look_at_wall(t0, -1h, quiet) == t0);
  // It may be set, and it goes on while the machine sleeps.
  CHECK(StreamFsm::look_at_wall(t0, 1h, quiet) == t0 + 16s);
  CHECK(StreamFsm::look_at_wall(t0, WallTime::duration::max(), quiet) == t0 + 16s);
  CHECK(StreamFsm::look_at_wall(t0, 1h, {1min, {}}) == t0 + 16s);
  // Not before the heartbeat, so that one wake-up serves both.
  CHECK(StreamFsm::look_at_wall(t0, 1h, {3200ms, {}}) == t0 + 3300ms);
  CHECK(StreamFsm::look_at_wall(t0, 1s, {3200ms, {}}) == t0 + 1s);
}

TEST_CASE("being refused again does not move the write deadline", "[stream][deadline]") {
  StreamFsm fsm = opened();
  fsm.stalled(t0 + 1s, nothing_taken, 1'000'000);
  fsm.stalled(t0 + 12s, nothing_taken, 0);
  fsm.stalled(t0 + 20s, 1, 0);
  CHECK(fsm.next(usual) == t0 + 21s);
  CHECK(fsm.timer_fired(t0 + 21s, false, usual) == Action::look_at_progress());
}

TEST_CASE("after a blockage the heartbeat counts from the last byte taken", "[stream][heartbeat]") {
  StreamFsm fsm = opened();
  fsm.stalled(t0 + 1s, nothing_taken, 1'000'000);
  fsm.wrote(t0 + 7500ms);
  CHECK_FALSE(fsm.blocked());
  CHECK(fsm.next(usual) == t0 + 22500ms);
  CHECK(fsm.timer_fired(t0 + 22500ms, false, usual) == Action::write_heartbeat());
}

TEST_CASE("a lifetime ends a stream that is busy, and one that is idle", "[stream][lifetime]") {
  StreamFsm fsm = opened();
  fsm.live_until(t0 + 60s);
  for (TimePoint now = t0; now < t0 + 60s; now += 1s) {
    fsm.wrote(now);
    CHECK(fsm.timer_fired(now, false, usual) == Action::nothing());
  }
  CHECK(fsm.next(usual) == t0 + 60s);
  CHECK(fsm.timer_fired(t0 + 60s, false, usual) == Action::end(EndReason::lifetime, Errc::lifetime_reached));
}

TEST_CASE("a client that may have taken nothing is looked at before it is said to have lived its life",
          "[stream][lifetime]") {
  StreamFsm fsm = opened();
  fsm.live_until(t0 + 20s);
  fsm.stalled(t0, nothing_taken, 1'000'000);
  CHECK(fsm.timer_fired(t0 + 20s, false, usual) == Action::look_at_progress());
}

TEST_CASE("what is off is never due", "[stream][deadline][heartbeat]") {
  const StreamLimits off;
  StreamFsm fsm = opened();
  CHECK(fsm.next(off) == never);
  CHECK(fsm.timer_fired(t0 + 1000h, false, off) == Action::nothing());
  fsm.stalled(t0, nothing_taken, 1'000'000);
  CHECK(fsm.next(off) == never);
  CHECK(fsm.timer_fired(t0 + 1000h, false, off) == Action::nothing());
  // A lifetime counts also then.
  fsm.live_until(t0 + 1h);
  CHECK(fsm.next(off) == t0 + 1h);
  CHECK(fsm.timer_fired(t0 + 1h, false, off) == Action::end(EndReason::lifetime, Errc::lifetime_reached));
}

}  // namespace
}  // namespace spate::detail
