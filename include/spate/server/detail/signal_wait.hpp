// SignalWait: waits for signals on behalf of a server, from `begin` until `end`.
//
// A wait that goes on keeps an io_context running, and a signal that is waited for does not end the process. So `end`
// comes as soon as a server has drained: afterwards nothing of it is left, and a signal does again what it does by
// default. Any thread.
#pragma once

#include <functional>
#include <memory>

#include <asio/any_io_executor.hpp>
#include <asio/signal_set.hpp>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/server/signal_options.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::detail {

class SignalWait final : public RefCounted<SignalWait> {
 public:
  /// What to do for the first signal, and for each that follows. Both run with the mutex held, and not after `end`; so
  /// they only share what is the program's, and are destroyed without it.
  struct Steps {
    std::function<void()> first;
    std::function<void()> next;
  };

  /// Waits on `executor`, unless it has ended already. Throws std::invalid_argument the second time, std::system_error
  /// when the system does not let a signal be waited for; then it may begin again.
  void begin(const asio::any_io_executor& executor, SignalOptions options, Steps steps);

  /// For good. What is under way has been done when it returns.
  void end();

 private:
  static void wait(asio::signal_set& signals, Ref<SignalWait> self);
  void on_signal();

  Mutex mutex_;
  std::unique_ptr<asio::signal_set> signals_ SPATE_GUARDED_BY(mutex_);  // null before and after
  // The program's, of which no copy is made or destroyed with the mutex held; null when it has given none.
  std::shared_ptr<const std::function<void()>> again_ SPATE_GUARDED_BY(mutex_);
  Steps steps_ SPATE_GUARDED_BY(mutex_);
  bool begun_ SPATE_GUARDED_BY(mutex_) = false;
  bool ended_ SPATE_GUARDED_BY(mutex_) = false;
  bool had_first_ SPATE_GUARDED_BY(mutex_) = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/signal_wait.ipp>
#endif
