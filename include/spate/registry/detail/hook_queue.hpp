// HookQueue: runs user hooks one at a time, in the order in which they were queued, with no lock held.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include <spate/stream/detail/shard.hpp>

namespace spate::detail {

/// Any thread. Made by std::make_shared: hooks that are under way keep it alive.
class HookQueue : public std::enable_shared_from_this<HookQueue> {
 public:
  /// Queues `hook`; it runs on `shard`'s executor unless another executor is at the queue already.
  void push(const Shard& shard, std::function<void()> hook) {
    const auto executor = shard.executor();
    if (!executor) return;  // the shard has stopped: nothing runs there any more
    {
      const std::lock_guard lock(mutex_);
      hooks_.push_back(std::move(hook));
      if (running_) return;
      running_ = true;
    }
    run_on(executor);
  }

 private:
  void run_on(const asio::any_io_executor& executor) {
    asio::post(executor, [self = shared_from_this(), executor] { self->run_one(executor); });
  }

  // One hook a turn: a hook that throws leaves the others to the next one.
  void run_one(const asio::any_io_executor& executor) {
    std::function<void()> hook;
    {
      const std::lock_guard lock(mutex_);
      hook = std::move(hooks_.front());
      hooks_.pop_front();
    }
    struct Next {
      HookQueue& queue;
      const asio::any_io_executor& executor;
      ~Next() {
        const std::lock_guard lock(queue.mutex_);
        queue.running_ = !queue.hooks_.empty();
        if (queue.running_) queue.run_on(executor);
      }
    } next{*this, executor};
    hook();
  }

  std::mutex mutex_;
  std::deque<std::function<void()>> hooks_;
  bool running_ = false;
};

}  // namespace spate::detail
