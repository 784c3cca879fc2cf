// The functions of gaps.hpp.
#pragma once

#include <utility>

#include <spate/config.hpp>
#include <spate/registry/detail/gaps.hpp>
#include <spate/stream/detail/gap_event.hpp>

namespace spate::detail {

SPATE_DECL EncodedEvent Gaps::tell(const Subscription& subscription, const std::string& requested, std::uint64_t next,
                                   std::uint64_t position, GapReason reason) {
  const StreamCore& stream = subscription.stream();
  const std::string oldest = next == 0 ? std::string() : history_.id_of(next);
  if (on_gap_) {
    hooks_.push(stream.shard_ref(), [function = on_gap_, gap = Gap{departures_.owner(subscription), requested, oldest,
                                                                   reason}] { (*function)(gap); });
  }
  const std::string& name = stream.options().gap_event;
  return name.empty() ? EncodedEvent()
                      : encode_gap(name, requested, oldest, to_string(reason), history_.id_of(position));
}

SPATE_DECL void Gaps::tell_live(Subscription& subscription, const std::string& requested, GapReason reason) {
  EncodedEvent gap = tell(subscription, requested, 0, history_.newest(), reason);
  if (gap) subscription.shard().post(call<&Subscription::tell_gap>(Ref<Subscription>(&subscription), std::move(gap)));
}

SPATE_DECL EncodedEvent Gaps::without_position(const Subscription& subscription, GapReason reason) {
  const std::string& name = subscription.stream().options().gap_event;
  return name.empty() ? EncodedEvent() : encode_gap(name, {}, {}, to_string(reason), {});
}

}  // namespace spate::detail
