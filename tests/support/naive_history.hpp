// NaiveHistory: what a MemoryReplayStore keeps, told by the plainest means.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/history/memory_replay_store.hpp>

namespace spate::test {

/// Looks at everything each time, so that nothing about it can be wrong: each audience has a list, and when there is
/// too much, the fullest list loses its oldest. Which one of several that hold as much is up to the store.
class NaiveHistory {
 public:
  using Time = MemoryReplayStore::Clock::time_point;
  using Kind = Audience::Kind;
  /// One user, one group, one topic, or everybody.
  using Name = std::pair<Kind, std::string>;
  using Lists = std::map<Name, std::vector<std::uint64_t>>;

  explicit NaiveHistory(ReplayLimits limits) : limits_(limits) {}

  /// `cost` is what the event costs each list that holds it.
  void append(std::uint64_t sequence, const Audience& audience, std::size_t cost, std::chrono::milliseconds kept_for,
              Time now) {
    let_pass(now);
    const std::set<Name> names = names_of(audience);
    sent_[sequence] = {names, names, cost, kept_for, now};
    for (const Name& name : names) lists_[name].push_back(sequence);
    for (const Name& name : names) {
      if (limits_.max_events_per_audience > 0 && lists_[name].size() > limits_.max_events_per_audience) discard(name);
    }
  }

  /// Of an event that is not kept, as it is too large.
  void discard_at_once(std::uint64_t sequence, const Audience& audience) {
    for (const Name& name : names_of(audience)) discarded_[name] = sequence;
  }

  /// Discards while there are too many events; `there` says what the store has still.
  void discard_too_many(const Lists& there) {
    while (size() > limits_.max_events) {
      discard_fullest(there, [](const Name&, const std::vector<std::uint64_t>& list) { return list.size(); });
    }
  }
  /// Discards, of whoever has most bytes, while it has more than `there`.
  void discard_too_large(const Lists& there) {
    while (lists() != there) {
      discard_fullest(there, [this](const Name&, const std::vector<std::uint64_t>& list) {
        std::size_t bytes = 0;
        for (const std::uint64_t each : list) bytes += sent_.at(each).cost;
        return bytes;
      });
    }
  }

  /// What has expired goes, and what is too old is discarded.
  void let_pass(Time now) {
    for (auto& [name, list] : lists_) {
      std::vector<std::uint64_t> rest;
      for (const std::uint64_t each : list) {
        Sent& sent = sent_.at(each);
        const auto age = now - sent.at;
        const bool ages = limits_.max_age.count() > 0;
        const bool expires = sent.kept_for.count() > 0 && (!ages || sent.kept_for <= limits_.max_age);
        if (expires ? age < sent.kept_for : !ages || age < limits_.max_age) {
          rest.push_back(each);
          continue;
        }
        if (!expires) discarded_[name] = std::max(discarded_[name], each);
        sent.holders.erase(name);
      }
      list = rest;
    }
  }

  std::vector<std::uint64_t> kept(const Subscriber& subscriber, std::uint64_t after) const {
    std::set<std::uint64_t> all;
    for (const auto& [name, list] : lists_) {
      const std::optional<std::uint64_t> since = owed_since(subscriber, name);
      for (const std::uint64_t each : list) {
        if (since && each > *since && each > after) all.insert(each);
      }
    }
    return {all.begin(), all.end()};
  }

  /// The newest event for `subscriber` that was discarded.
  std::uint64_t discarded(const Subscriber& subscriber) const {
    std::uint64_t newest = 0;
    for (const auto& [name, sequence] : discarded_) {
      const std::optional<std::uint64_t> since = owed_since(subscriber, name);
      if (since && sequence > *since) newest = std::max(newest, sequence);
    }
    return newest;
  }

  /// Events that are in any list.
  std::size_t size() const {
    return static_cast<std::size_t>(
        std::count_if(sent_.begin(), sent_.end(), [](const auto& each) { return !each.second.holders.empty(); }));
  }

  /// All lists that are not empty.
  Lists lists() const {
    Lists all;
    for (const auto& [name, list] : lists_) {
      if (!list.empty()) all[name] = list;
    }
    return all;
  }

  /// The same of a store that was sent the same.
  Lists lists_of(MemoryReplayStore& store) const {
    Lists all;
    std::vector<StoredEvent> events;
    for (const auto& [name, list] : lists_) {
      events.clear();
      if (name.first == Kind::topic) {
        const std::vector<JoinedTopic> joined{{name.second, 0}};
        store.fetch(Subscriber("", joined), 0, SIZE_MAX, events);
      } else {
        // Whoever is in the group and has a name that nobody has.
        store.fetch(name.first == Kind::user ? name.second : name.second + "\x01", 0, SIZE_MAX, events);
      }
      std::vector<std::uint64_t> its;
      for (const StoredEvent& stored : events) {
        if (sent_.at(stored.sequence).to.contains(name)) its.push_back(stored.sequence);
      }
      if (!its.empty()) all[name] = its;
    }
    return all;
  }

 private:
  struct Sent {
    std::set<Name> to;
    std::set<Name> holders;  // those of them that have it still
    std::size_t cost = 0;
    std::chrono::milliseconds kept_for{0};
    Time at;
  };

  static std::set<Name> names_of(const Audience& audience) {
    const bool is_topic = audience.kind() == Kind::topic || audience.kind() == Kind::topics;
    const bool is_user = audience.kind() == Kind::user || audience.kind() == Kind::users;
    const Kind kind = is_topic ? Kind::topic : is_user ? Kind::user : audience.kind();
    if (audience.kind() != Kind::users && audience.kind() != Kind::topics)
      return {{kind, std::string(audience.name())}};
    std::set<Name> all;
    for (const std::string& name : audience.names()) all.emplace(kind, name);
    return all;
  }

  static std::optional<std::uint64_t> owed_since(const Subscriber& subscriber, const Name& name) {
    if (name.first == Kind::topic) {
      for (const JoinedTopic& joined : subscriber.topics) {
        if (joined.name == name.second) return joined.since;
      }
      return std::nullopt;
    }
    const bool is_for = name.first == Kind::user ? subscriber.user == name.second
                                                 : subscriber.user.substr(0, name.second.size()) == name.second;
    return is_for && !subscriber.user.empty() ? std::optional<std::uint64_t>(0) : std::nullopt;
  }

  void discard(const Name& name) {
    std::vector<std::uint64_t>& list = lists_.at(name);
    discarded_[name] = std::max(discarded_[name], list.front());
    sent_.at(list.front()).holders.erase(name);
    list.erase(list.begin());
  }

  // Of the fullest list: one whose oldest the store has not. Throws when there is none.
  template <typename Fill>
  void discard_fullest(const Lists& there, Fill&& fill) {
    std::size_t most = 0;
    for (const auto& [name, list] : lists_) most = std::max(most, fill(name, list));
    const Name* lost = nullptr;
    for (const auto& [name, list] : lists_) {
      if (list.empty() || fill(name, list) != most) continue;
      const auto found = there.find(name);
      if (found != there.end() && std::binary_search(found->second.begin(), found->second.end(), list.front()))
        continue;
      // One that others have as well goes first: it is not the last step.
      if (lost == nullptr || sent_.at(list.front()).holders.size() > 1) lost = &name;
    }
    if (lost == nullptr) throw std::logic_error("none of the fullest has lost its oldest");
    discard(Name(*lost));
  }

  const ReplayLimits limits_;
  std::map<std::uint64_t, Sent> sent_;
  Lists lists_;
  std::map<Name, std::uint64_t> discarded_;
};

}  // namespace spate::test
