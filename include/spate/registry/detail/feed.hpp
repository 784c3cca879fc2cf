// Feed: the part of an emitter that lives on one shard.
//
// A broadcast is appended to a log once for all members whose streams have the same framing, compressed or not: their
// lane. The feed then goes round the members of a lane in laps and gives each everything it has not had, in one write.
// Events that come during a lap reach the members still ahead in the same write as the earlier ones; a further lap
// follows for the others. The lanes of compressed streams share a sequence
// (`BroadcastSequence`), of which those who are not in step get their own bytes. Streams that need every event looked
// at one by one (filters, drop policies, polls, frames) are kept in a list of their own and served as the event
// arrives.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <asio/buffer.hpp>

#include <spate/config.hpp>
#include <spate/history/detail/replay_packer.hpp>
#include <spate/history/replay_store.hpp>
#include <spate/registry/detail/broadcast_log.hpp>
#include <spate/registry/detail/broadcast_sequence.hpp>
#include <spate/registry/detail/roster.hpp>
#include <spate/registry/detail/subscription.hpp>

namespace spate::detail {

class EmitterCore;

class Feed final : public Resident {
 public:
  Feed(Ref<Shard> shard, Ref<EmitterCore> emitter);
  SPATE_DECL ~Feed() override;  // where EmitterCore is complete

  Shard& shard() const noexcept { return *shard_; }
  EmitterCore& emitter() const noexcept { return *emitter_; }

  /// Any thread. Whether publishers may go on: no more than `max_bytes` have been published and not yet been given to
  /// every stream concerned, and nobody is held back.
  bool has_room(std::size_t max_bytes) const noexcept { return backlog_.load() <= max_bytes && !held_back_.load(); }

  // ---- any thread, under the emitter's lock ----

  /// Counts one event more that is about to be posted here.
  void expect_post() noexcept { ++expected_; }
  /// Reserves room in the inbox for those that were counted. Throws before it changes anything.
  void reserve_posts() {
    if (const std::size_t wanted = std::exchange(expected_, 0); wanted > 0 && shard_->reserve_posts(wanted))
      reserved_ = wanted;
  }
  /// Notes that one that is not kept is about to be posted here, for somebody who draws: it comes after what they are
  /// owed up to `newest`.
  void expect_unkept(std::uint64_t newest) {
    unkept_after_.push_back(newest);
    ++unkept_expected_;
  }
  /// It has been posted, or has not, as the shard has stopped.
  void unkept_posted(bool posted) noexcept {
    --unkept_expected_;
    if (!posted) unkept_after_.pop_back();
  }
  std::uint64_t next_unkept_position() noexcept;
  /// Gives back what was not used.
  void release_posts() noexcept;
  /// Posts an event of `size` bytes to this feed or to a subscription on its shard, into room that was reserved.
  /// Returns false when the shard has stopped.
  bool post(Message message, std::size_t size) noexcept;

  /// Shard only.
  void release_backlog(std::size_t bytes);

  // ---- shard only ----

  void join(Subscription& subscription);
  /// `subscription`, which has not joined, draws what it is owed.
  void begin_drawing(Subscription& subscription);
  /// Ends both.
  void leave(Subscription& subscription);

  /// A broadcast has arrived.
  void take_broadcast(EncodedEvent&& event);
  /// One that is not kept, so that those who draw do not find it in the store.
  void take_unkept_broadcast(EncodedEvent&& event);

  /// Where an event that is not kept, and has arrived for somebody who draws, has its place: after what they are owed
  /// up to there. They are asked for in the order in which they arrive.
  std::uint64_t take_unkept_position();

  SPATE_DECL Remaining flush(int& budget) override;

  SPATE_DECL void on_timer(TimePoint now) override;

  SPATE_DECL std::size_t on_cut() override;

  // Not everybody may have had a broadcast: they come back, and hear again what they missed.
  SPATE_DECL void on_failure(std::error_code error) override;

  /// The end of the log that `member` reads.
  BroadcastLog::Position end_for(const Subscription& member) const noexcept { return lane_of(member).log.end(); }

  /// What a subscription has just drawn from the store; kept here for its capacity.
  std::vector<StoredEvent>& batch() noexcept { return batch_; }

  /// What makes one piece of it, or has it already.
  ReplayPacker& packer() noexcept { return packer_; }

  /// Queues for `member` what it has not had, because something is to be queued after it.
  void queue_unread(Subscription& member);

  /// Adds to `body` what `member`, its sharer, has written past the queue, and keeps where something else comes now.
  void settle(const Subscription& member, GzipBody& body) const;
  /// Adds it alone: `member` has no more to do with the body.
  void add_sum(const Subscription& member, GzipBody& body) const noexcept;

  /// What `piece` holds, for compressed streams.
  Rendition::Piece compressed(ReplayPacker::Piece& piece, Framing framing);

 private:
  /// Members who are written the same bytes, and the lap that is under way among them.
  struct Lane {
    Roster<Subscription> members;
    BroadcastLog log;
    bool in_lap = false;
    BroadcastLog::Position lap_end;  // what every member will have had, at the least, when this lap ends
    std::size_t appended = 0;        // bytes of the backlog that wait for the next lap
    std::size_t under_way = 0;       // and that this one will have given to all
    std::uint64_t given = 0;         // byte of the log that all members have had
  };
  using Entry = BroadcastSequence::Entry;
  using Entries = std::deque<Entry>;

  std::size_t index_of(const Subscription& member) const noexcept {
    const StreamCore& stream = member.stream();
    return (stream.framing() == Framing::plain ? 1U : 0U) + (stream.gzip() != nullptr ? first_compressed : 0U);
  }
  bool is_compressed(const Lane& lane) const noexcept { return &lane >= lanes_ + first_compressed; }
  bool has_compressed_members() const noexcept { return !lanes_[2].members.empty() || !lanes_[3].members.empty(); }
  Lane& lane_of(const Subscription& member) noexcept { return lanes_[index_of(member)]; }
  const Lane& lane_of(const Subscription& member) const noexcept { return lanes_[index_of(member)]; }

  void begin_lap(Lane& lane);

  void end_lap(Lane& lane);

  // How often it is looked whether the streams have caught up, and how long they are waited for when all of them lag;
  // the fewer, the shorter: clients that only seem to read must not stop a publisher.
  static constexpr std::chrono::milliseconds hold_look{5};
  static constexpr std::chrono::duration<double> longest_hold{1};
  // How often it is looked whether nothing is broadcast any more.
  static constexpr std::chrono::seconds silence_look{6};

  void hold_back();
  void end_hold();

  // Of ten thousand members none is in a cache when its turn comes. They are on their way there while the kernel works
  // for those before: first the subscription, a turn later the stream that it points to, and then what its peer has.
  static void prefetch_next(const Lane& lane) noexcept;

  // Gives `member` everything up to the log's end: to the kernel when nothing else waits for it, else to its queue.
  void give(Lane& lane, Subscription& member, int& budget);

  void append_compressed(const EncodedEvent& event);
  void give_compressed(Lane& lane, Subscription& member, int& budget);
  // The first entry that `member` has not had.
  Entries::iterator first_unread(const Subscription& member) const noexcept;
  // Looks whether `member` takes what is in its lane as it is, from `entry` on.
  bool find_place(Subscription& member, const Entry& entry);
  // Into `rewritten_`: what `member`, who is not in step, has not had.
  void rewrite(const Subscription& member, Entries::iterator from);
  // Queues it but for the first `written` bytes, which have left.
  void queue_compressed(Lane& lane, Subscription& member, Entries::iterator from, bool in_step, std::size_t written);
  // Before `body.from` moves on.
  static void keep_window(GzipBody& body);
  void trim_sequence() noexcept;
  void watch_silence();
  void end_sequence() noexcept;

  void count(const Lane& lane, const Subscription& member) noexcept {
    const std::uint64_t events = lane.log.end().event - member.position.event;
    shard_->counters().deliveries.add(events);
    member.stream().note_events(events);
  }

  const Ref<Shard> shard_;
  const Ref<EmitterCore> emitter_;
  std::size_t expected_ = 0;  // posts for which room is to be reserved, and is; under the emitter's lock
  std::size_t reserved_ = 0;
  std::deque<std::uint64_t> unkept_after_;  // under the emitter's lock: of those on their way, in their order
  std::size_t unkept_expected_ = 0;         // and of these, those that are about to be posted
  std::atomic<std::size_t> backlog_{0};
  std::atomic<bool> held_back_{false};
  TimePoint held_since_;
  Ref<Feed> self_;  // while the timer is set, as it must not outlive this

  static constexpr std::size_t first_compressed = 2;
  Lane lanes_[4];  // chunked, plain; and both compressed
  std::unique_ptr<BroadcastSequence> sequence_;
  // Kept for their capacity.
  std::string rewritten_;
  std::vector<std::size_t> cuts_;  // where each entry ends there
  std::string piece_;
  Roster<Subscription> others_;
  Roster<Subscription> drawing_;
  std::vector<StoredEvent> batch_;
  ReplayPacker packer_;
  bool dirty_ = false;  // a lap is under way
  bool in_flush_ = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/feed.ipp>
#include <spate/registry/impl/feed_compressed.ipp>
#endif
