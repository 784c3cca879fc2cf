// HandlerWaiter: a completion handler that waits, for an event to be with the kernel for instance.
#pragma once

#include <atomic>
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

#include <spate/stream/detail/write_queue.hpp>

namespace spate::detail {

/// Calls `handler(error, results...)` once, posted to its associated executor, else to the one given.
template <typename Handler, typename... Results>
class HandlerWaiter final : public SendWaiter {
 public:
  HandlerWaiter(const asio::any_io_executor& executor, Handler handler, Results... results)
      : slot_(asio::get_associated_cancellation_slot(handler)),
        work_(asio::get_associated_executor(handler, executor)),
        handler_(std::move(handler)),
        results_(std::move(results)...) {}

  void listen_for_cancellation() {
    if (!slot_.is_connected()) return;
    slot_.assign(
        [self = Ref<HandlerWaiter>(this)](asio::cancellation_type) { self->done(asio::error::operation_aborted); });
  }

  // Called by whoever comes first: the write, the end of the stream, a cancellation.
  void done(std::error_code error) override {
    if (!called_.test_and_set(std::memory_order_acq_rel)) call(error);
  }

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

  void call(std::error_code error) {
    const auto executor = work_.get_executor();
    asio::post(executor, [handler = std::move(handler_), slot = slot_, work = std::move(work_), error,
                          results = std::move(results_)]() mutable {
      // On the handler's executor, as its owner asks of whoever touches the slot. Emptying it drops this waiter.
      if (slot.is_connected()) slot.clear();
      std::apply([&](auto&... result) { std::move(handler)(error, std::move(result)...); }, results);
    });
  }

  asio::associated_cancellation_slot_t<Handler> slot_;
  asio::executor_work_guard<Executor> work_;
  Handler handler_;
  std::atomic_flag called_;
  std::tuple<Results...> results_;
};

/// `executor` may be empty: then a handler that brings none of its own has nowhere to run and is dropped uncalled, and
/// this returns null.
template <typename Handler, typename... Results>
Ref<HandlerWaiter<Handler, Results...>> make_result_waiter(const asio::any_io_executor& executor, Handler handler,
                                                           Results... results) {
  if constexpr (std::is_same_v<asio::associated_executor_t<Handler, asio::any_io_executor>, asio::any_io_executor>) {
    if (!asio::get_associated_executor(handler, executor)) return nullptr;
  }
  auto waiter = make_ref<HandlerWaiter<Handler, Results...>>(executor, std::move(handler), std::move(results)...);
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

}  // namespace spate::detail
