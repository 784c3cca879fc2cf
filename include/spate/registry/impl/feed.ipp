// The functions of feed.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/feed.hpp>

namespace spate::detail {

SPATE_DECL void Feed::release_posts() noexcept {
  expected_ = 0;
  if (const std::size_t unused = std::exchange(reserved_, 0); unused > 0) shard_->release_posts(unused);
}

SPATE_DECL void Feed::post(Message message, std::size_t size) noexcept {
  if (reserved_ == 0) return;  // the shard has stopped
  --reserved_;
  backlog_.fetch_add(size, std::memory_order_relaxed);
  if (!shard_->post_reserved(std::move(message))) backlog_.fetch_sub(size, std::memory_order_relaxed);
}

SPATE_DECL void Feed::join(Subscription& subscription) {
  StreamCore& stream = subscription.stream();
  const StreamOptions& options = stream.options();
  // The log holds the bytes of an event stream: polls and frames are written otherwise.
  subscription.reads_broadcast_log = subscription.filter() == nullptr && stream.takes_chunks() &&
                                     options.overflow == Overflow::close && options.max_queued_events == 0;
  subscription.position = log_.end();
  (subscription.reads_broadcast_log ? members_ : others_).add(subscription);
  subscription.joined = true;
}

SPATE_DECL void Feed::leave(Subscription& subscription) {
  subscription.joined = false;
  (subscription.reads_broadcast_log ? members_ : others_).remove(subscription);
  // A shard that stops flushes no more: nobody is to wait for a lap without members.
  if (members_.empty() && in_lap_) end_lap();
}

SPATE_DECL void Feed::take_broadcast(EncodedEvent&& event) {
  try {
    others_.restart();
    while (!others_.round_over()) {
      const Subscription& other = others_.next();
      if (other.accepts(event.name())) other.stream().deliver(event, QueueNode::Kind::event);
    }
    if (!members_.empty()) log_.append(event);
  } catch (...) {
    release_backlog(event.chunk().size());
    throw;
  }
  if (members_.empty()) return release_backlog(event.chunk().size());
  if (in_lap_) return;
  begin_lap();
  shard_->mark_dirty(Ref<Resident>(this));
}

SPATE_DECL Remaining Feed::flush(int& budget) {
  while (in_lap_) {
    while (!members_.round_over()) {
      if (budget <= 0) return Remaining::some;
      Subscription& member = members_.next();
      prefetch_next();
      give(member, budget);
    }
    if (in_lap_) end_lap();
    if (log_.end().byte != lap_end_.byte) begin_lap();
  }
  return Remaining::nothing;
}

SPATE_DECL void Feed::on_timer(TimePoint now) {
  const double overrun = shard_->overrun();
  if (now < held_since_ + overrun * longest_hold) return shard_->set_timer(*this, now + hold_look);
  end_hold();
}

SPATE_DECL std::size_t Feed::on_cut() {
  end_hold();
  return 0;
}

SPATE_DECL void Feed::on_failure(std::error_code error) {
  while (!members_.empty()) members_.any().stream().on_failure(error);
  while (!others_.empty()) others_.any().stream().on_failure(error);
}

SPATE_DECL void Feed::queue_unread(Subscription& member) {
  if (member.position.byte == log_.end().byte) return;
  count(member);
  log_.read(member.position, [&](const BroadcastLog::Piece& piece) {
    member.stream().deliver_range(*piece.block, piece.bytes, piece.events);
    return true;
  });
  member.position = log_.end();
}

SPATE_DECL void Feed::begin_lap() {
  in_lap_ = true;
  members_.restart();
  lap_begin_ = lap_end_;
  lap_end_ = log_.end();
}

SPATE_DECL void Feed::end_lap() {
  in_lap_ = false;
  // What came during the lap of members who have all left is nobody's.
  if (members_.empty()) lap_end_ = log_.end();
  log_.trim(lap_end_);
  release_backlog(static_cast<std::size_t>(lap_end_.byte - lap_begin_.byte));
}

SPATE_DECL void Feed::prefetch_next() const noexcept {
  if (const Subscription* second = members_.ahead(1)) second->prefetch();
  if (const Subscription* first = members_.ahead(0)) first->stream().prefetch();
}

SPATE_DECL void Feed::give(Subscription& member, int& budget) {
  if (member.position.byte == log_.end().byte) return;
  StreamCore& stream = member.stream();
  const std::size_t members = members_.size();
  const auto gone = [&] { return members_.size() != members; };  // its stream has ended, and `member` with it
  if (stream.queue_empty() && !stream.blocked()) {
    asio::const_buffer buffers[ByteTransport::max_buffers];
    std::size_t pieces = 0, size = 0;
    log_.read(member.position, [&](const BroadcastLog::Piece& piece) {
      buffers[pieces++] = asio::const_buffer(piece.bytes.data(), piece.bytes.size());
      size += piece.bytes.size();
      return pieces < ByteTransport::max_buffers;
    });
    const std::size_t written = stream.write_through(buffers, pieces, size, budget);
    if (gone()) return;
    if (written == size && pieces < ByteTransport::max_buffers) {
      count(member);
      member.position = log_.end();
      return;
    }
    member.position.byte += written;
  }
  queue_unread(member);
  stream.mark_dirty();
  if (stream.blocked()) stream.check_limits(log_.newest_size());
}

}  // namespace spate::detail
