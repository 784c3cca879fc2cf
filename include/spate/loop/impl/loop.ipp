// The functions of loop.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/loop/detail/loop.hpp>

namespace spate::detail {

SPATE_DECL void Loop::Call::on_failure(std::error_code error) {
  if (owner) owner->on_failure(error);
}

SPATE_DECL bool Loop::post(Message message) {
  const Lock lock(mutex_);
  if (!prepare_post()) return false;
  inbox_.push_back(std::move(message));
  return true;
}

SPATE_DECL bool Loop::prepare_post() {
  if (stopped_) return false;
  make_room(1);
  schedule();
  return true;
}

SPATE_DECL bool Loop::reserve_posts(std::size_t count) {
  const Lock lock(mutex_);
  if (stopped_) return false;
  make_room(count);
  schedule();
  reserved_ += count;
  return true;
}

SPATE_DECL bool Loop::post_reserved(Message message) noexcept {
  const Lock lock(mutex_);
  if (stopped_) return false;
  --reserved_;
  inbox_.push_back(std::move(message));
  return true;
}

SPATE_DECL void Loop::release_posts(std::size_t count) noexcept {
  const Lock lock(mutex_);
  if (!stopped_) reserved_ -= count;
}

SPATE_DECL void Loop::mark_dirty(Ref<Resident> resident) {
  dirty_.push_back(std::move(resident));
  if (!in_turn_) {
    const Lock lock(mutex_);
    schedule();
  }
}

SPATE_DECL void Loop::set_timer(Resident& resident, TimePoint at) {
  if (stopping_) return;
  timers_.set(resident, at);
  if (!in_turn_) arm();
}

SPATE_DECL asio::any_io_executor Loop::executor() const {
  const Lock lock(mutex_);
  return executor_;
}

SPATE_DECL void Loop::when_idle(std::function<void()> idle) {
  idle_ = std::move(idle);
  tell_idle();
}

SPATE_DECL std::size_t Loop::cut(std::exception_ptr& failure) {
  std::vector<Ref<Resident>> all;
  insist([&] { all = residents(); });
  return cut(all, failure);
}

SPATE_DECL std::size_t Loop::cut(const std::vector<Ref<Resident>>& all, std::exception_ptr& failure) {
  std::size_t count = 0;
  for (const Ref<Resident>& resident : all) {
    run_for(*resident, failure, [&] { count += resident->on_cut(); });
  }
  return count;
}

// Nobody would do later what is left undone here.
SPATE_DECL std::size_t Loop::stop(const OnException& on_exception) {
  if (std::exchange(stopping_, true)) return 0;
  std::exception_ptr failure;
  std::vector<Ref<Resident>> waiting;  // for a moment that will not come
  while (Resident* resident = timers_.take_due(never)) {
    const Ref<Resident> due(resident);
    insist([&] { waiting.push_back(due); });
  }
  std::vector<Message> rest;
  {
    const Lock lock(mutex_);
    stopped_ = true;
    rest.swap(inbox_);
  }
  const Ref<Loop> alive(this);
  for (Message& message : rest) {
    run_for(message.to(), failure, [&] { message.deliver(); });
  }
  const std::size_t count = cut(failure);
  cut(waiting, failure);
  if (!in_turn_) let_go();
  if (failure) report(on_exception, std::move(failure));
  return count;
}

SPATE_DECL bool Loop::stopped() const {
  const Lock lock(mutex_);
  return stopped_;
}

SPATE_DECL void Loop::make_room(std::size_t count) {
  const std::size_t needed = inbox_.size() + reserved_ + count;
  if (needed > inbox_.capacity()) inbox_.reserve(std::max(needed, inbox_.capacity() * 2));
}

SPATE_DECL void Loop::schedule() {
  if (posted_ || turning_ || stopped_) return;
  asio::post(executor_, [self = Ref<Loop>(this)] {
    {
      const Lock lock(self->mutex_);
      self->posted_ = false;
    }
    self->turn();
  });
  posted_ = true;
}

SPATE_DECL void Loop::turn() {
  {
    const Lock lock(mutex_);
    if (stopped_) return;
    turning_ = true;
  }
  const Ref<Loop> alive(this);
  std::exception_ptr failure;
  in_turn_ = true;
  now_ = clock_now();
  for (int written = 0; written < turn_budget; written += round_budget) {
    look((dirty_.empty() && bulk_.empty()) || held_up_ ? Poller::max_dispatch : round_dispatch, failure);
    deliver(failure);
    if (written == 0) let_moments_come(failure);
    flush(failure);
    flush_bulk(failure);
    if (dirty_.empty() && bulk_.empty()) break;
  }
  end_turn();
  if (failure) std::rethrow_exception(failure);  // for whoever runs the loop
}

SPATE_DECL void Loop::end_turn() {
  in_turn_ = false;
  if (stopping_) return let_go();
  insist([&] { arm(); });
  insist([&] { tell_idle(); });
  // The lock is not held while memory is waited for: who frees some may need it.
  insist([&] {
    const Lock lock(mutex_);
    turning_ = false;
    const bool more = !inbox_.empty() || reserved_ > 0 || !dirty_.empty() || !bulk_.empty() || poller_.more();
    try {
      if (more) schedule();
    } catch (...) {
      turning_ = true;
      throw;
    }
  });
}

SPATE_DECL void Loop::look(int most, std::exception_ptr& failure) {
  poller_.dispatch(most, failure);
  if (!poller_.more()) {
    heard_ = now_;
    untold_ = 0;
  } else if (untold_ <= 0) {
    looking_since_ = now_;
    untold_ = 2 * static_cast<std::ptrdiff_t>(poller_.count());  // each has something to read, and room to write
  } else {
    untold_ -= most;
    if (untold_ <= 0) heard_ = looking_since_;  // nobody is told of twice before all others are told of once
  }
}

SPATE_DECL void Loop::let_moments_come(std::exception_ptr& failure) {
  const TimePoint first = timers_.next();
  if (first > now_) return;
  if (!held_up_ && now_ - first > standstill) {
    held_up_ = true;
    goes_on_ = now_ + std::min<Clock::duration>(now_ - first, max_grace);
  }
  if (held_up_ && now_ < goes_on_) return;
  for (int moments = 0; moments < max_moments; ++moments) {
    const Ref<Resident> resident(timers_.take_due(heard_));
    if (!resident) break;
    run_for(*resident, failure, [&] { resident->on_timer(heard_); });
  }
  if (timers_.next() > heard_) held_up_ = false;
}

SPATE_DECL void Loop::let_go() {
  if (const auto idle = std::exchange(idle_, nullptr)) insist([&] { call_back(idle); });
  poller_.stop();
  timer_.reset();
  dirty_.clear();
  bulk_.clear();
  const Lock lock(mutex_);
  executor_ = {};  // a strand must not outlive its io_context; handles, and with them the loop, may
}

SPATE_DECL bool Loop::can_swap() {
  if (delivering_.capacity() >= reserved_) return true;
  try {
    delivering_.reserve(reserved_);
  } catch (const std::bad_alloc&) {
    return false;
  }
  return true;
}

SPATE_DECL void Loop::deliver(std::exception_ptr& failure) {
  for (int round = 0; round < max_rounds; ++round) {
    {
      const Lock lock(mutex_);
      if (inbox_.empty() || !can_swap()) return;
      inbox_.swap(delivering_);
    }
    for (Message& message : delivering_) {
      run_for(message.to(), failure, [&] { message.deliver(); });
    }
    delivering_.clear();
  }
}

SPATE_DECL void Loop::flush(std::exception_ptr& failure) {
  for (int budget = round_budget; budget > 0 && !dirty_.empty();) {
    const Ref<Resident> next = std::move(dirty_.front());
    dirty_.pop_front();
    run_for(*next, failure, [&] {
      const Remaining remaining = next->flush(budget);
      if (remaining != Remaining::nothing) (remaining == Remaining::some ? dirty_ : bulk_).push_back(next);
    });
  }
}

SPATE_DECL void Loop::flush_bulk(std::exception_ptr& failure) {
  for (int budget = round_budget; budget > 0 && !bulk_.empty();) {
    const Ref<Resident> first = bulk_.front();
    const int before = budget;
    bool goes_on = false;
    run_for(*first, failure, [&] {
      const Remaining remaining = first->flush(budget);
      if (budget == before) --budget;  // a turn ends, whatever residents do
      bulk_spent_ += before - budget;
      goes_on = remaining == Remaining::bulk && bulk_spent_ < bulk_slice;
      if (!goes_on && remaining != Remaining::nothing) (remaining == Remaining::some ? dirty_ : bulk_).push_back(first);
    });
    if (goes_on) continue;
    bulk_spent_ = 0;
    bulk_.pop_front();
  }
}

SPATE_DECL std::vector<Ref<Resident>> Loop::residents() const {
  std::vector<Ref<Resident>> all = poller_.residents();
  if (others_ == nullptr) return all;
  for (Ref<Resident>& other : others_->residents()) all.push_back(std::move(other));
  return all;
}

SPATE_DECL void Loop::tell_idle() {
  if (!idle_ || connections() > 0) return;
  call_back(idle_);
  idle_ = nullptr;
}

SPATE_DECL void Loop::arm() {
  if (!timer_ || !time_runs()) return;
  const TimePoint next = next_moment();
  if (next == never) {
    if (armed_ != never) timer_->cancel();
    armed_ = never;
    return;
  }
  if (next >= armed_) return;
  armed_ = never;
  timer_->expires_at(next);
  timer_->async_wait(WaitHandler([self = Ref<Loop>(this)](const std::error_code& error) {
    if (error) return;  // cancelled or moved: whoever did it knows
    self->armed_ = never;
    self->turn();
  }));
  armed_ = next;
}

}  // namespace spate::detail
