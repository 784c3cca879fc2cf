// HeldClock: the time of a loop, which stands until a test moves it.
#pragma once

#include <chrono>

#include <spate/loop/detail/clock.hpp>
#include <spate/loop/detail/loop.hpp>

namespace spate::detail {

/// A hundred years: what a clock can be set ahead at once.
inline constexpr std::chrono::hours longest_wait{24 * 365 * 100};

/// It begins at some moment that is not the beginning of time. One thread.
class HeldClock final : public TimeSource {
 public:
  HeldClock() = default;
  explicit HeldClock(WallTime wall) : wall_now_(wall) {}

  TimePoint now() const override { return now_; }
  WallTime wall_now() const override { return wall_now_; }
  bool runs() const override { return false; }

  void move_to(TimePoint moment) {
    wall_now_ += std::chrono::duration_cast<WallTime::duration>(moment - now_);
    now_ = moment;
  }
  /// Somebody sets the clock on the wall.
  void set_wall(WallTime moment) { wall_now_ = moment; }

 private:
  TimePoint now_{std::chrono::hours(1)};
  WallTime wall_now_{std::chrono::hours(24 * 365 * 50)};
};

/// Lets `time` pass on `loop`, whose clock is `clock`, from one moment that somebody waits for to the next; `turn` runs
/// what is to be run then, until nothing is.
template <typename Turn>
void let_time_pass(Loop& loop, HeldClock& clock, Clock::duration time, Turn turn) {
  const TimePoint end = clock.now() + time;
  turn();
  while (loop.next_moment() <= end) {
    if (loop.next_moment() > clock.now()) clock.move_to(loop.next_moment());
    loop.run([] {});
    turn();
  }
  clock.move_to(end);
}

}  // namespace spate::detail
