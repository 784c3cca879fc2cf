// The functions of delivery.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/delivery.hpp>

namespace spate::detail {

SPATE_DECL Delivery::Delivery(const Members& members, const Feeds& feeds, Receivers& receivers,
                              const Audience& audience, std::string_view name, std::uint64_t sequence,
                              std::optional<std::uint64_t> unkept_after)
    : feeds_(feeds), receivers_(receivers), sequence_(sequence), unkept_after_(unkept_after) {
  receivers_.clear();
  try {
    find(members, audience, name);
    for (const Ref<Feed>& feed : feeds_) feed->reserve_posts();
  } catch (...) {
    release_posts();
    throw;
  }
}

SPATE_DECL std::size_t Delivery::post(const EncodedEvent& event) noexcept {
  const std::size_t size = event.chunk().size();
  if (to_everybody_) {
    for (const Ref<Feed>& feed : feeds_) {
      if (unkept_after_) {
        feed->unkept_posted(feed->post(call<&Feed::take_unkept_broadcast>(feed, event), size));
      } else {
        feed->post(call<&Feed::take_broadcast>(feed, event), size);
      }
    }
  }
  for (Subscription* each : receivers_) {
    if (each->live) {
      each->feed().post(call<&Subscription::take_event>(Ref<Subscription>(each), event), size);
    } else {
      Feed& feed = each->feed();
      feed.unkept_posted(feed.post(call<&Subscription::take_unkept>(Ref<Subscription>(each), event), size));
    }
  }
  return streams_;
}

SPATE_DECL void Delivery::find(const Members& members, const Audience& audience, std::string_view name) {
  to_everybody_ = audience.kind() == Audience::Kind::everybody;
  if (to_everybody_) {
    for (const Ref<Feed>& feed : feeds_) {
      if (unkept_after_) feed->expect_unkept(*unkept_after_);
      feed->expect_post();
    }
    streams_ = members.listeners(name);
    return;
  }
  const auto take = [&](Subscription& each) {
    if (!each.accepts(name)) return;
    ++streams_;
    if (!each.live) {
      if (!unkept_after_) return;  // it will draw the event from the store
      each.feed().expect_unkept(*unkept_after_);
    }
    receivers_.push_back(&each);
    each.feed().expect_post();
  };
  // Polls that are graced will ask the store for it.
  if (is_of_topics(audience)) {
    return members.topics().for_each(audience, sequence_, [&](const TopicMember& member) {
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
