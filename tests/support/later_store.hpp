// A store that keeps what it is given when the test says so, or fails to.
//
//   const auto store = std::make_shared<LaterStore>();
//   emitter.send("anna", Event("hello"));   // she does not get it yet
//   store->settle_all();
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/history/memory_replay_store.hpp>
#include <spate/history/replay_store.hpp>

namespace spate::test {

class LaterStore final : public ReplayStore {
 public:
  explicit LaterStore(bool delivers_first = false) : delivers_first_(delivers_first) {}

  /// Any thread. Decides what has been given to it: with an error it is not kept.
  void settle_all(std::error_code error = {}) {
    std::function<void()> settled;
    {
      const std::lock_guard lock(mutex_);
      decisions_.push_back({given_, error});
      settled = settled_;
    }
    if (settled) settled();
  }
  std::size_t waiting() const {
    const std::lock_guard lock(mutex_);
    return given_ - decided_;
  }

  std::string_view epoch() const override { return kept_.epoch(); }
  std::uint64_t newest() const override { return newest_; }
  std::uint64_t newest_given() const override {
    const std::lock_guard lock(mutex_);
    return given_;
  }
  bool keeps_later() const noexcept override { return true; }
  bool delivers_first() const noexcept override { return delivers_first_; }

  void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) override {
    const std::lock_guard lock(mutex_);
    given_ = sequence;
    if (delivers_first_) {
      kept_.append(sequence, audience, event);
      newest_ = sequence;
      return;
    }
    Item item{sequence, audience.kind(), std::string(audience.name()), {}, event};
    item.names.assign(audience.names().begin(), audience.names().end());
    items_.push_back(std::move(item));
  }
  void on_settled(std::function<void()> settled) override {
    const std::lock_guard lock(mutex_);
    settled_ = std::move(settled);
  }
  void settle(std::vector<Settled>& settled) override {
    const std::lock_guard lock(mutex_);
    for (const Settled& decision : std::exchange(decisions_, {})) {
      settled.push_back(decision);
      decided_ = decision.up_to;
      for (; !items_.empty() && items_.front().sequence <= decision.up_to; items_.pop_front()) {
        if (!decision.error) kept_.append(items_.front().sequence, items_.front().audience(), items_.front().event);
      }
      newest_ = decision.up_to;
    }
  }
  std::uint64_t fetch(std::string_view user, std::uint64_t after, std::size_t max_bytes,
                      std::vector<StoredEvent>& events) override {
    return fetch(Subscriber(user), after, max_bytes, events);
  }
  std::uint64_t fetch(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                      std::vector<StoredEvent>& events) override {
    return std::max(skipped_, kept_.fetch(subscriber, after, max_bytes, events));
  }
  void skip(std::uint64_t sequence) override {
    const std::lock_guard lock(mutex_);
    skipped_ = sequence;
    if (given_ < sequence) given_ = decided_ = newest_ = sequence;
  }

 private:
  struct Item {
    std::uint64_t sequence;
    Audience::Kind kind;
    std::string name;
    std::vector<std::string> names;
    EncodedEvent event;

    Audience audience() const {
      switch (kind) {
        case Audience::Kind::user: return Audience::user(name);
        case Audience::Kind::users: return Audience::users(names);
        case Audience::Kind::group: return Audience::group(name);
        case Audience::Kind::topic: return Audience::topic(name);
        case Audience::Kind::topics: return Audience::topics(names);
        case Audience::Kind::everybody: break;
      }
      return Audience::everybody();
    }
  };

  const bool delivers_first_;
  MemoryReplayStore kept_;    // guarded by the emitter's lock, like what is newest
  std::uint64_t newest_ = 0;  // whose fate it has told
  std::uint64_t skipped_ = 0;
  mutable std::mutex mutex_;
  std::uint64_t given_ = 0;
  std::uint64_t decided_ = 0;
  std::deque<Item> items_;
  std::vector<Settled> decisions_;
  std::function<void()> settled_;
};

}  // namespace spate::test
