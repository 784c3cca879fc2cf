// A shard without sockets and without real time: it turns when the test says so, and time passes when the test lets it.
//
//   HeldLoop loop;
//   loop.shard().set_timer(*resident, loop.now() + 15s);
//   loop.let_pass(15s);   // resident->on_timer has run
#pragma once

#include <chrono>
#include <memory>

#include <asio/io_context.hpp>

#include <spate/loop/detail/clock.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::test {

/// Stands until it is moved. It begins at some moment that is not the beginning of time. One thread.
class HeldClock final : public detail::TimeSource {
 public:
  detail::TimePoint now() const override { return now_; }
  detail::WallTime wall_now() const override { return wall_now_; }
  bool runs() const override { return false; }

  void move_to(detail::TimePoint moment) {
    wall_now_ += std::chrono::duration_cast<detail::WallTime::duration>(moment - now_);
    now_ = moment;
  }
  /// Somebody sets the clock on the wall.
  void set_wall(detail::WallTime moment) { wall_now_ = moment; }

 private:
  detail::TimePoint now_{std::chrono::hours(1)};
  detail::WallTime wall_now_{std::chrono::hours(24 * 365 * 50)};
};

class HeldLoop {
 public:
  HeldLoop() { shard_->set_time(clock_); }
  HeldLoop(const HeldLoop&) = delete;
  HeldLoop& operator=(const HeldLoop&) = delete;
  ~HeldLoop() {
    shard_->stop();
    turn();
  }

  detail::Shard& shard() noexcept { return *shard_; }
  const detail::Ref<detail::Shard>& shard_ref() const noexcept { return shard_; }
  HeldClock& clock() noexcept { return *clock_; }
  detail::TimePoint now() const { return clock_->now(); }

  /// Runs what is to be run, until nothing is.
  void turn() {
    io_.restart();
    io_.poll();
  }

  /// Lets time pass, from one moment that somebody waits for to the next.
  void let_pass(detail::Clock::duration time) {
    const detail::TimePoint end = clock_->now() + time;
    turn();
    while (shard_->next_moment() <= end) {
      if (shard_->next_moment() > clock_->now()) clock_->move_to(shard_->next_moment());
      shard_->run([] {});
      turn();
    }
    clock_->move_to(end);
  }

 private:
  asio::io_context io_{1};
  const std::shared_ptr<HeldClock> clock_ = std::make_shared<HeldClock>();
  const detail::Ref<detail::Shard> shard_ = detail::make_ref<detail::Shard>(io_.get_executor());
};

}  // namespace spate::test
