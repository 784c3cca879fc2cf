// HookQueue: runs user hooks one at a time, in the order in which they were queued, with no lock held.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <new>
#include <utility>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/stream/detail/shard.hpp>

namespace spate::detail {

/// A hook of the program's, to be queued again and again: copies of this run no code of its own, which may be one that
/// asks the emitter something, while a lock is held. Null where the program has given none.
template <typename... Arguments>
using SharedHook = std::shared_ptr<const std::function<void(Arguments...)>>;

template <typename... Arguments>
SharedHook<Arguments...> share(const std::function<void(Arguments...)>& hook) {
  return hook ? std::make_shared<const std::function<void(Arguments...)>>(hook) : nullptr;
}

/// Any thread. Hooks that are under way keep it alive.
class HookQueue final : public RefCounted<HookQueue> {
 public:
  /// Hooks that are to be queued, once nothing can fail any more.
  using Hooks = std::list<std::function<void()>>;

  /// Queues `hooks`; they run on `shard`'s executor unless another executor is at the queue already. Without memory to
  /// begin with them they run with the next that are queued.
  void push(const Ref<Shard>& shard, Hooks&& hooks) noexcept;
  void push(const Ref<Shard>& shard, std::function<void()> hook);

  /// Forgets what is queued; nothing begins any more.
  void close();

 private:
  // Whoever is at the queue. One that is destroyed unrun, because its loop is gone, leaves the hooks to the next push.
  struct Turn {
    explicit Turn(Ref<HookQueue> of) noexcept : queue(std::move(of)) {}
    Turn(Turn&&) noexcept = default;
    Turn& operator=(Turn&&) = delete;
    Ref<HookQueue> queue;
    ~Turn() {
      if (queue) queue->pause();
    }
  };

  // On a shard that has stopped nothing runs, nor without memory: then the turn pauses the queue at once, and the next
  // push goes on.
  void run_on(Ref<Shard> shard) noexcept;

  // One hook a turn: one that throws leaves the others to the next.
  void run_one(const Ref<Shard>& shard);

  // Empty when there is none; then nobody is at the queue any more.
  std::function<void()> take();

  void pause();

  Mutex mutex_;
  Hooks hooks_ SPATE_GUARDED_BY(mutex_);
  bool running_ SPATE_GUARDED_BY(mutex_) = false;
  bool closed_ SPATE_GUARDED_BY(mutex_) = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/hook_queue.ipp>
#endif
