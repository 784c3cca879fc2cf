// HookQueue: runs user hooks one at a time, in the order in which they were queued, with no lock held.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include <spate/stream/detail/shard.hpp>

namespace spate::detail {

/// Any thread. Made by std::make_shared: hooks that are under way keep it alive.
class HookQueue : public std::enable_shared_from_this<HookQueue> {
 public:
  /// Hooks that are to be queued, once nothing can fail any more.
  using Hooks = std::list<std::function<void()>>;

  /// Queues `hooks`; they run on `shard`'s executor unless another executor is at the queue already. Without memory to
  /// begin with them they run with the next that are queued.
  void push(const Ref<Shard>& shard, Hooks&& hooks) noexcept {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || hooks.empty()) return;
      hooks_.splice(hooks_.end(), hooks);
      if (running_) return;
      running_ = true;
    }
    run_on(shard);
  }
  void push(const Ref<Shard>& shard, std::function<void()> hook) {
    Hooks hooks;
    hooks.push_back(std::move(hook));
    push(shard, std::move(hooks));
  }

  /// Forgets what is queued; nothing begins any more.
  void close() {
    Hooks forgotten;  // destroyed behind the lock: it is the program's
    const std::lock_guard lock(mutex_);
    closed_ = true;
    forgotten.swap(hooks_);
  }

 private:
  // Whoever is at the queue. One that is destroyed unrun, because its loop is gone, leaves the hooks to the next push.
  struct Turn {
    explicit Turn(std::shared_ptr<HookQueue> of) noexcept : queue(std::move(of)) {}
    Turn(Turn&&) noexcept = default;
    Turn& operator=(Turn&&) = delete;
    std::shared_ptr<HookQueue> queue;
    ~Turn() {
      if (queue) queue->pause();
    }
  };

  // On a shard that has stopped nothing runs, nor without memory: then the turn pauses the queue at once, and the next
  // push goes on.
  void run_on(Ref<Shard> shard) noexcept {
    Turn first(shared_from_this());
    try {
      const auto turn = std::make_shared<Turn>(std::move(first));
      shard->call_back([turn, shard] { std::exchange(turn->queue, nullptr)->run_one(shard); });
    } catch (const std::bad_alloc&) {
    }
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
  Hooks hooks_;
  bool running_ = false;
  bool closed_ = false;
};

}  // namespace spate::detail
