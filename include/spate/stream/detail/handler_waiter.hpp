// HandlerWaiter: a completion handler that waits, for an event to be with the kernel for instance.
#pragma once

#include <atomic>
#include <cstdint>
#include <new>
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

#include <spate/loop/detail/insist.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/stream/detail/write_queue.hpp>

namespace spate::detail {

/// Calls `handler(error, results...)` once, posted to its associated executor, else to the executor given, else to the
/// shard given.
///
/// The handler stays here until it is called: what is posted to a shard is a reference, so that no code of the
/// program's, not even a move constructor, runs under the shard's lock. Without memory to post it, whoever calls `done`
/// waits for some, as nobody would do it later: not with a lock held.
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
    if (claim()) call(error);
  }

  bool is_done() const noexcept override { return state_.load(std::memory_order_acquire) != State::waiting; }

  /// `done`, with other results than those given at the start. A template, so that without results it is not taken for
  /// the one above.
  template <typename... Given>
    requires(sizeof...(Given) > 0)
  void done(std::error_code error, Given... results) {
    if (!claim()) return;
    results_ = std::tuple<Results...>(std::move(results)...);
    call(error);
  }

 private:
  using Executor = asio::associated_executor_t<Handler, asio::any_io_executor>;

  enum class State : std::uint8_t {
    waiting,
    posting,  // whoever was first posts the handler
    posted,
    dropped,  // while it was being posted: it was not, or its loop is gone
  };

  /// What is posted. One that is destroyed unrun, because its loop is gone, drops the handler, which may hold what
  /// holds this waiter.
  struct Call {
    explicit Call(HandlerWaiter* to_call) : waiter(to_call) {}
    Call(Call&&) noexcept = default;
    Call& operator=(Call&&) = delete;
    ~Call() {
      if (waiter && waiter->state_.exchange(State::dropped, std::memory_order_acq_rel) == State::posted) {
        waiter->handler_.reset();
      }
    }
    void operator()() { std::exchange(waiter, nullptr)->run(); }

    Ref<HandlerWaiter> waiter;
  };

  bool claim() noexcept {
    State expected = State::waiting;
    return state_.compare_exchange_strong(expected, State::posting, std::memory_order_acq_rel);
  }

  void call(std::error_code error) {
    error_ = error;
    const Ref<HandlerWaiter> alive(this);
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

  void post() {
    if (work_) {
      asio::post(work_->get_executor(), Call(this));
    } else if (shard_) {
      shard_->post_call(Call(this));
    } else {
      state_.store(State::dropped, std::memory_order_release);
    }
  }

  /// From here on the handler goes with what was posted.
  void let_go() {
    if (state_.exchange(State::posted, std::memory_order_acq_rel) == State::dropped) handler_.reset();
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
  std::atomic<State> state_{State::waiting};
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
