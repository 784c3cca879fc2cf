// HandlerWaiter: a completion handler that waits, for an event to be with the kernel for instance.
//
// Any thread may complete it; only the first counts. The handler runs once, on its own executor, never in the call that
// completes it. Whoever is to complete it holds a reference, and so does the handler's cancellation slot, until the
// handler runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/detached.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/system_executor.hpp>

#include <spate/config.hpp>
#include <spate/stream/detail/send_waiter.hpp>

namespace spate::detail {

class Shard;

/// A HandlerWaiter, whatever its handler is: what is done with it beyond the headers.
///
/// The handler stays here until it is called: what is posted to a shard is a reference, so that no code of the
/// program's, not even a move constructor, runs under the shard's lock. Without memory to post it, whoever calls `done`
/// waits for some, as nobody would do it later: not with a lock held.
class CompletionWaiter : public SendWaiter {
 public:
  SPATE_DECL ~CompletionWaiter() override;

  // Called by whoever comes first: the write, the end of the stream, a cancellation.
  SPATE_DECL void done(std::error_code error) final;

  bool is_done() const noexcept final { return state_.load(std::memory_order_acquire) != State::waiting; }

  /// Where a handler without an executor runs; once that has stopped it is dropped uncalled. To be said before anybody
  /// else has this.
  void run_on(const Ref<Shard>& shard);

 protected:
  CompletionWaiter();

  /// Whether the caller is the first, who calls `call` then.
  bool claim() noexcept;
  void call(std::error_code error);

  /// What is posted. One that is destroyed unrun, because its loop is gone, drops the handler, which may hold what
  /// holds this waiter.
  struct Call {
    explicit Call(CompletionWaiter* to_call) : waiter(to_call) {}
    Call(Call&&) noexcept = default;
    Call& operator=(Call&&) = delete;
    ~Call();
    void operator()();

    Ref<CompletionWaiter> waiter;
  };

  struct Cancel {
    void operator()(asio::cancellation_type) const;

    Ref<CompletionWaiter> waiter;
  };

 private:
  /// Posts `call` to the handler's own executor. Returns false, and leaves it alone, when there is none.
  virtual bool post_to_own(Call& call) = 0;
  /// Calls the handler, on its executor.
  virtual void run(std::error_code error) = 0;
  virtual void drop() noexcept = 0;

  enum class State : std::uint8_t {
    waiting,
    posting,  // whoever was first posts the handler
    posted,
    dropped,  // while it was being posted: it was not, or its loop is gone
  };

  void post();

  /// From here on the handler goes with what was posted.
  void let_go() noexcept;

  Ref<Shard> shard_;
  std::atomic<State> state_{State::waiting};
  std::error_code error_;
};

/// The same for a handler that takes results besides the error.
template <typename... Results>
class ResultWaiter : public CompletionWaiter {
 public:
  explicit ResultWaiter(Results... results) : results_(std::move(results)...) {}

  using CompletionWaiter::done;

  /// `done`, with other results than those given at the start. A template, so that without results it is not taken for
  /// the one above.
  template <typename... Given>
    requires(sizeof...(Given) > 0)
  void done(std::error_code error, Given... results) {
    if (!claim()) return;
    results_ = std::tuple<Results...>(std::move(results)...);
    call(error);
  }

 protected:
  std::tuple<Results...> results_;
};

/// Whether `handler` has an executor that is not empty: its own, or `executor` when it has none of its own.
template <typename Handler>
bool has_executor(const Handler& handler, const asio::any_io_executor& executor) {
  if constexpr (std::is_constructible_v<bool, const asio::associated_executor_t<Handler, asio::any_io_executor>&>) {
    return static_cast<bool>(asio::get_associated_executor(handler, executor));
  } else {
    return true;  // of a kind that is never empty
  }
}

/// Whether one was bound to it, be that empty as those of a loop that has stopped.
template <typename Handler>
bool has_own_executor(const Handler& handler) {
  // Then it is told, whatever is offered in its place.
  return has_executor(handler, asio::any_io_executor()) || !has_executor(handler, asio::system_executor());
}

/// Calls `handler(error, results...)` once, posted to its associated executor, else to the executor given, else to the
/// shard given; a handler with nowhere to run is dropped uncalled.
template <typename Handler, typename... Results>
class HandlerWaiter final : public ResultWaiter<Results...> {
 public:
  /// `executor` may be empty.
  HandlerWaiter(const asio::any_io_executor& executor, Handler handler, Results... results)
      : ResultWaiter<Results...>(std::move(results)...),
        slot_(asio::get_associated_cancellation_slot(handler)),
        handler_(std::move(handler)) {
    if (has_executor(*handler_, executor)) work_.emplace(asio::get_associated_executor(*handler_, executor));
  }

  void listen_for_cancellation() {
    if (slot_.is_connected()) slot_.assign(CompletionWaiter::Cancel{Ref<CompletionWaiter>(this)});
  }

 private:
  using Executor = asio::associated_executor_t<Handler, asio::any_io_executor>;

  bool post_to_own(CompletionWaiter::Call& call) override {
    if (!work_) return false;
    asio::post(work_->get_executor(), std::move(call));
    return true;
  }

  void run(std::error_code error) override {
    // On the handler's executor, as its owner asks of whoever touches the slot. Emptying it drops this waiter.
    const Ref<HandlerWaiter> alive(this);
    if (slot_.is_connected()) slot_.clear();
    Handler handler = std::move(*handler_);
    handler_.reset();
    const auto work = std::exchange(work_, std::nullopt);
    std::apply([&](auto&... result) { std::move(handler)(error, std::move(result)...); }, this->results_);
  }

  void drop() noexcept override { handler_.reset(); }

  asio::associated_cancellation_slot_t<Handler> slot_;
  std::optional<asio::executor_work_guard<Executor>> work_;
  std::optional<Handler> handler_;
};

/// Whether that is the handler of asio::detached, as it is or with something bound to it: it needs no executor.
template <typename Handler>
inline constexpr bool does_nothing =
    std::is_same_v<Handler, typename asio::async_result<asio::detached_t, void()>::completion_handler_type>;
template <template <typename...> class Binder, typename Handler, typename... Bound>
inline constexpr bool does_nothing<Binder<Handler, Bound...>> = does_nothing<Handler>;

/// A waiter for `handler`, which falls back to `executor` when it has none of its own. A handler that has nowhere to
/// run, as its executor is of a loop that has stopped, or as it does nothing, is dropped uncalled, and this returns
/// null.
template <typename Handler, typename... Results>
Ref<HandlerWaiter<Handler, Results...>> make_result_waiter(const asio::any_io_executor& executor, Handler handler,
                                                           Results... results) {
  if (!has_executor(handler, executor)) return nullptr;
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

/// A waiter for `handler`, which whoever gets it tells where it runs when it has no executor of its own.
template <typename Handler>
Ref<CompletionWaiter> make_handler_waiter(Handler handler) {
  const auto waiter = make_ref<HandlerWaiter<Handler>>(asio::any_io_executor(), std::move(handler));
  waiter->listen_for_cancellation();
  return Ref<CompletionWaiter>(waiter.get());
}

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/handler_waiter.ipp>
#endif
