// Subscription: one stream in one emitter.
//
// It is either replaying, that is, drawing from the store what the stream missed, or live. The change is made under the
// emitter's lock in the moment in which the store has nothing more: what was published before has been drawn, and what
// is published later comes after the change in the shard's inbox. So nothing is lost and nothing comes twice.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/detail/cursor.hpp>
#include <spate/history/subscriber.hpp>
#include <spate/registry/detail/broadcast_log.hpp>
#include <spate/registry/detail/store_waiter.hpp>
#include <spate/registry/detail/topics.hpp>
#include <spate/stream/detail/stream_core.hpp>

namespace spate::detail {

class Feed;
struct User;

/// What a topic was sent before a stream joined it, and the stream is to get all the same.
struct TopicCatchUp {
  JoinedTopic topic;         // what comes after `since`, which of the newest is looked for first
  std::uint64_t last = 0;    // no further
  Cursor requested;          // what was asked for, until it is known where that is
  std::uint64_t left = 0;    // so many of the newest are still to be found
  std::uint64_t before = 0;  // among those up to there
  std::uint64_t found = 0;   // the oldest of them so far
  bool resumes = false;      // after a cursor: then what is missing is told
  std::uint64_t told = 0;    // up to where that has been done
};

class Subscription final : public StreamSource {
 public:
  // Both where Feed is complete.
  Subscription(Ref<Feed> feed, Ref<StreamCore> stream, std::vector<std::string> events,
               const std::vector<std::string>& topics = {});
  SPATE_DECL ~Subscription() override;

  // ---- any thread ----

  bool accepts(std::string_view name) const noexcept;
  /// The names of the events it takes, sorted and each once; null when it takes all.
  const std::vector<std::string>* filter() const noexcept { return filters_ ? &seldom_->names : nullptr; }
  StreamCore& stream() const noexcept { return *stream_; }
  Feed& feed() const noexcept { return *feed_; }
  Shard& shard() const noexcept { return stream_->own_shard(); }
  /// Asks the processor for what a lap of the feed needs of it.
  void prefetch() const noexcept;

  // ---- under the emitter's lock ----

  User* user = nullptr;              // null once it is out of the registry
  Ref<Subscription> next;            // in the user's list
  Subscription* previous = nullptr;  // likewise; of the first one it is the last one

  /// Of one with a filter, while it draws: the event after which something is missing, until it is known what follows.
  std::optional<std::uint64_t> gap_after() const noexcept { return seldom_ ? seldom_->gap_after : std::nullopt; }
  void keep_gap(std::uint64_t after) noexcept { seldom_->gap_after = after; }
  void forget_gap() noexcept {
    if (seldom_) seldom_->gap_after.reset();
  }

  /// What it is to be drawn of topics that it joined late, before it goes on with what is newer.
  TopicCatchUp* topic_catch_up() noexcept {
    return seldom_ && !seldom_->catch_ups.empty() ? &seldom_->catch_ups.front() : nullptr;
  }
  void add(TopicCatchUp catch_up) { obtain_seldom().catch_ups.push_back(std::move(catch_up)); }
  /// It is live, and will draw again what comes after `newest`: what follows is that it falls behind.
  void go_back_to(std::uint64_t newest) { obtain_seldom().behind_at = newest; }
  void end_topic_catch_up() noexcept { seldom_->catch_ups.erase(seldom_->catch_ups.begin()); }
  /// It has left `topic`.
  void forget_topic_catch_up(std::string_view topic) noexcept;
  /// Another log begins, in which all that it is owed is newer than what it has joined.
  void begin_generation() noexcept {
    if (!seldom_) return;
    seldom_->catch_ups.clear();
    if (seldom_->member) seldom_->member->forget_since();
  }

  /// The topics that it has joined.
  std::span<const JoinedTopic> topics() const noexcept {
    return seldom_ && seldom_->member ? seldom_->member->joined() : std::span<const JoinedTopic>();
  }
  /// Null as long as it never joined one.
  TopicMember* topic_member() const noexcept { return seldom_ ? seldom_->member.get() : nullptr; }
  TopicMember& obtain_topic_member();
  std::unique_ptr<TopicMember> take_topic_member() noexcept;

  /// What is sent directly from now on waits until it has drawn what it is owed.
  void hold_sends() noexcept {
    holds_.fetch_add(1, std::memory_order_relaxed);
    stream_->hold_sends();
  }
  /// Its stream need not hold anything for it any more.
  void release_all_sends() noexcept;

  /// What tells it that the store is ready.
  Ref<StoreBell> bell();

  // ---- shard only ----

  // What is posted to it, from its beginning to its end.

  /// Queues `greeting` as the first event, in front of what the feed has for the stream.
  void greet(EncodedEvent&& greeting);
  /// Tells the client that events are missing.
  void tell_gap(EncodedEvent&& gap);
  /// Attaches to the stream, and joins the feed unless it has to draw first.
  void join();
  /// Attaches to the stream, and waits until it is known where it begins: what follows is one of the next three.
  void wait();
  /// Goes on with the search for where it begins.
  void search();
  /// Draws what it is owed from the store.
  void begin_replay();
  /// The same of one that is live: leaves the feed, to draw from where the emitter says.
  void fall_behind();
  /// The store has what it asked for. It may have come to its end meanwhile.
  void store_is_ready();
  /// Its client, who polls, is answered with what has been drawn for it by then.
  void answer_poll();
  /// Has drawn all that it was owed: joins the feed.
  void go_live();
  /// An event that is for this subscription alone.
  void take_event(EncodedEvent&& event);
  /// One that is not kept, sent while it drew: it comes after what was kept before it.
  void take_unkept(EncodedEvent&& event);
  /// It has left the registry and got what it was owed.
  void detach();

  // Declared inline here: otherwise the first would make every file that includes this emit all of it.
  SPATE_DECL std::uint64_t accepted() const override;
  bool owes(std::uint64_t up_to) const override { return waiting_ || falls_behind_ || draws(up_to); }
  SPATE_DECL bool pull(std::uint64_t up_to) override;
  bool busy() const override { return searching_ || awaits_pull_; }
  bool reads() const override { return reading_; }
  bool awaits_pull() const override { return awaits_pull_; }
  SPATE_DECL bool leave() override;
  SPATE_DECL void queue_unread() override;
  SPATE_DECL void stream_ended(EndReason reason) override;
  SPATE_DECL void on_timer(TimePoint now) override;
  SPATE_DECL Remaining flush(int& budget) override;
  SPATE_DECL void on_failure(std::error_code error) override;
  SPATE_DECL void settle(GzipBody& body) override;
  SPATE_DECL void lose_place(GzipBody& body) noexcept override;

  struct Replay {
    std::uint64_t drawn_up_to = 0;  // the newest event drawn from the store
    std::uint64_t told = 0;         // up to where it has been told that events are missing
  };
  union {
    Replay replay{};                  // until it is a member of the feed
    BroadcastLog::Position position;  // then: what the stream has been given
  };
  std::uint32_t index = 0;  // in the feed's list

  std::uint32_t generation = 0;  // under the emitter's lock: of the history in which `replay` counts

  // The flags lie together: ten thousand streams have ten thousand of these.
  bool live = true;         // under the emitter's lock: events are posted to it; otherwise it draws them from the store
  bool pending = false;     // under the emitter's lock: it waits until it can be said where it begins
  bool departed = false;    // under the emitter's lock: it has left the registry and draws what is owed to it
  bool replaying = false;   // there may be more to draw
  bool joined : 1 = false;  // in one of the feed's lists
  bool reads_broadcast_log : 1 = false;  // which one
  bool drawing : 1 = false;              // in the feed's list of those who draw, and then in none of the others
  bool in_step : 1 = false;              // compressed, and has had all that its lane refers to

 private:
  /// What few subscriptions need.
  struct Seldom {
    explicit Seldom(std::vector<std::string> events = {}) noexcept : names(std::move(events)) {}

    const std::vector<std::string> names;
    std::optional<std::uint64_t> gap_after;
    Ref<StoreBell> bell;
    std::unique_ptr<TopicMember> member;
    std::vector<TopicCatchUp> catch_ups;
    std::uint64_t behind_at = 0;  // where it goes on when it falls behind
  };
  Seldom& obtain_seldom();

  bool draws(std::uint64_t up_to) const noexcept { return replaying && (catches_up_ || replay.drawn_up_to < up_to); }
  void end_wait();

  // Draws of which nothing passed the filter, until others have their turn.
  static constexpr int max_draws = 8;
  static constexpr int budget_of_step = 4;

  // How often it counts among those for which its stream holds what is sent directly: one that is about to be live may
  // have to draw again already.
  std::atomic<std::uint8_t> holds_{0};
  const bool filters_;             // any thread: then `seldom_` is there from the beginning; else only under the lock
  bool attached_ : 1 = false;      // it is among its stream's sources
  bool waiting_ : 1 = false;       // until it is known where it resumes
  bool searching_ : 1 = false;     // for where it resumes: what it waits for is its own next step
  bool awaits_pull_ : 1 = false;   // until it is pulled again
  bool reading_ : 1 = false;       // until the store has what it asked for
  bool catches_up_ : 1 = false;    // with topics that it joined late
  bool falls_behind_ : 1 = false;  // it has departed, and will be told to draw what it is owed
  const Ref<Feed> feed_;
  const Ref<StreamCore> stream_;
  std::unique_ptr<Seldom> seldom_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/subscription.ipp>
#endif
