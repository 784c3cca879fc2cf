// HandlerWaiter: a completion handler that waits, for an event to be with the kernel for instance.
#pragma once

#include <atomic>
#include <optional>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/error.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>

#include <spate/stream/detail/shard.hpp>
#include <spate/stream/detail/write_queue.hpp>

namespace spate::detail {

/// Calls `handler(error, results...)` once, posted to its associated executor, else to the executor given, else to the
/// shard given.
///
/// The handler stays here until it is called: what is posted to a shard is a reference, so that no code of the
/// program's, not even a move constructor, runs under the shard's lock.
template <typename Handler, typename... Results>
class HandlerWaiter final : public SendWaiter {
 public:
  /// `executor` may be empty, `shard` null; a handler with nowhere to run is dropped uncalled.
  HandlerWaiter(const asio::any_io_executor& executor, Ref<Shard> shard, Handler handler, Results... results)
      : slot_(asio::get_associated_cancellation_slot(handler)),
        shard_(std::move(shard)),
        handler_(std::move(handler)),
        results_(std::move(results)...) {
    auto own = asio::get_associated_executor(*handler_, executor);
    if constexpr (std::is_same_v<Executor, asio::any_io_executor>) {
      if (!own) return;
    }
    work_.emplace(std::move(own));
  }

  void listen_for_cancellation() {
    if (!slot_.is_connected()) return;
    slot_.assign(
        [self = Ref<HandlerWaiter>(this)](asio::cancellation_type) { self->done(asio::error::operation_aborted); });
  }

  // Called by whoever comes first: the write, the end of the stream, a cancellation.
  void done(std::error_code error) override {
    if (!called_.test_and_set(std::memory_order_acq_rel)) call(error);
  }

  bool is_done() const noexcept override { return called_.test(std::memory_order_acquire); }

  /// `done`, with other results than those given at the start. A template, so that without results it is not taken for
  /// the one above.
  template <typename... Given>
    requires(sizeof...(Given) > 0)
  void done(std::error_code error, Given... results) {
    if (called_.test_and_set(std::memory_order_acq_rel)) return;
    results_ = std::tuple<Results...>(std::move(results)...);
    call(error);
  }

 private:
  using Executor = asio::associated_executor_t<Handler, asio::any_io_executor>;

  /// What is posted. One that is destroyed unrun, because its loop is gone, drops the handler, which may hold what
  /// holds this waiter.
  struct Call {
    explicit Call(HandlerWaiter* to_call) : waiter(to_call) {}
    Call(Call&&) noexcept = default;
    Call& operator=(Call&&) = delete;
    ~Call() {
      if (waiter) waiter->handler_.reset();
    }
    void operator()() { std::exchange(waiter, nullptr)->run(); }

    Ref<HandlerWaiter> waiter;
  };

  void call(std::error_code error) {
    error_ = error;
    if (work_) {
      asio::post(work_->get_executor(), Call(this));
    } else if (shard_) {
      shard_->post_call(Call(this));
    } else {
      handler_.reset();
    }
  }

  void run() {
    // On the handler's executor, as its owner asks of whoever touches the slot. Emptying it drops this waiter.
    const Ref<HandlerWaiter> alive(this);
    if (slot_.is_connected()) slot_.clear();
    Handler handler = std::move(*handler_);
    handler_.reset();
    const auto work = std::exchange(work_, std::nullopt);
    std::apply([&](auto&... result) { std::move(handler)(error_, std::move(result)...); }, results_);
  }

  asio::associated_cancellation_slot_t<Handler> slot_;
  const Ref<Shard> shard_;
  std::optional<asio::executor_work_guard<Executor>> work_;
  std::optional<Handler> handler_;
  std::atomic_flag called_;
  std::error_code error_;
  std::tuple<Results...> results_;
};

/// A waiter for `handler`, which falls back to `executor` when it has none of its own. `executor` may be empty: then
/// the handler has nowhere to run and is dropped uncalled, and this returns null.
template <typename Handler, typename... Results>
Ref<HandlerWaiter<Handler, Results...>> make_result_waiter(const asio::any_io_executor& executor, Handler handler,
                                                           Results... results) {
  if constexpr (std::is_same_v<asio::associated_executor_t<Handler, asio::any_io_executor>, asio::any_io_executor>) {
    if (!asio::get_associated_executor(handler, executor)) return nullptr;
  }
  auto waiter =
      make_ref<HandlerWaiter<Handler, Results...>>(executor, nullptr, std::move(handler), std::move(results)...);
  waiter->listen_for_cancellation();
  return waiter;
}

/// The same for whoever needs not give other results; never null.
template <typename Handler, typename... Results>
Ref<SendWaiter> make_handler_waiter(const asio::any_io_executor& executor, Handler handler, Results... results) {
  struct Nobody final : SendWaiter {
    void done(std::error_code) override {}
  };
  const auto waiter = make_result_waiter(executor, std::move(handler), std::move(results)...);
  if (!waiter) return make_ref<Nobody>();
  return Ref<SendWaiter>(waiter.get());
}

/// A waiter for `handler`, which falls back to the loop of `shard`; once that has stopped it is dropped uncalled.
template <typename Handler>
Ref<SendWaiter> make_handler_waiter(Ref<Shard> shard, Handler handler) {
  const auto waiter = make_ref<HandlerWaiter<Handler>>(asio::any_io_executor(), std::move(shard), std::move(handler));
  waiter->listen_for_cancellation();
  return Ref<SendWaiter>(waiter.get());
}

}  // namespace spate::detail
