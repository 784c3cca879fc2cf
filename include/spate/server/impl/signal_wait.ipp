// The functions of signal_wait.hpp.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <spate/config.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/server/detail/signal_wait.hpp>

namespace spate::detail {

SPATE_DECL void SignalWait::begin(const asio::any_io_executor& executor, SignalOptions options, Steps steps) {
  std::shared_ptr<const std::function<void()>> again;
  if (options.again) again = std::make_shared<const std::function<void()>>(std::move(options.again));
  const Lock lock(mutex_);
  if (ended_) return;
  if (begun_) throw std::invalid_argument("spate::Server: shutdown_on_signals() for the second time");
  auto signals = std::make_unique<asio::signal_set>(executor);
  for (const int signal : options.signals) signals->add(signal);
  wait(*signals, Ref<SignalWait>(this));  // the last that may fail: signals that are taken and not waited for are lost
  signals_ = std::move(signals);
  again_ = std::move(again);
  steps_.first.swap(steps.first);
  steps_.next.swap(steps.next);
  begun_ = true;
}

SPATE_DECL void SignalWait::end() {
  // Destroyed without the lock, as the program's functions go with them.
  std::shared_ptr<const std::function<void()>> again;
  Steps steps;
  std::unique_ptr<asio::signal_set> signals;
  const Lock lock(mutex_);
  ended_ = true;
  again.swap(again_);
  steps.first.swap(steps_.first);
  steps.next.swap(steps_.next);
  // Its end takes the signals out of the set, which gives them their default meaning back, and cancels the wait.
  signals.swap(signals_);
}

SPATE_DECL void SignalWait::wait(asio::signal_set& signals, Ref<SignalWait> self) {
  signals.async_wait([self = std::move(self)](const std::error_code& error, int) {
    if (!error) self->on_signal();
  });
}

SPATE_DECL void SignalWait::on_signal() {
  std::shared_ptr<const std::function<void()>> again;
  {
    const Lock lock(mutex_);
    if (!signals_) return;
    asio::signal_set* const signals = signals_.get();
    const Steps* const steps = &steps_;
    insist([&] { wait(*signals, Ref<SignalWait>(this)); });
    if (!std::exchange(had_first_, true)) return insist([&] { steps->first(); });
    if (!again_) return insist([&] { steps->next(); });
    again = again_;
  }
  (*again)();  // which is the program's
}

}  // namespace spate::detail
