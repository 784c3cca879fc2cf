// The functions of delivery.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/delivery.hpp>

namespace spate::detail {

SPATE_DECL Delivery::Delivery(const Members& members, const Feeds& feeds, Receivers& receivers,
                              const Audience& audience, std::string_view name, std::uint64_t sequence)
    : feeds_(feeds), receivers_(receivers) {
  receivers_.clear();
  try {
    find(members, audience, name, sequence);
    for (const Ref<Feed>& feed : feeds_) feed->reserve_posts();
  } catch (...) {
    release_posts();
    throw;
  }
}

SPATE_DECL std::size_t Delivery::post(const EncodedEvent& event) noexcept {
  const std::size_t size = event.chunk().size();
  if (to_everybody_) {
    for (const Ref<Feed>& feed : feeds_) feed->post(call<&Feed::take_broadcast>(feed, event), size);
  }
  for (Subscription* each : receivers_) {
    each->feed().post(call<&Subscription::take_event>(Ref<Subscription>(each), event), size);
  }
  return streams_;
}

SPATE_DECL void Delivery::find(const Members& members, const Audience& audience, std::string_view name,
                               std::uint64_t sequence) {
  to_everybody_ = audience.kind() == Audience::Kind::everybody;
  if (to_everybody_) {
    for (const Ref<Feed>& feed : feeds_) feed->expect_post();
    streams_ = members.listeners(name);
    return;
  }
  const auto take = [&](Subscription& each) {
    if (!each.accepts(name)) return;
    ++streams_;
    if (!each.live) return;  // it will draw the event from the store
    receivers_.push_back(&each);
    each.feed().expect_post();
  };
  // Polls that are graced will ask the store for it.
  if (is_of_topics(audience)) {
    return members.topics().for_each(audience, sequence, [&](const TopicMember& member) {
      if (member.subscription() == nullptr) {
        ++streams_;
      } else {
        take(*member.subscription());
      }
    });
  }
  members.for_each(audience, [&](const User& user) {
    streams_ += user.graced();
    user.for_each(take);
  });
}

}  // namespace spate::detail
