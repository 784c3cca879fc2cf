// The functions of feed.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/feed.hpp>

namespace spate::detail {

/// Says so while it lives.
class Flushing {
 public:
  explicit Flushing(bool& flag) noexcept : flag_(flag) { flag_ = true; }
  Flushing(const Flushing&) = delete;
  Flushing& operator=(const Flushing&) = delete;
  ~Flushing() { flag_ = false; }

 private:
  bool& flag_;
};

SPATE_DECL void Feed::release_posts() noexcept {
  expected_ = 0;
  for (; unkept_expected_ > 0; --unkept_expected_) unkept_after_.pop_back();
  if (const std::size_t unused = std::exchange(reserved_, 0); unused > 0) shard_->release_posts(unused);
}

SPATE_DECL bool Feed::post(Message message, std::size_t size) noexcept {
  if (reserved_ == 0) return false;
  --reserved_;
  backlog_.fetch_add(size, std::memory_order_relaxed);
  const bool posted = shard_->post_reserved(std::move(message));
  if (!posted) backlog_.fetch_sub(size, std::memory_order_relaxed);
  return posted;
}

SPATE_DECL void Feed::join(Subscription& subscription) {
  StreamCore& stream = subscription.stream();
  const StreamOptions& options = stream.options();
  // The logs hold the bytes of event streams: polls and frames are written otherwise.
  subscription.reads_broadcast_log = subscription.filter() == nullptr && stream.takes_events_as_they_are() &&
                                     options.overflow == Overflow::close && options.max_queued_events == 0;
  Lane& lane = lane_of(subscription);
  subscription.position = lane.log.end();
  (subscription.reads_broadcast_log ? lane.members : others_).add(subscription);
  subscription.joined = true;
}

SPATE_DECL void Feed::begin_drawing(Subscription& subscription) {
  if (subscription.drawing) return;
  drawing_.add(subscription);
  subscription.drawing = true;
}

SPATE_DECL void Feed::leave(Subscription& subscription) {
  if (subscription.drawing) {
    subscription.drawing = false;
    return drawing_.remove(subscription);
  }
  if (!subscription.joined) return;
  subscription.joined = false;
  if (!subscription.reads_broadcast_log) return others_.remove(subscription);
  Lane& lane = lane_of(subscription);
  if (GzipBody* body = subscription.stream().gzip(); body != nullptr && body->sharer == &subscription)
    subscription.lose_place(*body);
  lane.members.remove(subscription);
  // A shard that stops flushes no more: nobody is to wait for a lap without members.
  if (lane.members.empty() && lane.in_lap) end_lap(lane);
  if (!in_flush_ && !has_compressed_members()) end_sequence();
}

SPATE_DECL void Feed::take_broadcast(EncodedEvent&& event) {
  const std::size_t size = event.chunk().size();
  try {
    if (GzipPieces* gzip = shard_->gzip(); gzip != nullptr && others_.size() > 1) gzip->expect_many(event);
    others_.restart();
    while (!others_.round_over()) {
      const Subscription& other = others_.next();
      if (other.accepts(event.name())) other.stream().deliver(event, QueueNode::Kind::event);
    }
    if (has_compressed_members()) append_compressed(event);
    for (Lane& lane : lanes_) {
      if (lane.members.empty()) continue;
      if (!is_compressed(lane)) {
        const std::string_view bytes = &lane == lanes_ ? event.chunk() : event.bytes();
        lane.log.append(bytes, event.block(), bytes.size(), event.has_data());
      }
      lane.appended += size;
      backlog_.fetch_add(size, std::memory_order_relaxed);  // each lane gives back what it has done
      if (!lane.in_lap) begin_lap(lane);
      if (!dirty_) shard_->mark_dirty(Ref<Resident>(this));
      dirty_ = true;
    }
  } catch (...) {
    release_backlog(size);
    throw;
  }
  release_backlog(size);
}

SPATE_DECL void Feed::take_unkept_broadcast(EncodedEvent&& event) {
  const std::uint64_t newest = take_unkept_position();
  try {
    drawing_.restart();
    while (!drawing_.round_over()) {
      Subscription& each = drawing_.next();
      if (each.accepts(event.name())) each.stream().take_after(EncodedEvent(event), {Ref<StreamSource>(&each), newest});
    }
  } catch (...) {
    release_backlog(event.chunk().size());
    throw;
  }
  take_broadcast(std::move(event));
}

SPATE_DECL std::uint64_t Feed::next_unkept_position() noexcept {
  const std::uint64_t next = unkept_after_.front();
  unkept_after_.pop_front();
  return next;
}

SPATE_DECL Remaining Feed::flush(int& budget) {
  const Flushing flushing(in_flush_);
  for (Lane& lane : lanes_) {
    while (lane.in_lap) {
      while (!lane.members.round_over()) {
        if (budget <= 0) return Remaining::some;
        Subscription& member = lane.members.next();
        prefetch_next(lane);
        is_compressed(lane) ? give_compressed(lane, member, budget) : give(lane, member, budget);
      }
      if (lane.in_lap) end_lap(lane);
      if (lane.log.end().byte != lane.lap_end.byte) begin_lap(lane);
    }
  }
  dirty_ = false;
  if (!has_compressed_members()) end_sequence();
  if (sequence_) watch_silence();
  return Remaining::nothing;
}

SPATE_DECL void Feed::on_timer(TimePoint now) {
  if (!held_back_.load(std::memory_order_relaxed)) {
    const Ref<Feed> alive = std::move(self_);
    if (sequence_ && !sequence_->rest(now)) watch_silence();
    return;
  }
  const double overrun = shard_->overrun();
  if (now < held_since_ + overrun * longest_hold) return shard_->set_timer(*this, now + hold_look);
  const Ref<Feed> alive(this);
  end_hold();
  if (sequence_) watch_silence();
}

SPATE_DECL std::size_t Feed::on_cut() {
  end_hold();
  return 0;
}

SPATE_DECL void Feed::on_failure(std::error_code error) {
  dirty_ = false;  // it may have failed in a flush, after which it is not flushed again by itself
  for (Lane& lane : lanes_) {
    while (!lane.members.empty()) lane.members.any().stream().on_failure(error);
  }
  while (!others_.empty()) others_.any().stream().on_failure(error);
  while (!drawing_.empty()) drawing_.any().stream().on_failure(error);
}

SPATE_DECL void Feed::queue_unread(Subscription& member) {
  Lane& lane = lane_of(member);
  if (member.position.byte == lane.log.end().byte) return;
  if (is_compressed(lane)) {
    const auto entry = first_unread(member);
    const bool in_step = find_place(member, *entry);
    if (!in_step) rewrite(member, entry);
    return queue_compressed(lane, member, entry, in_step, 0);
  }
  count(lane, member);
  lane.log.read(member.position, [&](const BroadcastLog::Piece& piece) {
    member.stream().deliver_range(*piece.block, piece.bytes, piece.events);
    return true;
  });
  member.position = lane.log.end();
}

SPATE_DECL void Feed::begin_lap(Lane& lane) {
  lane.in_lap = true;
  lane.members.restart();
  lane.lap_end = lane.log.end();
  lane.under_way = std::exchange(lane.appended, 0);
}

SPATE_DECL void Feed::end_lap(Lane& lane) {
  lane.in_lap = false;
  // What came during the lap of members who have all left is nobody's.
  if (lane.members.empty()) {
    lane.lap_end = lane.log.end();
    lane.under_way += std::exchange(lane.appended, 0);
  }
  lane.log.trim(lane.lap_end);
  lane.given = lane.lap_end.byte;
  if (sequence_ && is_compressed(lane)) trim_sequence();
  release_backlog(std::exchange(lane.under_way, 0));
}

SPATE_DECL void Feed::prefetch_next(const Lane& lane) noexcept {
  if (const Subscription* third = lane.members.ahead(2)) third->prefetch();
  if (const Subscription* second = lane.members.ahead(1)) second->stream().prefetch();
  if (const Subscription* first = lane.members.ahead(0)) first->stream().prefetch_peer();
}

SPATE_DECL void Feed::give(Lane& lane, Subscription& member, int& budget) {
  const BroadcastLog& log = lane.log;
  if (member.position.byte == log.end().byte) return;
  StreamCore& stream = member.stream();
  const std::size_t members = lane.members.size();
  const auto gone = [&] { return lane.members.size() != members; };  // its stream has ended, and `member` with it
  if (stream.queue_empty() && !stream.blocked()) {
    asio::const_buffer buffers[ByteTransport::max_buffers];
    std::size_t pieces = 0, size = 0;
    log.read(member.position, [&](const BroadcastLog::Piece& piece) {
      buffers[pieces++] = asio::const_buffer(piece.bytes.data(), piece.bytes.size());
      size += piece.bytes.size();
      return pieces < ByteTransport::max_buffers;
    });
    const std::size_t written = stream.write_through(buffers, pieces, size, budget);
    if (gone()) return;
    if (written == size && pieces < ByteTransport::max_buffers) {
      count(lane, member);
      member.position = log.end();
      return;
    }
    member.position.byte += written;
  }
  queue_unread(member);
  stream.mark_dirty();
  if (stream.blocked()) stream.check_limits(log.newest_size());
}

}  // namespace spate::detail
