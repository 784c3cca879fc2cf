// Delivery: one event on its way to the streams that it is for.
//
// They are found before the event is kept, with room for it in each inbox that it goes to: from then on nothing
// fails, so whoever has its id gets it. Guarded by the emitter's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/audience.hpp>
#include <spate/registry/detail/feed.hpp>
#include <spate/registry/detail/members.hpp>
#include <spate/registry/detail/subscription.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

class Delivery {
 public:
  using Feeds = std::vector<Ref<Feed>>;
  using Receivers = std::vector<Subscription*>;

  /// Finds those of `members` whom the event `sequence`, of that `name` and for `audience`, is for. Those who draw from
  /// the store find it there; one that is not kept is posted to them as well, to come after what they are owed up to
  /// `unkept_after`. `receivers` is used for the time of the delivery, and is the caller's for its capacity.
  Delivery(const Members& members, const Feeds& feeds, Receivers& receivers, const Audience& audience,
           std::string_view name, std::uint64_t sequence = Topics::not_kept,
           std::optional<std::uint64_t> unkept_after = std::nullopt);
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;
  ~Delivery() { release_posts(); }

  /// Posts `event` to all of them; returns how many streams that are.
  std::size_t post(const EncodedEvent& event) noexcept;

 private:
  void find(const Members& members, const Audience& audience, std::string_view name);
  void release_posts() noexcept {
    for (const Ref<Feed>& feed : feeds_) feed->release_posts();
  }

  const Feeds& feeds_;
  Receivers& receivers_;
  std::size_t streams_ = 0;
  bool to_everybody_ = false;
  const std::uint64_t sequence_;
  const std::optional<std::uint64_t> unkept_after_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/delivery.ipp>
#endif
