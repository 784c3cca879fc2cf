// The functions of stream_queue.hpp.
#pragma once

#include <utility>

#include <spate/config.hpp>
#include <spate/stream/detail/gap_event.hpp>
#include <spate/stream/detail/stream_queue.hpp>

namespace spate::detail {

SPATE_DECL bool StreamQueue::is_full(const StreamOptions& limits, std::size_t size) const noexcept {
  return queue_.events() > 0 && (queue_.bytes() + size > limits.max_queued_bytes ||
                                 (limits.max_queued_events > 0 && queue_.events() >= limits.max_queued_events));
}

SPATE_DECL StreamQueue::Room StreamQueue::make_room(Shard& shard, const StreamOptions& limits,
                                                    const EncodedEvent& event) {
  const std::size_t size = event.chunk().size();
  if (limits.overflow != Overflow::close) {
    // Nobody misses what has no data: it never takes the place of an event, and leaves no gap.
    if (!event.has_data()) return Room::none;
    if (queue_.drop_comments(shard.nodes()) && !is_full(limits, size)) return Room::there;
  }
  std::size_t dropped = 0;
  switch (limits.overflow) {
    case Overflow::close: return Room::overflow;
    case Overflow::drop_newest: break;
    case Overflow::coalesce: dropped = queue_.drop_superseded(shard.nodes(), event.name()); [[fallthrough]];
    case Overflow::drop_oldest:
      while (is_full(limits, size) && queue_.drop_oldest(shard.nodes())) ++dropped;
      break;
  }
  const bool room = !is_full(limits, size);
  if (!room) {
    ++dropped;
    note_gap();
    queue_.drop_last_gap(shard.nodes());
  }
  shard.counters().dropped.add(dropped);
  return room ? Room::there : Room::none;
}

SPATE_DECL QueueNode& StreamQueue::push(Shard& shard, QueueNode::Kind kind, const Rendition& rendition,
                                        const EncodedEvent& event, std::uint32_t events) {
  return queue_.push(shard.nodes(), kind, rendition.of(event), event, events);
}

SPATE_DECL void StreamQueue::push_text(Shard& shard, std::string_view text) {
  if (text.empty()) return;
  Ref<Block> block = make_block(text);
  const std::string_view copy(block->data(), text.size());
  queue_.push(shard.nodes(), QueueNode::Kind::raw, Rendition::uncompressed(copy, std::move(block)), {}, 0);
}

SPATE_DECL void StreamQueue::push_constant(Shard& shard, std::string_view text) {
  if (!text.empty()) queue_.push(shard.nodes(), QueueNode::Kind::raw, Rendition::uncompressed(text), {}, 0);
}

SPATE_DECL void StreamQueue::resolve_gaps(Shard& shard, const StreamOptions& limits, const Rendition& rendition) {
  shard.counters().gaps.add(queue_.resolve_gaps([&](std::string_view id) {
    EncodedEvent event = gap(limits, id);
    Rendition::Piece piece = rendition.of(event);
    return std::pair(std::move(event), std::move(piece));
  }));
}

SPATE_DECL void StreamQueue::changed(Shard& shard, const StreamOptions& limits, bool blocked) noexcept {
  const std::size_t before = std::exchange(counted_, queue_.bytes());
  if (counted_ != before) waiting_.fetch_add(counted_ - before, std::memory_order_relaxed);
  // It lags with a quarter of what ends it. One that drops instead is never waited for.
  const bool lags = counted_ > limits.max_queued_bytes / 4 && limits.overflow == Overflow::close;
  if (std::exchange(lags_, lags) != lags) shard.count_lagging(lags ? 1 : -1);
  if (blocked) shard.counters().queue_high_water.raise_to(queue_.bytes());
}

SPATE_DECL EncodedEvent StreamQueue::gap(const StreamOptions& limits, std::string_view oldest) {
  if (limits.gap_event.empty()) return EncodedEvent(Event().comment("gap"));
  return encode_gap(limits.gap_event, {}, oldest, "overflow", {});
}

}  // namespace spate::detail
