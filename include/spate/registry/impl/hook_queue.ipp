// The functions of hook_queue.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/hook_queue.hpp>

namespace spate::detail {

SPATE_DECL void HookQueue::push(const Ref<Shard>& shard, Hooks&& hooks) noexcept {
  {
    const Lock lock(mutex_);
    if (closed_ || hooks.empty()) return;
    hooks_.splice(hooks_.end(), hooks);
    if (running_) return;
    running_ = true;
  }
  run_on(shard);
}

SPATE_DECL void HookQueue::push(const Ref<Shard>& shard, std::function<void()> hook) {
  Hooks hooks;
  hooks.push_back(std::move(hook));
  push(shard, std::move(hooks));
}

SPATE_DECL void HookQueue::close() {
  Hooks forgotten;  // destroyed after the lock: it is the program's
  const Lock lock(mutex_);
  closed_ = true;
  forgotten.swap(hooks_);
}

SPATE_DECL void HookQueue::run_on(Ref<Shard> shard) noexcept {
  Turn first(Ref<HookQueue>(this));
  try {
    const auto turn = std::make_shared<Turn>(std::move(first));
    shard->call_back([turn, shard] { std::exchange(turn->queue, nullptr)->run_one(shard); });
  } catch (const std::bad_alloc&) {
  }
}

SPATE_DECL void HookQueue::run_one(const Ref<Shard>& shard) {
  const std::function<void()> hook = take();
  if (!hook) return;
  struct Next {
    HookQueue& queue;
    const Ref<Shard>& shard;
    ~Next() { queue.run_on(shard); }
  } const next{*this, shard};
  hook();
}

SPATE_DECL std::function<void()> HookQueue::take() {
  const Lock lock(mutex_);
  running_ = !hooks_.empty();
  if (!running_) return {};
  std::function<void()> hook = std::move(hooks_.front());
  hooks_.pop_front();
  return hook;
}

SPATE_DECL void HookQueue::pause() {
  const Lock lock(mutex_);
  running_ = false;
}

}  // namespace spate::detail
