// The functions of handler_waiter.hpp.
#pragma once

#include <new>

#include <asio/error.hpp>

#include <spate/config.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/stream/detail/handler_waiter.hpp>
#include <spate/stream/detail/shard.hpp>

namespace spate::detail {

SPATE_DECL CompletionWaiter::CompletionWaiter() = default;
SPATE_DECL CompletionWaiter::~CompletionWaiter() = default;

SPATE_DECL void CompletionWaiter::done(std::error_code error) {
  if (claim()) call(error);
}

SPATE_DECL void CompletionWaiter::run_on(const Ref<Shard>& shard) {
  shard_ = shard;
}

SPATE_DECL bool CompletionWaiter::claim() noexcept {
  State expected = State::waiting;
  return state_.compare_exchange_strong(expected, State::posting, std::memory_order_acq_rel);
}

SPATE_DECL void CompletionWaiter::call(std::error_code error) {
  error_ = error;
  const Ref<CompletionWaiter> alive(this);
  insist([&] {
    state_.store(State::posting, std::memory_order_release);
    try {
      post();
    } catch (const std::bad_alloc&) {
      // What has not come back is in a queue, and must not be posted once more.
      if (state_.load(std::memory_order_acquire) == State::dropped) throw;
    } catch (...) {
      let_go();
      throw;
    }
  });
  let_go();
}

SPATE_DECL void CompletionWaiter::post() {
  Call call(this);
  if (!post_to_own(call) && shard_) shard_->post_call(std::move(call));
}

SPATE_DECL void CompletionWaiter::let_go() noexcept {
  if (state_.exchange(State::posted, std::memory_order_acq_rel) == State::dropped) drop();
}

SPATE_DECL CompletionWaiter::Call::~Call() {
  if (waiter && waiter->state_.exchange(State::dropped, std::memory_order_acq_rel) == State::posted) waiter->drop();
}

SPATE_DECL void CompletionWaiter::Call::operator()() {
  const Ref<CompletionWaiter> called = std::move(waiter);
  called->run(called->error_);
}

SPATE_DECL void CompletionWaiter::Cancel::operator()(asio::cancellation_type) const {
  waiter->done(asio::error::operation_aborted);
}

}  // namespace spate::detail
