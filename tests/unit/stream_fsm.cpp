#include <chrono>
#include <ostream>
#include <set>

#include <spate/stream/detail/stream_fsm.hpp>
#include "support/catch.hpp"

namespace spate::detail {

inline std::ostream& operator<<(std::ostream& out, StreamFsm::Due due) {
  switch (due) {
    case StreamFsm::Due::nothing: return out << "nothing";
    case StreamFsm::Due::heartbeat: return out << "heartbeat";
    case StreamFsm::Due::write_timeout: return out << "write_timeout";
    case StreamFsm::Due::end_of_life: return out << "end_of_life";
  }
  return out << "?";
}

namespace {

using namespace std::chrono_literals;
using Due = StreamFsm::Due;

constexpr TimePoint t0{1000h};
constexpr bool all_taken = false;
constexpr bool refused_some = true;

TEST_CASE("an idle stream is due for one heartbeat per interval", "[stream][heartbeat]") {
  const StreamLimits limits{15s, 20s};
  StreamFsm fsm;
  fsm.start(t0);
  CHECK(fsm.next(limits) == t0 + 15s);
  CHECK(fsm.timer_fired(t0 + 15s - 1ns, limits) == Due::nothing);
  CHECK(fsm.timer_fired(t0 + 15s, limits) == Due::heartbeat);
  // It goes out, and the next one is an interval away.
  fsm.wrote(t0 + 15s, all_taken);
  CHECK(fsm.next(limits) == t0 + 30s);
  CHECK(fsm.timer_fired(t0 + 29s, limits) == Due::nothing);
  CHECK(fsm.timer_fired(t0 + 30s, limits) == Due::heartbeat);
}

TEST_CASE("an event puts the heartbeat off", "[stream][heartbeat]") {
  const StreamLimits limits{15s, 20s};
  StreamFsm fsm;
  fsm.start(t0);
  fsm.wrote(t0 + 7500ms, all_taken);
  // The timer that was set at the start fires all the same and finds nothing.
  CHECK(fsm.timer_fired(t0 + 15s, limits) == Due::nothing);
  CHECK(fsm.next(limits) == t0 + 22500ms);
}

TEST_CASE("streams of one slot are due for their heartbeats together, and never early", "[stream][heartbeat]") {
  const StreamLimits limits{32s, 20s};
  std::set<TimePoint> moments;
  for (TimePoint opened = t0; opened < t0 + 32s; opened += 10ms) {
    StreamFsm fsm;
    fsm.start(opened);
    const TimePoint due = fsm.next(limits);
    CHECK(due >= opened + 32s);
    CHECK(due < opened + 33s);
    CHECK(fsm.timer_fired(due, limits) == Due::heartbeat);
    moments.insert(due);
  }
  CHECK(moments.size() <= StreamFsm::heartbeat_slots + 1);
}

TEST_CASE("a blocked stream needs no heartbeat but has a write deadline", "[stream][timeout]") {
  const StreamLimits limits{15s, 20s};
  StreamFsm fsm;
  fsm.start(t0);
  fsm.stalled(t0 + 100s);
  CHECK(fsm.blocked());
  // A hundred quiet seconds before it do not count: there was nothing to take.
  CHECK(fsm.next(limits) == t0 + 120s);
  CHECK(fsm.timer_fired(t0 + 116s, limits) == Due::nothing);
  CHECK(fsm.timer_fired(t0 + 120s, limits) == Due::write_timeout);
}

TEST_CASE("a client that takes a byte now and then is not timed out", "[stream][timeout]") {
  const StreamLimits limits{15s, 20s};
  StreamFsm fsm;
  fsm.start(t0);
  fsm.stalled(t0);
  for (TimePoint now = t0 + 19s; now < t0 + 500s; now += 19s) {
    CHECK(fsm.timer_fired(now, limits) == Due::nothing);
    fsm.wrote(now, refused_some);
    // A refusal right behind the bytes that were taken moves nothing.
    fsm.stalled(now);
    CHECK(fsm.next(limits) == now + 20s);
  }
}

TEST_CASE("being refused again does not move the write deadline", "[stream][timeout]") {
  const StreamLimits limits{0s, 20s};
  StreamFsm fsm;
  fsm.start(t0);
  fsm.stalled(t0 + 1s);
  fsm.stalled(t0 + 12s);
  fsm.stalled(t0 + 20s);
  CHECK(fsm.next(limits) == t0 + 21s);
  CHECK(fsm.timer_fired(t0 + 21s, limits) == Due::write_timeout);
}

TEST_CASE("after a blockage the heartbeat counts from the last byte taken", "[stream][heartbeat]") {
  const StreamLimits limits{15s, 20s};
  StreamFsm fsm;
  fsm.start(t0);
  fsm.stalled(t0 + 1s);
  fsm.wrote(t0 + 7500ms, all_taken);
  CHECK_FALSE(fsm.blocked());
  CHECK(fsm.next(limits) == t0 + 22500ms);
  CHECK(fsm.timer_fired(t0 + 22500ms, limits) == Due::heartbeat);
}

TEST_CASE("a lifetime ends a stream that is busy, and one that is idle", "[stream][lifetime]") {
  const StreamLimits limits{15s, 20s};
  StreamFsm fsm;
  fsm.start(t0);
  fsm.live_until(t0 + 60s);
  for (TimePoint now = t0; now < t0 + 60s; now += 1s) {
    fsm.wrote(now, all_taken);
    CHECK(fsm.timer_fired(now, limits) == Due::nothing);
  }
  CHECK(fsm.next(limits) == t0 + 60s);
  CHECK(fsm.timer_fired(t0 + 60s, limits) == Due::end_of_life);
  // Told once: what follows is the end itself, or the heartbeat while it is under way.
  fsm.forget_end_of_life();
  CHECK(fsm.timer_fired(t0 + 60s, limits) == Due::nothing);
}

TEST_CASE("the earliest end of life counts", "[stream][lifetime]") {
  StreamFsm fsm;
  CHECK(fsm.end_of_life() == never);
  fsm.live_until(t0 + 60s);
  fsm.live_until(t0 + 90s);
  CHECK(fsm.end_of_life() == t0 + 60s);
  fsm.live_until(t0 + 30s);
  CHECK(fsm.end_of_life() == t0 + 30s);
}

TEST_CASE("a client that takes nothing is timed out and not said to have lived its life", "[stream][lifetime]") {
  const StreamLimits limits{15s, 20s};
  StreamFsm fsm;
  fsm.start(t0);
  fsm.live_until(t0 + 20s);
  fsm.stalled(t0);
  CHECK(fsm.timer_fired(t0 + 20s, limits) == Due::write_timeout);
}

TEST_CASE("what is off is never due", "[stream][timeout][heartbeat]") {
  const StreamLimits off;
  StreamFsm fsm;
  fsm.start(t0);
  CHECK(fsm.next(off) == never);
  CHECK(fsm.timer_fired(t0 + 1000h, off) == Due::nothing);
  fsm.stalled(t0);
  CHECK(fsm.next(off) == never);
  CHECK(fsm.timer_fired(t0 + 1000h, off) == Due::nothing);
  // A lifetime counts also then.
  fsm.live_until(t0 + 1h);
  CHECK(fsm.next(off) == t0 + 1h);
  CHECK(fsm.timer_fired(t0 + 1h, off) == Due::end_of_life);
}

}  // namespace
}  // namespace spate::detail
