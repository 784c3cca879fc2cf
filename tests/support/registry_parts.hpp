// The parts of an emitter, put together by hand on a loop that never runs: what they decide is seen at once.
//
//   RegistryParts parts;
//   parts.send("anna", "hello");
//   auto comer = parts.comer("anna", "earliest");
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/detail/access.hpp>
#include <spate/history/detail/history.hpp>
#include <spate/history/memory_replay_store.hpp>
#include <spate/registry/detail/catch_up.hpp>
#include <spate/registry/detail/departures.hpp>
#include <spate/registry/detail/emitter_core.hpp>
#include <spate/registry/detail/feed.hpp>
#include <spate/registry/detail/gaps.hpp>
#include <spate/registry/detail/hook_queue.hpp>
#include <spate/registry/detail/log_mirror.hpp>
#include <spate/registry/detail/members.hpp>
#include <spate/registry/detail/resume.hpp>
#include "support/socketless_streams.hpp"

namespace spate::test {

class RegistryParts {
 public:
  explicit RegistryParts(ReplayLimits limits = {}, bool keeps_log = false, EmitterOptions options = {})
      : store(limits), options_(std::move(options)), mirror(history, keeps_log) {}
  ~RegistryParts() {
    // A stream and its subscription hold each other until the subscription goes.
    while (const detail::User* const user = members.any()) {
      if (user->first) {
        members.remove(*detail::Ref<detail::Subscription>(user->first));
      } else {
        members.end_grace(*user->polls()->first_graced());
      }
    }
    for (const auto& each : subscriptions_) each->shard().post(detail::call<&detail::Subscription::detach>(each));
  }

  /// Keeps an event for one user; returns its number.
  std::uint64_t send(std::string_view user, std::string_view data, std::string_view name = {}) {
    const std::uint64_t sequence = history.newest() + 1;
    EventEncoder encoder(Event(data).name(name));
    history.append(sequence, Audience::user(user), std::move(encoder).finish(history.id_of(sequence)));
    return sequence;
  }

  /// A stream that is about to be added, whose client asks for what is after `cursor`.
  detail::PendingResume comer(std::string_view cursor, std::vector<std::string> events = {}) {
    return {subscription(std::move(events)),
            detail::Cursor::parse(cursor),
            {EventEncoder(Event()), EventEncoder(Event())},
            {}};
  }

  detail::Ref<detail::Subscription> subscription(std::vector<std::string> events = {},
                                                 detail::TransportChoice choice = {}) {
    const detail::Ref<detail::StreamCore> stream = detail::access::core(streams_.open(std::move(choice)));
    return subscriptions_.emplace_back(
        detail::make_ref<detail::Subscription>(feed(*stream), stream, std::move(events)));
  }

  /// Registers `subscription` under `user`.
  void insert(const std::string& user, const detail::Ref<detail::Subscription>& subscription) {
    detail::HookQueue::Hooks leave;
    members.insert(user, subscription, leave, [this](const detail::Ref<detail::Subscription>& oldest) {
      replaced.push_back(oldest);
      members.remove(*oldest);
    });
  }

  /// The feed of the loop.
  const detail::Ref<detail::Feed>& feed(detail::StreamCore& stream) {
    if (!feed_) feed_ = detail::make_ref<detail::Feed>(detail::Ref<detail::Shard>(&stream.own_shard()), core_);
    return feed_;
  }

  MemoryReplayStore store;
  std::vector<detail::Ref<detail::Subscription>> replaced;

 private:
  SocketlessStreams streams_;
  // What feeds belong to; the parts below are not its own.
  const detail::Ref<detail::EmitterCore> core_ = detail::make_ref<detail::EmitterCore>(EmitterOptions());
  const EmitterOptions options_;
  const detail::Ref<detail::HookQueue> hooks_ = detail::make_ref<detail::HookQueue>();
  detail::Ref<detail::Feed> feed_;
  std::vector<detail::Ref<detail::Subscription>> subscriptions_;

 public:
  detail::History history{&store};
  detail::LogMirror mirror;
  detail::Departures departures;
  detail::Members members{options_, *hooks_, *core_};
  detail::Gaps gaps{options_, *hooks_, history, departures};
  detail::Resume resume{history, mirror, departures, gaps};
  detail::CatchUp catch_up{history, mirror, departures, gaps};
};

}  // namespace spate::test
