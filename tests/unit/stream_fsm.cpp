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
    case StreamFsm::Due::progress: return out << "progress";
    case StreamFsm::Due::end_of_life: return out << "end_of_life";
  }
  return out << "?";
}

namespace {

using namespace std::chrono_literals;
using Due = StreamFsm::Due;

constexpr TimePoint t0{1000h};
constexpr std::size_t nothing_taken = 0;

TEST_CASE("an idle stream is due for one heartbeat per interval", "[stream][heartbeat]") {
  const StreamLimits limits{15s, 20s};
  StreamFsm fsm;
  fsm.start(t0);
  CHECK(fsm.next(limits) == t0 + 15s);
  CHECK(fsm.timer_fired(t0 + 15s - 1ns, limits) == Due::nothing);
  CHECK(fsm.timer_fired(t0 + 15s, limits) == Due::heartbeat);
  // It goes out, and the next one is an interval away.
  fsm.wrote(t0 + 15s);
  CHECK(fsm.next(limits) == t0 + 30s);
  CHECK(fsm.timer_fired(t0 + 29s, limits) == Due::nothing);
  CHECK(fsm.timer_fired(t0 + 30s, limits) == Due::heartbeat);
}

TEST_CASE("an event puts the heartbeat off", "[stream][heartbeat]") {
  const StreamLimits limits{15s, 20s};
  StreamFsm fsm;
  fsm.start(t0);
  fsm.wrote(t0 + 7500ms);
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
  fsm.stalled(t0 + 100s, nothing_taken, 1'000'000);
  CHECK(fsm.blocked());
  // A hundred quiet seconds before it do not count: there was nothing to take.
  CHECK(fsm.next(limits) == t0 + 120s);
  CHECK(fsm.timer_fired(t0 + 116s, limits) == Due::nothing);
  CHECK(fsm.timer_fired(t0 + 120s, limits) == Due::progress);
}

TEST_CASE("a client that acknowledges enough in each write deadline keeps its stream", "[stream][timeout]") {
  const StreamLimits limits{15s, 20s, 20'000};
  StreamFsm fsm;
  fsm.start(t0);
  std::size_t unacknowledged = 4'000'000;
  fsm.stalled(t0, nothing_taken, unacknowledged);
  for (TimePoint now = t0 + 20s; now < t0 + 500s; now += 20s) {
    CHECK(fsm.timer_fired(now, limits) == Due::progress);
    // The kernel asks for no byte in all that time, because it has so many.
    unacknowledged -= 20'000;
    CHECK(fsm.keeps_up(now, unacknowledged, limits));
    CHECK(fsm.next(limits) == now + 20s);
    CHECK(fsm.timer_fired(now + 20s - 1ns, limits) == Due::nothing);
  }
}

TEST_CASE("a client that acknowledges less is given up, however often the kernel takes some", "[stream][timeout]") {
  const StreamLimits limits{15s, 20s, 20'000};
  StreamFsm fsm;
  fsm.start(t0);
  fsm.stalled(t0, nothing_taken, 100'000);
  SECTION("a byte now and then") {
    CHECK_FALSE(fsm.keeps_up(t0 + 20s, 99'980, limits));
  }
  SECTION("one too few, with what was written meanwhile") {
    fsm.stalled(t0 + 7s, 30'000, 0);
    fsm.stalled(t0 + 14s, 30'000, 0);
    CHECK(fsm.timer_fired(t0 + 20s, limits) == Due::progress);
    CHECK_FALSE(fsm.keeps_up(t0 + 20s, 140'001, limits));
  }
  SECTION("nothing, though some had been counted that it sent back") {
    CHECK_FALSE(fsm.keeps_up(t0 + 20s, 100'001, limits));
  }
  SECTION("enough once, and then no more") {
    CHECK(fsm.keeps_up(t0 + 20s, 50'000, limits));
    CHECK_FALSE(fsm.keeps_up(t0 + 40s, 50'000, limits));
  }
}

TEST_CASE("where the kernel tells nothing, what it takes counts as acknowledged", "[stream][timeout]") {
  const StreamLimits limits{15s, 20s, 20'000};
  StreamFsm fsm;
  fsm.start(t0);
  fsm.stalled(t0, nothing_taken, 0);
  fsm.stalled(t0 + 10s, 15'000, 0);
  fsm.stalled(t0 + 15s, 5'000, 0);
  CHECK(fsm.keeps_up(t0 + 20s, 0, limits));
  fsm.stalled(t0 + 30s, 19'999, 0);
  CHECK_FALSE(fsm.keeps_up(t0 + 40s, 0, limits));
}

TEST_CASE("more than can be counted has been acknowledged is enough", "[stream][timeout]") {
  const StreamLimits limits{15s, 20s, 20'000};
  StreamFsm fsm;
  fsm.start(t0);
  fsm.stalled(t0, nothing_taken, 1'000'000);
  fsm.stalled(t0 + 1s, std::size_t{8} << 30, 0);
  CHECK(fsm.keeps_up(t0 + 20s, 1'000'000, limits));
}

TEST_CASE("a wall clock is looked at when its moment comes, and soon in any case", "[stream][lifetime]") {
  const StreamLimits quiet;
  CHECK(StreamFsm::look_at_wall(t0, 3s, quiet) == t0 + 3s);
  CHECK(StreamFsm::look_at_wall(t0, 0s, quiet) == t0);
  CHECK(StreamFsm::look_at_wall(t0, -1h, quiet) == t0);
  // It may be set, and it goes on while the machine sleeps.
  CHECK(StreamFsm::look_at_wall(t0, 1h, quiet) == t0 + 16s);
  CHECK(StreamFsm::look_at_wall(t0, std::chrono::system_clock::duration::max(), quiet) == t0 + 16s);
  CHECK(StreamFsm::look_at_wall(t0, 1h, {1min, 20s}) == t0 + 16s);
  // Not before the heartbeat, so that one wake-up serves both.
  CHECK(StreamFsm::look_at_wall(t0, 1h, {3200ms, 20s}) == t0 + 3300ms);
  CHECK(StreamFsm::look_at_wall(t0, 1s, {3200ms, 20s}) == t0 + 1s);
}

TEST_CASE("being refused again does not move the write deadline", "[stream][timeout]") {
  const StreamLimits limits{0s, 20s};
  StreamFsm fsm;
  fsm.start(t0);
  fsm.stalled(t0 + 1s, nothing_taken, 1'000'000);
  fsm.stalled(t0 + 12s, nothing_taken, 0);
  fsm.stalled(t0 + 20s, 1, 0);
  CHECK(fsm.next(limits) == t0 + 21s);
  CHECK(fsm.timer_fired(t0 + 21s, limits) == Due::progress);
}

TEST_CASE("after a blockage the heartbeat counts from the last byte taken", "[stream][heartbeat]") {
  const StreamLimits limits{15s, 20s};
  StreamFsm fsm;
  fsm.start(t0);
  fsm.stalled(t0 + 1s, nothing_taken, 1'000'000);
  fsm.wrote(t0 + 7500ms);
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
    fsm.wrote(now);
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

TEST_CASE("a client that may have taken nothing is looked at before it is said to have lived its life",
          "[stream][lifetime]") {
  const StreamLimits limits{15s, 20s};
  StreamFsm fsm;
  fsm.start(t0);
  fsm.live_until(t0 + 20s);
  fsm.stalled(t0, nothing_taken, 1'000'000);
  CHECK(fsm.timer_fired(t0 + 20s, limits) == Due::progress);
}

TEST_CASE("what is off is never due", "[stream][timeout][heartbeat]") {
  const StreamLimits off;
  StreamFsm fsm;
  fsm.start(t0);
  CHECK(fsm.next(off) == never);
  CHECK(fsm.timer_fired(t0 + 1000h, off) == Due::nothing);
  fsm.stalled(t0, nothing_taken, 1'000'000);
  CHECK(fsm.next(off) == never);
  CHECK(fsm.timer_fired(t0 + 1000h, off) == Due::nothing);
  // A lifetime counts also then.
  fsm.live_until(t0 + 1h);
  CHECK(fsm.next(off) == t0 + 1h);
  CHECK(fsm.timer_fired(t0 + 1h, off) == Due::end_of_life);
}

}  // namespace
}  // namespace spate::detail
