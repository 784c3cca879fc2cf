// In place of an emitter: it notes what a bus tells it, and keeps what an emitter would keep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/history/memory_replay_store.hpp>
#include <spate/history/subscriber.hpp>
#include <spate/registry/bus.hpp>
#include "support/eventually.hpp"
#include "support/texts.hpp"

namespace spate::test {

/// "topics a b"
inline std::string words_of(const Audience& audience) {
  static constexpr const char* kinds[] = {"user", "users", "group", "everybody", "topic", "topics"};
  std::string words = kinds[static_cast<std::size_t>(audience.kind())];
  if (!audience.name().empty()) words += " " + std::string(audience.name());
  for (const std::string& name : audience.names()) words += " " + name;
  return words;
}

/// "join anna a b"
inline std::string words_of(const UserCommand& command) {
  static constexpr const char* kinds[] = {"remove", "join", "leave"};
  std::string words = kinds[static_cast<std::size_t>(command.kind)] + (" " + command.user);
  for (const std::string& topic : command.topics) words += " " + topic;
  return words;
}

/// Any thread.
class NotingListener final : public BusListener {
 public:
  explicit NotingListener(std::vector<UserStreams> users = {}) : users_(std::move(users)) {}

  void relayed(const Audience& audience, const Event& event) override { note(audience, event); }
  void missed() override { notes.add("missed"); }
  void restarted(std::string_view epoch) override {
    {
      const std::lock_guard lock(mutex_);
      store_.restart(epoch);
    }
    notes.add("restarted");
  }
  void trimmed(std::uint64_t sequence) override {
    {
      const std::lock_guard lock(mutex_);
      store_.skip(sequence);
    }
    notes.add("trimmed");
  }
  void appended(std::uint64_t sequence, const Audience& audience, const Event& event) override {
    {
      const std::lock_guard lock(mutex_);
      store_.append(sequence, audience, event.kept() ? EncodedEvent(event) : EncodedEvent());
    }
    note(audience, event);
  }
  void reached_end(std::uint64_t newest) override {
    const std::lock_guard lock(mutex_);
    if (newest > store_.newest()) store_.skip(newest);
    ++ends_;
  }
  void commanded(const UserCommand& command) override { notes.add(words_of(command)); }
  std::vector<UserStreams> users_here(std::string_view after, std::size_t) const override {
    return after.empty() ? users_ : std::vector<UserStreams>();
  }
  UserCounts counts_here() const override { return {users_.size(), users_.size()}; }

  /// "topic a: hello"; of an event that is not to be kept with "passing" before it; of one without data nothing
  /// follows.
  Journal notes;

  /// What came, in its order.
  std::vector<Event> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  /// The data of what is kept for `user`.
  Texts kept_for(std::string_view user) {
    const std::lock_guard lock(mutex_);
    std::vector<StoredEvent> stored;
    store_.fetch(Subscriber(user), 0, 1'000'000, stored);
    Texts texts;
    for (const StoredEvent& each : stored) texts.emplace_back(each.event.bytes());
    return texts;
  }
  std::uint64_t newest() const {
    const std::lock_guard lock(mutex_);
    return store_.newest();
  }
  /// Whether something may be missing for whoever has had nothing yet.
  bool has_gap(std::string_view user) {
    const std::lock_guard lock(mutex_);
    return store_.discarded(Subscriber(user)) > 0;
  }
  /// How often the end of a log was reached.
  std::size_t ends() const {
    const std::lock_guard lock(mutex_);
    return ends_;
  }

 private:
  void note(const Audience& audience, const Event& event) {
    {
      const std::lock_guard lock(mutex_);
      events_.push_back(event);
    }
    notes.add((event.kept() ? "" : "passing, ") + words_of(audience) + (event.data() ? ": " + *event.data() : ""));
  }

  const std::vector<UserStreams> users_;
  mutable std::mutex mutex_;
  MemoryReplayStore store_;
  std::vector<Event> events_;
  std::size_t ends_ = 0;
};

}  // namespace spate::test
