// StreamWatchers: who is told how a stream ended. Shard only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/stream/end_reason.hpp>

namespace spate::detail {

class StreamWatchers {
 public:
  enum class Moment : std::uint8_t { complete, timeout, error };
  using Callback = std::function<void(std::error_code)>;

  /// `callback` is shared, so that what it takes to run it can be tried again.
  void add(Moment moment, std::shared_ptr<const Callback> callback) {
    callbacks_.push_back({moment, std::move(callback)});
  }

  /// `waiter` is told of the end, after the callbacks. Those that wait no more are forgotten.
  void add(const Ref<SendWaiter>& waiter);

  /// Keeps `error` as the cause of the end, unless there is one.
  void blame(std::error_code error) {
    if (!error_) error_ = error;
  }

  /// Posts the callbacks whose moment the end for `reason` is, once each: cause first, completion last.
  /// None is left out: it waits for memory, if it must.
  void call_back(Shard& shard, EndReason reason);

 private:
  struct Registered {
    Moment moment;
    std::shared_ptr<const Callback> callback;
  };

  std::vector<Registered> callbacks_;
  std::vector<Ref<SendWaiter>> waiters_;
  std::error_code error_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/stream_watchers.ipp>
#endif
