// Feed: the part of an emitter that lives on one shard.
//
// A broadcast is appended to the feed's log once. The feed then goes round its members in laps and gives each
// everything it has not had, in one write. Events that come during a lap reach the members still ahead in the same
// write as the earlier ones; a further lap follows for the others. Streams that need every event looked at one by one
// (filters, drop policies, other framings) are kept in a second list and served as the event arrives.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <asio/buffer.hpp>

#include <spate/registry/detail/broadcast_log.hpp>
#include <spate/registry/detail/replay_packer.hpp>
#include <spate/registry/detail/roster.hpp>
#include <spate/registry/detail/subscription.hpp>
#include <spate/registry/replay_store.hpp>

namespace spate::detail {

class EmitterCore;

class Feed final : public Resident {
 public:
  inline Feed(Ref<Shard> shard, Ref<EmitterCore> emitter);
  inline ~Feed() override;  // where EmitterCore is complete

  Shard& shard() const noexcept { return *shard_; }
  EmitterCore& emitter() const noexcept { return *emitter_; }

  /// Any thread. Whether publishers may go on: no more than `most` bytes have been published and not yet been given to
  /// every stream concerned, and nobody is held back.
  bool has_room(std::size_t most) const noexcept { return backlog_.load() <= most && !held_back_.load(); }

  // ---- any thread, under the emitter's lock ----

  /// Counts one event more that is about to be posted here.
  void want_place() noexcept { ++wanted_; }
  /// Keeps places for those that were counted. Throws before it changes anything.
  void keep_places() {
    if (const std::size_t wanted = std::exchange(wanted_, 0); wanted > 0 && shard_->keep_places(wanted)) kept_ = wanted;
  }
  /// Gives back what was not used.
  void give_back_places() noexcept {
    wanted_ = 0;
    if (const std::size_t unused = std::exchange(kept_, 0); unused > 0) shard_->give_back_places(unused);
  }
  /// Posts `event` to this feed or to a subscription on its shard, into a place that was kept.
  void post(const Ref<Resident>& to, std::uint32_t what, const EncodedEvent& event) noexcept {
    if (kept_ == 0) return;  // the shard has stopped
    --kept_;
    const std::size_t size = event.chunk().size();
    backlog_.fetch_add(size, std::memory_order_relaxed);
    if (!shard_->post_kept(to, what, event)) backlog_.fetch_sub(size, std::memory_order_relaxed);
  }

  /// Shard only.
  inline void release_backlog(std::size_t bytes);

  // ---- shard only ----

  void join(Subscription& subscription) {
    StreamCore& stream = subscription.stream();
    const StreamOptions& options = stream.options();
    // The log holds the bytes of an event stream: polls and frames are written otherwise.
    subscription.reads_log = subscription.filter() == nullptr && stream.transport() == Transport::sse &&
                             stream.framing() == Framing::chunked && options.overflow == Overflow::close &&
                             options.max_queued_events == 0;
    subscription.position = log_.end();
    (subscription.reads_log ? members_ : others_).add(subscription);
    subscription.joined = true;
  }

  void leave(Subscription& subscription) {
    subscription.joined = false;
    (subscription.reads_log ? members_ : others_).remove(subscription);
    // A shard that stops flushes no more: nobody is to wait for a lap without members.
    if (members_.empty() && in_lap_) end_lap();
  }

  /// A broadcast has arrived.
  void receive(std::uint32_t, EncodedEvent&& event) override {
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

  Left flush(int& budget) override {
    while (in_lap_) {
      while (!members_.round_over()) {
        if (budget <= 0) return Left::some;
        Subscription& member = members_.next();
        prefetch_next();
        give(member, budget);
      }
      if (in_lap_) end_lap();
      if (log_.end().byte != lap_end_.byte) begin_lap();
    }
    return Left::nothing;
  }

  void on_timer(TimePoint now) override {
    const double overrun = shard_->overrun();
    if (now < held_since_ + overrun * longest_hold) return shard_->set_timer(*this, now + hold_look);
    end_hold();
  }

  bool on_cut() override {
    end_hold();
    return false;
  }

  // Not everybody may have had a broadcast: they come back, and hear again what they missed.
  void on_failure(std::error_code error) override {
    while (!members_.empty()) members_.any().stream().on_failure(error);
    while (!others_.empty()) others_.any().stream().on_failure(error);
  }

  BroadcastLog::Position end() const noexcept { return log_.end(); }

  /// What a subscription has just drawn from the store; kept here for its capacity.
  std::vector<StoredEvent>& batch() noexcept { return batch_; }

  /// What makes one piece of it, or has it already.
  ReplayPacker& packer() noexcept { return packer_; }

  /// Queues for `member` what it has not had, because something is to be queued behind it.
  void settle(Subscription& member) {
    if (member.position.byte == log_.end().byte) return;
    count(member);
    log_.read(member.position, [&](const BroadcastLog::Piece& piece) {
      member.stream().deliver_range(*piece.block, piece.bytes, piece.events);
      return true;
    });
    member.position = log_.end();
  }

 private:
  void begin_lap() {
    in_lap_ = true;
    members_.restart();
    lap_begin_ = lap_end_;
    lap_end_ = log_.end();
  }

  void end_lap() {
    in_lap_ = false;
    // What came during the lap of members who have all left is nobody's.
    if (members_.empty()) lap_end_ = log_.end();
    log_.trim(lap_end_);
    release_backlog(static_cast<std::size_t>(lap_end_.byte - lap_begin_.byte));
  }

  // How often it is looked whether the streams have caught up, and how long they are waited for when all of them lag;
  // the fewer, the shorter: clients that only seem to read must not stop a publisher.
  static constexpr std::chrono::milliseconds hold_look{5};
  static constexpr std::chrono::duration<double> longest_hold{1};

  inline void hold_back();
  inline void end_hold();

  // Of ten thousand members none is in a cache when its turn comes. They are on their way there while the kernel works
  // for the one before: first the subscription, a turn later the stream that it points to.
  void prefetch_next() const noexcept {
    if (const Subscription* second = members_.ahead(1)) second->prefetch();
    if (const Subscription* first = members_.ahead(0)) first->stream().prefetch();
  }

  // Gives `member` everything up to the log's end: to the kernel when nothing else waits for it, else to its queue.
  void give(Subscription& member, int& budget) {
    if (member.position.byte == log_.end().byte) return;
    StreamCore& stream = member.stream();
    const std::size_t members = members_.size();
    const auto left = [&] { return members_.size() != members; };  // its stream has ended, and `member` with it
    if (stream.queue_empty() && !stream.blocked()) {
      asio::const_buffer buffers[Poller::max_buffers];
      std::size_t pieces = 0, size = 0;
      log_.read(member.position, [&](const BroadcastLog::Piece& piece) {
        buffers[pieces++] = asio::const_buffer(piece.bytes.data(), piece.bytes.size());
        size += piece.bytes.size();
        return pieces < Poller::max_buffers;
      });
      const std::size_t written = stream.write_through(buffers, pieces, size, budget);
      if (left()) return;
      if (written == size && pieces < Poller::max_buffers) {
        count(member);
        member.position = log_.end();
        return;
      }
      member.position.byte += written;
    }
    settle(member);
    stream.mark_dirty();
    if (stream.blocked()) stream.check_limits(log_.newest_size());
  }

  void count(const Subscription& member) noexcept {
    shard_->counters().deliveries.add(log_.end().event - member.position.event);
  }

  const Ref<Shard> shard_;
  const Ref<EmitterCore> emitter_;
  std::size_t wanted_ = 0;  // places in the shard's inbox that are to be kept, and that are; under the emitter's lock
  std::size_t kept_ = 0;
  std::atomic<std::size_t> backlog_{0};
  std::atomic<bool> held_back_{false};
  TimePoint held_since_;
  Ref<Feed> self_;  // while the timer is set, as it must not outlive this

  Roster<Subscription> members_;
  Roster<Subscription> others_;
  BroadcastLog log_;
  std::vector<StoredEvent> batch_;
  ReplayPacker packer_;
  bool in_lap_ = false;
  BroadcastLog::Position lap_begin_;  // what an earlier lap ended with
  BroadcastLog::Position lap_end_;    // what every member will have had, at the least, when this lap ends
};

}  // namespace spate::detail

// Where the members declared inline are defined.
#include <spate/registry/detail/emitter_core.hpp>
