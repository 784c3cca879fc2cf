// What a subscription and its feed do on their shard: begin, replay, go live, end. Defined where EmitterCore is
// complete.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/registry/detail/emitter_core.hpp>

namespace spate::detail {

SPATE_DECL Feed::Feed(Ref<Shard> shard, Ref<EmitterCore> emitter)
    : shard_(std::move(shard)), emitter_(std::move(emitter)) {}
SPATE_DECL Feed::~Feed() = default;

SPATE_DECL void Feed::release_backlog(std::size_t bytes) {
  backlog_.fetch_sub(bytes);
  if (shard_->overrun() > 0) hold_back();
  emitter_->backlog_released();
}

SPATE_DECL std::uint64_t Feed::take_unkept_position() {
  return emitter_->take_unkept_position(*this);
}

SPATE_DECL void Feed::hold_back() {
  if (held_back_.load(std::memory_order_relaxed)) return;
  try {
    shard_->set_timer(*this, shard_->now() + hold_look);
  } catch (...) {
    return;  // without memory for a timer nobody would end it
  }
  if (shard_->timer_at(*this) == never) return;  // the shard stops
  self_ = Ref<Feed>(this);
  held_since_ = shard_->now();
  held_back_.store(true);
}

SPATE_DECL void Feed::end_hold() {
  const Ref<Feed> alive = std::move(self_);
  held_back_.store(false);
  emitter_->backlog_released();
}

SPATE_DECL Poll::Poll(Ref<Feed> feed, std::string_view name) : feed_(std::move(feed)), client_(name) {}
SPATE_DECL Poll::~Poll() = default;

SPATE_DECL void Poll::begin_grace() {
  Shard& shard = feed_->shard();
  try {
    shard.set_timer(*this, shard.now() + feed_->emitter().options().poll_grace);
  } catch (const std::bad_alloc&) {
  }
  // Without a timer, for want of memory or because the shard stops, nobody would end it.
  if (shard.timer_at(*this) == never) return insist([&] { feed_->emitter().remove(*this); });
  self_ = Ref<Poll>(this);
}

SPATE_DECL void Poll::end_grace() {
  const Ref<Poll> alive = std::move(self_);
  insist([&] { feed_->emitter().remove(*this); });  // nobody would do it later
}

SPATE_DECL void Poll::forget() {
  feed_->shard().set_timer(*this, never);
  self_ = nullptr;
}

SPATE_DECL void Poll::on_timer(TimePoint) {
  end_grace();
}

SPATE_DECL std::size_t Poll::on_cut() {
  end_grace();  // its client cannot ask again
  return 0;
}

SPATE_DECL Subscription::Subscription(Ref<Feed> feed, Ref<StreamCore> stream, std::vector<std::string> events,
                                      const std::vector<std::string>& topics)
    : filters_(!events.empty()), feed_(std::move(feed)), stream_(std::move(stream)) {
  if (filters_) {
    std::sort(events.begin(), events.end());
    events.erase(std::unique(events.begin(), events.end()), events.end());
    seldom_ = std::make_unique<Seldom>(std::move(events));
  }
  for (const std::string& topic : topics) Topics::note(obtain_topic_member(), topic);
}
SPATE_DECL Subscription::~Subscription() {
  if (seldom_ && seldom_->bell) seldom_->bell->let_go();
}

SPATE_DECL void Subscription::on_failure(std::error_code error) {
  stream_->on_failure(error);
}

SPATE_DECL void Subscription::settle(GzipBody& body) {
  feed_->settle(*this, body);
}

SPATE_DECL void Subscription::lose_place(GzipBody& body) noexcept {
  feed_->add_sum(*this, body);
  body.sharer = nullptr;
  in_step = false;
}

SPATE_DECL void Subscription::greet(EncodedEvent&& greeting) {
  if (!stream_->takes_events()) return;
  queue_unread();
  stream_->push_raw(greeting);
  stream_->mark_dirty();
}

SPATE_DECL void Subscription::tell_gap(EncodedEvent&& gap) {
  if (!stream_->takes_events()) return;
  queue_unread();
  stream_->push_gap(gap);
  stream_->mark_dirty();
}

SPATE_DECL void Subscription::join() {
  attached_ = true;
  stream_->add_source(Ref<Subscription>(this));  // which tells at once when the stream has ended
  if (attached_ && !replaying) feed_->join(*this);
  if (!attached_ || !replaying) return;
  feed_->begin_drawing(*this);
  stream_->mark_dirty();
}

SPATE_DECL void Subscription::wait() {
  attached_ = waiting_ = true;
  stream_->add_source(Ref<Subscription>(this));
  if (attached_) feed_->begin_drawing(*this);
  if (waiting_) feed_->shard().set_timer(*this, feed_->shard().now() + feed_->emitter().options().resume_wait);
}

SPATE_DECL void Subscription::search() {
  if (!waiting_ || searching_) return;
  reading_ = false;
  searching_ = true;
  feed_->shard().mark_dirty(Ref<Resident>(this));
}

SPATE_DECL void Subscription::begin_replay() {
  end_wait();
  if (!attached_) return;
  replaying = catches_up_ = true;
  stream_->mark_dirty();
}

SPATE_DECL void Subscription::fall_behind() {
  falls_behind_ = false;
  if (!attached_) return;
  queue_unread();
  feed_->leave(*this);
  feed_->begin_drawing(*this);
  replay = Replay{seldom_->behind_at, seldom_->behind_at};
  replaying = catches_up_ = true;
  stream_->mark_dirty();
}

SPATE_DECL void Subscription::answer_poll() {
  stream_->answer_poll_without_waiting();
}

SPATE_DECL void Subscription::store_is_ready() {
  if (!attached_) return;
  if (waiting_) return search();
  reading_ = false;
  stream_->mark_dirty();
}

SPATE_DECL Ref<StoreBell> Subscription::bell() {
  Ref<StoreBell>& bell = obtain_seldom().bell;
  if (!bell) bell = make_ref<StoreBell>(*this);
  return bell;
}

SPATE_DECL StoreBell::StoreBell(Subscription& subscription)
    : shard_(subscription.stream().shard_ref()), subscription_(&subscription) {}
SPATE_DECL StoreBell::~StoreBell() = default;

SPATE_DECL void StoreBell::ring() {
  // Nobody would do it later.
  insist([&] { shard_->post(call<&StoreBell::rung>(Ref<StoreBell>(this))); });
}

SPATE_DECL void StoreBell::let_go() noexcept {
  const Lock lock(mutex_);
  subscription_ = nullptr;
}

SPATE_DECL void StoreBell::rung() {
  if (const Ref<Subscription> subscription = this->subscription()) subscription->store_is_ready();
}

// Null when it goes, or has gone.
SPATE_DECL Ref<Subscription> StoreBell::subscription() {
  const Lock lock(mutex_);
  return Ref<Subscription>::try_make(subscription_);
}

SPATE_DECL std::function<void()> StoreWaiter::when_ready() const {
  return [bell = subscription_.bell()] { bell->ring(); };
}

SPATE_DECL void Subscription::go_live() {
  end_wait();
  if (attached_) {
    feed_->leave(*this);
    feed_->join(*this);
  }
  // Once: it may have to draw again already, which is the next that it is told. After its end there is none.
  if (holds_.load(std::memory_order_relaxed) == 0) return;
  holds_.fetch_sub(1, std::memory_order_relaxed);
  stream_->release_sends();
  stream_->mark_dirty();
}

SPATE_DECL void Subscription::take_event(EncodedEvent&& event) {
  feed_->release_backlog(event.chunk().size());
  if (attached_) stream_->deliver(std::move(event), QueueNode::Kind::event);
}

SPATE_DECL void Subscription::take_unkept(EncodedEvent&& event) {
  const std::uint64_t newest = feed_->take_unkept_position();
  feed_->release_backlog(event.chunk().size());
  if (attached_) stream_->take_after(std::move(event), {Ref<StreamSource>(this), newest});
}

SPATE_DECL void Subscription::detach() {
  const Ref<Subscription> alive(this);
  feed_->shard().set_timer(*this, never);
  if (!attached_) return;
  queue_unread();
  stream_->mark_dirty();
  feed_->leave(*this);
  attached_ = false;
  replaying = false;
  end_wait();
  release_all_sends();
  feed_->emitter().end_departure(*this);
  stream_->remove_source(*this);
}

// The next step of the search.
SPATE_DECL Remaining Subscription::flush(int& budget) {
  if (!searching_) return Remaining::nothing;
  budget -= budget_of_step;
  switch (feed_->emitter().search(*this)) {
    case Resume::Step::another: return Remaining::bulk;
    case Resume::Step::last: break;
    case Resume::Step::reads:
      searching_ = false;
      reading_ = true;
      break;
    case Resume::Step::waits:
      searching_ = false;
      feed_->shard().set_timer(*this, feed_->shard().now() + feed_->emitter().options().resume_wait);
  }
  return Remaining::nothing;
}

SPATE_DECL void Subscription::end_wait() {
  if (waiting_) feed_->shard().set_timer(*this, never);
  waiting_ = searching_ = awaits_pull_ = reading_ = false;
}

SPATE_DECL void Subscription::release_all_sends() noexcept {
  for (unsigned holds = holds_.exchange(0, std::memory_order_relaxed); holds > 0; --holds) stream_->release_sends();
}

SPATE_DECL std::uint64_t Subscription::accepted() const {
  return feed_->emitter().newest();
}

SPATE_DECL bool Subscription::leave() {
  if (!replaying && !waiting_ && !feed_->emitter().keeps_later()) return false;
  if (!feed_->emitter().depart_unless_live(*this)) return false;
  // One that was live draws as soon as it is told to.
  falls_behind_ = !replaying && !waiting_;
  return true;
}

SPATE_DECL bool Subscription::pull(std::uint64_t up_to) {
  if (joined) {
    if (!reads_broadcast_log || position.byte == feed_->end_for(*this).byte) return false;
    queue_unread();
    return true;
  }
  std::vector<StoredEvent>& batch = feed_->batch();
  ReplayPacker& packer = feed_->packer();
  const bool is_compressed = stream_->gzip() != nullptr && stream_->takes_events_as_they_are();
  const bool packs = stream_->takes_chunks() || is_compressed;
  awaits_pull_ = false;
  for (int times = 0; draws(up_to) && !reading_; ++times) {
    if (times == max_draws) {
      awaits_pull_ = true;
      break;
    }
    batch.clear();
    const CatchUp::Drawn drawn = feed_->emitter().draw(*this, up_to, packs && !filters_ ? &packer : nullptr, batch);
    ReplayPacker::Piece* piece = drawn.piece;
    replaying = drawn.more;
    catches_up_ = drawn.catches_up;
    reading_ = drawn.waits;
    replay.drawn_up_to = drawn.drawn_up_to;
    if (drawn.departed) feed_->shard().post(call<&Subscription::detach>(Ref<Subscription>(this)));
    if (drawn.gap) stream_->push_gap(drawn.gap);
    std::erase_if(batch, [&](const StoredEvent& stored) { return !accepts(stored.event.name()); });
    if (drawn.without_ids) {
      for (StoredEvent& stored : batch) stored.event = stored.event.without_id();
    }
    if (packs && !drawn.without_ids && batch.size() > 1) piece = &packer.pack(drawn.generation, batch);
    if (piece != nullptr) {
      const auto events = static_cast<std::uint32_t>(piece->sequences.size());
      stream_->deliver_replay(is_compressed ? feed_->compressed(*piece, stream_->framing())
                                            : Rendition::uncompressed(piece->chunks.bytes(), piece->chunks.block),
                              piece->events.front().event, events);
    } else {
      for (StoredEvent& stored : batch) stream_->deliver(std::move(stored.event), QueueNode::Kind::replay);
    }
    if (drawn.gap || piece != nullptr || !batch.empty()) return true;
  }
  return false;
}

SPATE_DECL void Subscription::queue_unread() {
  if (joined && reads_broadcast_log) feed_->queue_unread(*this);
}

SPATE_DECL void Subscription::stream_ended(EndReason reason) {
  const Ref<Subscription> alive(this);
  feed_->leave(*this);
  end_wait();
  attached_ = false;
  replaying = false;
  release_all_sends();
  Ref<Poll> poll;
  insist([&] { poll = feed_->emitter().remove_ended(*this, reason); });  // nobody would do it later
  if (poll) poll->begin_grace();
}

// It has waited as long as it may.
SPATE_DECL void Subscription::on_timer(TimePoint) {
  if (waiting_) feed_->emitter().stop_waiting(*this);
}

}  // namespace spate::detail
