// How events reach the client of a stream: queued under its overflow policy, drawn from its sources, written as far as
// the kernel takes them, or put into the answer of a poll.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

#include <spate/config.hpp>
#include <spate/stream/detail/stream_core.hpp>

namespace spate::detail {

SPATE_DECL void StreamCore::take_sent(EncodedEvent&& event) {
  if (held() != nullptr || holding_sources_.load(std::memory_order_relaxed) > 0) {
    return take(std::move(event), {}, {});
  }
  // It has been counted when it was posted: a sender neither counts it twice nor, meanwhile, not at all.
  queue_.arrive(event.chunk().size());
  deliver(std::move(event), QueueNode::Kind::event);
  queue_changed();
}

SPATE_DECL void StreamCore::note_drop() {
  if (!takes_events()) return;
  shard_->counters().dropped.add(1);
  queue_.note_gap();
}

SPATE_DECL void StreamCore::add_source(Ref<StreamSource> source) {
  if (!takes_events() || ending()) {
    source->stream_ended(reason());
    return;
  }
  sources_.add(std::move(source));
  mark_dirty();
}

SPATE_DECL void StreamCore::deliver(EncodedEvent event, QueueNode::Kind kind, Ref<SendWaiter> waiter) {
  if (!takes_events()) {
    if (waiter) waiter->done(Errc::stream_closed);
    return;
  }
  if (kind != QueueNode::Kind::replay) sources_.queue_unread();
  if (kind == QueueNode::Kind::event && !waiter && !make_room(event)) return;
  const std::uint32_t count = event.has_data() ? 1 : 0;
  if (count > 0 && queue_.take_gap()) push_gap(StreamQueue::gap(options(), event.id()));
  shard_->counters().deliveries.add(count);
  note_events(count);
  if (kind == QueueNode::Kind::replay) shard_->counters().replayed.add(count);
  push(kind, event, 1).waiter = std::move(waiter);
  queue_changed();
  mark_dirty();
}

SPATE_DECL void StreamCore::deliver_replay(Rendition::Piece piece, const EncodedEvent& first, std::uint32_t events) {
  if (!takes_events()) return;
  if (queue_.take_gap()) push_gap(StreamQueue::gap(options(), first.id()));
  shard_->counters().deliveries.add(events);
  note_events(events);
  shard_->counters().replayed.add(events);
  const std::uint32_t text = piece.sum.size;
  if (gzip_) about_to_queue();
  queue_.push_piece(*shard_, QueueNode::Kind::replay, std::move(piece), first, events);
  if (gzip_) gzip_->others += text;
  mark_dirty();
}

SPATE_DECL void StreamCore::count_for_log(std::uint64_t events) noexcept {
  seldom_->access->record.events += events;
}

SPATE_DECL bool StreamCore::pull() {
  // No further than what was sent directly meanwhile, which has its place there.
  sources_.pull(held() != nullptr && !held()->sends.empty() ? &held()->sends.front().after : nullptr);
  return !queue_.empty() || (held() != nullptr && release_held());
}

SPATE_DECL SourcePosition StreamCore::accepted_position() const {
  Ref<StreamSource> source = registration();
  const std::uint64_t position = source ? source->accepted() : 0;
  return {std::move(source), position};
}

SPATE_DECL bool StreamCore::post_event(EncodedEvent&& event) {
  if (holding_sources_.load(std::memory_order_acquire) == 0) {
    return shard_->post(call<&StreamCore::take_sent>(Ref<StreamCore>(this), std::move(event)));
  }
  return post_in_order(std::move(event), nullptr);
}

SPATE_DECL bool StreamCore::post_in_order(EncodedEvent&& event, Ref<SendWaiter> waiter) {
  SourcePosition after = holding_sources_.load(std::memory_order_acquire) == 0 ? SourcePosition() : accepted_position();
  return shard_->run(
      [self = Ref<StreamCore>(this), event = std::move(event), waiter = std::move(waiter),
       after = std::move(after)]() mutable { self->take(std::move(event), std::move(waiter), std::move(after)); },
      Ref<Resident>(this));
}

SPATE_DECL StreamCore::Held& StreamCore::hold() {
  if (!seldom().held) seldom_->held = std::make_unique<Held>();
  return *seldom_->held;
}

SPATE_DECL bool StreamCore::in_debt() const {
  return !held()->sends.empty() || sources_.owe({nullptr, StreamSource::everything});
}

SPATE_DECL void StreamCore::take_after(EncodedEvent&& event, SourcePosition after) {
  queue_.reserve(event.chunk().size());
  take(std::move(event), nullptr, std::move(after));
}

// Queues what was sent directly, or holds it until what was accepted before it has been queued.
SPATE_DECL void StreamCore::take(EncodedEvent&& event, Ref<SendWaiter> waiter, SourcePosition after) {
  // When it was sent nothing was held: it comes before all that is owed by now, and follows only what is owed to go
  // back.
  if (!after.source) after.source = registration();
  const bool counted = event && !waiter;  // by the sender, among what waits
  const std::size_t size = event ? event.chunk().size() : 0;
  if (!takes_events() || ending()) {
    if (counted) queue_.give_back(size);
    if (waiter) waiter->done(Errc::stream_closed);
    return;
  }
  const bool waits = (held() != nullptr && !held()->sends.empty()) || sources_.owe(after);
  if (event && !waits) {
    if (counted) queue_.arrive(size);
    deliver(std::move(event), QueueNode::Kind::event, std::move(waiter));
    return queue_changed();
  }
  if (counted && !make_room_to_hold(size)) {
    queue_.give_back(size);
    return;
  }
  hold().sends.push(std::move(event), std::move(waiter), std::move(after));
  mark_dirty();
}

// The overflow policy for what is held. Bytes were looked at when it was sent, for the policies that refuse.
SPATE_DECL bool StreamCore::make_room_to_hold(std::size_t size) {
  const StreamOptions& limits = options();
  HeldSends& sends = hold().sends;
  const auto full = [&] {
    return sends.events() > 0 && (sends.bytes() + size > limits.max_queued_bytes ||
                                  (limits.max_queued_events > 0 && sends.events() >= limits.max_queued_events));
  };
  if (!full()) return true;
  if (limits.overflow == Overflow::close) {
    overflow();
    return false;
  }
  if (limits.overflow == Overflow::drop_newest) {
    shard_->counters().dropped.add(1);
    sends.gap();
    return false;
  }
  while (full()) {
    queue_.give_back(sends.drop_oldest());
    shard_->counters().dropped.add(1);
  }
  return true;
}

// Queues what waits for nothing any more. The queue is empty, so that what was accepted before is with the kernel.
SPATE_DECL bool StreamCore::release_held() {
  while (held() != nullptr && !held()->sends.empty() && !sources_.owe(held()->sends.front().after)) {
    // Somebody who waits for this moment itself waits for the events before it to be written.
    if (!held()->sends.front().event && !queue_.empty()) break;
    HeldSends::Entry entry = held()->sends.pop();
    if (entry.after_gap) queue_.note_gap();
    if (!entry.event) {
      entry.waiter->done({});
      continue;
    }
    if (entry.droppable()) queue_.arrive(entry.size());
    deliver(std::move(entry.event), QueueNode::Kind::event, std::move(entry.waiter));
    queue_changed();
  }
  if (held() != nullptr && held()->sends.empty() && !ending()) {
    if (held()->sends.gap_at_end()) queue_.note_gap();
    let_go_of_held();
  }
  return !queue_.empty();
}

SPATE_DECL const Rendition& StreamCore::rendition() const noexcept {
  if (transport() == Transport::iframe) return *fallback().frames;
  return gzip_ ? shard_->gzip()->rendition(framing_) : rendition_of(framing_);
}

SPATE_DECL QueueNode& StreamCore::push(QueueNode::Kind kind, const EncodedEvent& event, std::uint32_t count) {
  if (!gzip_) return queue_.push(*shard_, kind, rendition(), event, count);
  about_to_queue();
  QueueNode& node = queue_.push(*shard_, kind, rendition(), event, count);
  gzip_->others += node.sum.size;
  return node;
}

SPATE_DECL void StreamCore::about_to_queue() {
  gzip_->about_to_queue();
  has_others_ = true;
}

// Whether `event` may be queued, after the policy did what it does.
SPATE_DECL bool StreamCore::make_room(const EncodedEvent& event) {
  const std::size_t size = event.chunk().size();
  if (!queue_.is_full(options(), size)) return true;
  // What has not been offered to the kernel yet does not wait for the client.
  if (!fsm_.blocked() && peer_) {
    int budget = 16;
    write_out(budget);
    if (fsm_.is_over()) return false;
    if (!queue_.is_full(options(), size)) return true;
  }
  const StreamQueue::Room room = queue_.make_room(*shard_, options(), event);
  if (room == StreamQueue::Room::overflow) overflow();
  return room == StreamQueue::Room::there;
}

SPATE_DECL void StreamCore::queue_changed() noexcept {
  queue_.changed(*shard_, options(), fsm_.blocked());
}

// Dirty until it is done, so that what is pulled meanwhile does not ask again.
SPATE_DECL Remaining StreamCore::flush(int& budget) {
  if (polling()) {
    --budget;
    answer_poll();
    if (sources_.awaits_pull()) {
      budget -= budget_of_empty_pull;
      return Remaining::bulk;
    }
  } else if (!fsm_.blocked() && write_out(budget)) {
    return Remaining::bulk;
  }
  dirty_ = false;
  return Remaining::nothing;
}

SPATE_DECL void StreamCore::on_writable() {
  if (!peer_ || !fsm_.blocked()) return;
  int budget = 16;
  if (write_out(budget)) mark_dirty();
}

// Writes until nothing is left, the transport is full, or the budget is spent. Returns whether more can be done now.
SPATE_DECL bool StreamCore::write_out(int& budget) {
  while (peer_) {
    if (queue_.empty()) {
      if (fsm_.phase() == StreamFsm::Phase::finishing) {
        finished();
        return false;
      }
      if (pull()) continue;
      if (sources_.awaits_pull()) {
        budget -= budget_of_empty_pull;
        return true;
      }
      if (!peer_ || !ending() || in_debt()) return false;
      perform(fsm_.nothing_owed(), EncodedEvent(held()->last));
      continue;
    }
    if (budget <= 0) return true;
    queue_.resolve_gaps(*shard_, options(), rendition());
    asio::const_buffer buffers[ByteTransport::max_buffers];
    const std::size_t count = queue_.gather(buffers, ByteTransport::max_buffers, max_per_write);
    std::size_t size = 0;
    for (std::size_t i = 0; i < count; ++i) size += buffers[i].size();
    const std::size_t written = write(buffers, count, size, budget);
    if (!peer_) return false;
    queue_.consume(*shard_, written, gzip());
    queue_changed();
    if (fsm_.blocked()) return false;
  }
  return false;
}

// One system call. Nothing more until on_writable once the transport is full.
SPATE_DECL std::size_t StreamCore::write(const asio::const_buffer* buffers, std::size_t count, std::size_t size,
                                         int& budget) {
  std::error_code error;
  const std::size_t written = peer_.write(buffers, count, size, error);
  budget -= peer_.cost_of_write(written);
  if (error && error != asio::error::would_block) {
    connection_lost(error == std::errc::broken_pipe ? std::error_code() : error);
    return 0;
  }
  const TimePoint now = shard_->now();
  const bool was_blocked = fsm_.blocked();
  if (written > 0) shard_->counters().bytes_sent.add(written);
  if (gzip_) shard_->counters().compressed_bytes.add(written);
  if (logged_) seldom_->access->wrote(written);
  if (!error) {
    fsm_.wrote(now);
  } else {
    fsm_.stalled(now, written, was_blocked ? 0 : peer_.unacknowledged());
    peer_.await_writable();
  }
  // The write deadline begins, or the heartbeat takes over from it. Otherwise a timer that is early is cheaper.
  if (fsm_.blocked() != was_blocked) shard_->set_timer(*this, next_moment());
  return written;
}

SPATE_DECL void StreamCore::wait_for_store() {
  fsm_.live_until(shard_->now() + max_wait_for_store);
  shard_->set_timer(*this, next_moment());
}

SPATE_DECL void StreamCore::answer_poll(PollEnd end) {
  if (fsm_.is_over()) return;
  do {
    queue_.resolve_gaps(*shard_, options(), rendition());
    queue_.for_each([&](const QueueNode& node) { fallback().answer.add(node); });
    queue_.clear(*shard_, {});
  } while (fallback().answer.size() < max_per_poll && pull());
  queue_changed();
  if (fsm_.is_over()) return;
  if (ending() && held()->last && !in_debt()) {
    push(QueueNode::Kind::replay, held()->last, 0);
    queue_.for_each([&](const QueueNode& node) { fallback().answer.add(node); });
    queue_.clear(*shard_, {});
  }
  if (fallback().answer.empty() && end != PollEnd::at_once) {
    fallback().end = std::max(fallback().end, end);
    if (fallback().end == PollEnd::when_there_is_something) return;
    if (sources_.busy() && !ending()) return;
    if (fallback().end == PollEnd::due && sources_.reads() && !ending()) return wait_for_store();
  }
  const Ref<AnswerSink> sink = pending_head()->sink;
  Response response = Response(200).content_type("application/json").body(fallback().answer.body());
  response.compress_apart(fallback().answer.parts());
  for (const auto& [name, value] : take_fields()) response.add_header(name, value);
  response.add_missing_headers({{"Cache-Control", "no-store"}});
  perform(fsm_.break_off(EndReason::completed, {}));
  sink->answer(std::move(response));
}

}  // namespace spate::detail
