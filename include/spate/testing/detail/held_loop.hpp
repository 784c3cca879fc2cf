// A shard without sockets and without real time: it turns when the test says so, and time passes when the test lets it.
//
//   HeldLoop loop;
//   loop.shard().set_timer(*resident, loop.now() + 15s);
//   loop.let_pass(15s);   // resident->on_timer has run
#pragma once

#include <memory>

#include <asio/io_context.hpp>

#include <spate/loop/detail/clock.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/testing/detail/held_clock.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::detail {

class HeldLoop {
 public:
  HeldLoop() { shard_->set_time(clock_); }
  HeldLoop(const HeldLoop&) = delete;
  HeldLoop& operator=(const HeldLoop&) = delete;
  ~HeldLoop() {
    shard_->stop();
    turn();
  }

  Shard& shard() noexcept { return *shard_; }
  const Ref<Shard>& shard_ref() const noexcept { return shard_; }
  HeldClock& clock() noexcept { return *clock_; }
  TimePoint now() const { return clock_->now(); }

  /// Runs what is to be run, until nothing is.
  void turn() {
    io_.restart();
    io_.poll();
  }

  /// Lets time pass, from one moment that somebody waits for to the next.
  void let_pass(Clock::duration time) {
    let_time_pass(*shard_, *clock_, time, [this] { turn(); });
  }

 private:
  asio::io_context io_{1};
  const std::shared_ptr<HeldClock> clock_ = std::make_shared<HeldClock>();
  const Ref<Shard> shard_ = make_ref<Shard>(io_.get_executor());
};

}  // namespace spate::detail
