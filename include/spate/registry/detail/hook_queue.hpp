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
  void push(const Ref<Shard>& shard, std::function<void()> hook) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      hooks_.push_back(std::move(hook));
      if (running_) return;
      running_ = true;
    }
    run_on(shard);
  }

  /// Forgets what is queued; nothing begins any more.
  void close() {
    std::deque<std::function<void()>> forgotten;  // destroyed behind the lock: it is the program's
    const std::lock_guard lock(mutex_);
    closed_ = true;
    forgotten.swap(hooks_);
  }

 private:
  // Whoever is at the queue. One that is destroyed unrun, because its loop is gone, leaves the hooks to the next push.
  struct Turn {
    std::shared_ptr<HookQueue> queue;
    ~Turn() {
      if (queue) queue->pause();
    }
  };

  // On a shard that has stopped nothing runs: then the turn pauses the queue at once, and the next push goes on.
  void run_on(Ref<Shard> shard) {
    const std::shared_ptr<Turn> turn(new Turn{shared_from_this()});
    shard->call_back([turn, shard] { std::exchange(turn->queue, nullptr)->run_one(shard); });
  }

  // One hook a turn: one that throws leaves the others to the next.
  void run_one(const Ref<Shard>& shard) {
    const std::function<void()> hook = take();
    if (!hook) return;
    struct Next {
      HookQueue& queue;
      const Ref<Shard>& shard;
      ~Next() { queue.run_on(shard); }
    } const next{*this, shard};
    hook();
  }

  // Empty when there is none; then nobody is at the queue any more.
  std::function<void()> take() {
    const std::lock_guard lock(mutex_);
    running_ = !hooks_.empty();
    if (!running_) return {};
    std::function<void()> hook = std::move(hooks_.front());
    hooks_.pop_front();
    return hook;
  }

  void pause() {
    const std::lock_guard lock(mutex_);
    running_ = false;
  }

  std::mutex mutex_;
  std::deque<std::function<void()>> hooks_;
  bool running_ = false;
  bool closed_ = false;
};

}  // namespace spate::detail
