// SqliteHistory: what a SqliteReplayStore keeps, between the emitter, which must not wait, and two threads that do.
//
// What is sent waits in `pending_` for the writer, and what is asked for in `questions_` for the reader. What has been
// written is left in `done_`, and what was read in the question, from where it is taken under the emitter's lock: so
// between `at_hand` and the `fetch` that follows nothing changes. A question is answered when all that it is about has
// been written or has failed.
//
// An answer waits until whoever asked for it asks again, with all else that they asked for, and goes into the cache
// only then: so it is there when it is wanted, however many others ask. The reader does not read much beyond that.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/history/detail/process_mark.hpp>
#include <spate/history/replay_store.hpp>
#include <spate/history/sqlite/detail/history_reader.hpp>
#include <spate/history/sqlite/detail/history_writer.hpp>
#include <spate/history/sqlite/detail/track_cache.hpp>
#include <spate/history/sqlite/detail/track_merge.hpp>
#include <spate/history/sqlite_options.hpp>

namespace spate::detail {

/// What the members of the store do is said at ReplayStore and SqliteReplayStore. Threads: the Emitter's lock, where
/// nothing else is said.
class SqliteHistory {
 public:
  using Status = SqliteStatus;
  using Settled = ReplayStore::Settled;
  using Waiter = ReplayStore::Waiter;

  explicit SqliteHistory(SqliteOptions&& options);
  ~SqliteHistory();

  Status status() const;  // any thread

  /// Whether this is a child of the process that has the file. Then it is left as it is, and what was in memory too.
  bool forked() const noexcept { return process_.forked(); }

  std::string_view epoch() const noexcept { return epoch_; }
  std::uint64_t newest() const noexcept { return visible_; }
  std::uint64_t newest_given() const noexcept { return newest_given_; }
  bool has_given(std::uint64_t sequence) const noexcept;
  bool delivers_first() const noexcept;

  void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event);
  void skip(std::uint64_t sequence);

  void on_settled(std::function<void()>&& settled);
  void settle(std::vector<Settled>& settled);

  bool at_hand(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes, const Waiter& waiter);
  bool newest_at_hand(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes, const Waiter& waiter);

  template <typename Visit>
  std::uint64_t fetch(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes, Visit&& visit) {
    begin_merge(TrackMerge::Direction::forward, subscriber, after);
    const bool complete = take(max_bytes, visit);
    // Whoever asks for what is not at hand is told that it is missing: they would not come back for it.
    const std::uint64_t missing = complete ? merge_.discarded() : visible_;
    return std::max(marked(subscriber), missing);
  }
  template <typename Visit>
  void fetch_newest(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes, Visit&& visit) {
    begin_merge(TrackMerge::Direction::backward, subscriber, before);
    take(max_bytes, visit);
  }
  std::uint64_t discarded(const Subscriber& subscriber);

 private:
  // Somebody waits for the answers to some questions.
  struct Waiting {
    std::size_t left;
    std::function<void()> ready;
  };

  struct Question {
    HistoryReader::Question what;
    std::string key;          // of the track, and the direction
    std::uint64_t place = 0;  // where it begins
    // Of the track: what was read is not for a later one, which may not have been told what went meanwhile.
    std::uint64_t stay = 0;
    bool answered = false;
    TrackCache::Found found;
    std::size_t bytes = 0;                              // which that takes; 0 when it has been taken, or let go
    std::size_t takers = 1;                             // who have not
    std::list<std::shared_ptr<Question>>::iterator at;  // in `found_`, unless it has
    std::vector<std::shared_ptr<Waiting>> waiting;
  };

  struct Known {
    std::shared_ptr<Question> question;
    bool answered = false;
  };

  // What became of some events.
  struct Done {
    std::vector<Settled> settled;
    std::uint64_t up_to = 0;
    std::vector<HistoryWriter::Trimmed> trimmed;
    std::vector<PendingEvent> failed;
    bool unknown = false;  // what was taken out
  };

  // ---- under the emitter's lock ----

  static const SqliteOptions& checked(const SqliteOptions& options);
  void take_done();
  void apply_taken();
  void apply(Done& done);
  void let_go(Question& question);
  void take_answer(Question& question);
  void push(PendingEvent&& pending);
  UnixMilliseconds moment();
  void begin_merge(TrackMerge::Direction direction, const Subscriber& subscriber, std::uint64_t start);
  bool ask(TrackMerge::Direction direction, const Subscriber& subscriber, std::uint64_t start, std::size_t max_bytes,
           const Waiter& waiter);
  void put(HistoryReader::Question&& what, const std::shared_ptr<Waiting>& waiting);
  static std::string key_of(TrackName name, bool newest_first);
  Known find_asked(const HistoryReader::Question& wanted, const std::shared_ptr<Waiting>& waiting);
  std::uint64_t marked(const Subscriber& subscriber);

  // Visits what is at hand, one event at least, and no more than `max_bytes` of them otherwise. Returns false when
  // there was none, though there may be some.
  template <typename Visit>
  bool take(std::size_t max_bytes, Visit&& visit) {
    std::size_t bytes = 0, count = 0;
    while (const TrackEvent* event = merge_.next()) {
      const std::size_t size = event->event.bytes().size();
      if (count > 0 && bytes + size > max_bytes) return true;
      bytes += size;
      ++count;
      visit(*event, merge_.kind());
    }
    return count > 0 || merge_.complete();
  }

  template <typename Visit>
  void for_each_track_of(const Subscriber& subscriber, Visit&& visit) const {
    if (!subscriber.user.empty()) {
      visit(TrackName{TrackKind::user, subscriber.user}, 0);
      for (const std::size_t length : lengths_) {
        if (length > subscriber.user.size()) break;
        visit(TrackName{TrackKind::group, subscriber.user.substr(0, length)}, 0);
      }
      visit(TrackName{TrackKind::everybody, {}}, 0);
    }
    for (const JoinedTopic& joined : subscriber.topics) visit(TrackName{TrackKind::topic, joined.name}, joined.since);
  }

  // ---- threads ----

  // What fails there for want of memory is tried again: else the process would end, or somebody wait for ever.

  // Some events that were written, or not.
  struct Batch {
    std::size_t kept = 0;
    std::size_t bytes = 0;
    bool writes = false;
  };

  void write();
  void write_batch(std::span<PendingEvent> batch);
  static Batch count(std::span<const PendingEvent> batch, Done& done);
  void fail(std::span<PendingEvent> batch, Done& done, const std::error_code& error);
  bool tidy();
  void checkpoint();
  void report(Done&& done, std::string&& reason) SPATE_REQUIRES(mutex_);
  void tell_settled();
  void read();
  void start();
  void stop();
  void take_questions(std::vector<std::shared_ptr<Question>>& questions) SPATE_REQUIRES(mutex_);
  void wait_for_room() SPATE_REQUIRES(mutex_);
  void tell_found(std::span<const std::shared_ptr<Question>> questions, std::vector<std::function<void()>>& ready);

  SqliteOptions options_;  // constant, once it is made
  const ProcessMark process_;

  // Under the emitter's lock.
  std::string epoch_;
  std::uint64_t newest_given_ = 0;
  std::uint64_t visible_ = 0;
  UnixMilliseconds newest_at_ = 0;   // when the newest event was sent
  std::uint64_t discarded_ = 0;      // of any audience
  std::uint64_t discarded_all_ = 0;  // up to there something may be missing for anybody
  std::vector<std::pair<std::uint64_t, std::uint64_t>> holes_;
  std::vector<std::size_t> lengths_;  // of the prefixes of groups, in order
  TrackCache cache_;
  TrackMerge merge_;
  std::optional<UnixMilliseconds> asked_at_;  // of what is at hand, until it is fetched
  // By track and direction, and where they begin.
  std::unordered_map<std::string, std::multimap<std::uint64_t, std::shared_ptr<Question>>> asked_;
  mutable std::optional<bool> said_first_;  // by `delivers_first`, of the event that is appended next
  std::vector<Settled> settled_;
  // What the threads have done, and has not been reckoned with yet, for want of memory.
  std::vector<Done> taken_;
  std::size_t applied_ = 0;  // of these
  std::vector<std::shared_ptr<Question>> let_go_;

  // What the threads share. These two are changed under the lock, and read without it.
  std::atomic<std::size_t> pending_bytes_{0};
  std::atomic<std::uint64_t> reserved_{0};
  mutable Mutex mutex_;
  std::condition_variable_any appended_, asked_for_;  // what the writer and the reader wait for
  std::vector<PendingEvent> pending_ SPATE_GUARDED_BY(mutex_);
  // Whether they are to be woken: whoever does so clears it, so that one of many is enough.
  bool writer_waits_ SPATE_GUARDED_BY(mutex_) = false;
  bool reader_waits_ SPATE_GUARDED_BY(mutex_) = false;
  bool stopping_ SPATE_GUARDED_BY(mutex_) = false;
  bool log_is_long_ SPATE_GUARDED_BY(mutex_) = false;         // the reader is to move it
  bool log_is_moved_ SPATE_GUARDED_BY(mutex_) = false;        // it has
  std::uint64_t written_up_to_ SPATE_GUARDED_BY(mutex_) = 0;  // or failed
  std::vector<Done> done_ SPATE_GUARDED_BY(mutex_);
  std::list<std::shared_ptr<Question>> found_ SPATE_GUARDED_BY(mutex_);  // the oldest answers first
  std::vector<std::shared_ptr<Question>> dropped_ SPATE_GUARDED_BY(mutex_);
  std::size_t found_bytes_ SPATE_GUARDED_BY(mutex_) = 0;
  std::deque<std::shared_ptr<Question>> questions_ SPATE_GUARDED_BY(mutex_);
  std::error_code keeping_failed_ SPATE_GUARDED_BY(mutex_);  // the last time
  Status status_ SPATE_GUARDED_BY(mutex_);

  // Held while it is called.
  Mutex settled_mutex_;
  std::function<void()> on_settled_ SPATE_GUARDED_BY(settled_mutex_);

  // The threads' own.
  std::unique_ptr<HistoryWriter> writer_;
  std::unique_ptr<HistoryReader> reader_;
  std::thread writer_thread_, reader_thread_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/sqlite/impl/sqlite_history.ipp>
#include <spate/history/sqlite/impl/sqlite_history_threads.ipp>
#endif
