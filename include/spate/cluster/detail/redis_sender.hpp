// RedisSender: brings events and commands to Redis, in order, and tells the fate of events.
//
// With a log each event is appended exactly once: its number says which one it is, so that it may be sent again when an
// answer is lost. When one fails, those after it fail too, and all are sent again. If replicas are to have it, Redis
// is asked for them with WAIT, once for all that it has appended since it was asked last. Without a log an event whose
// answer is lost is given up.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/cluster/bus.hpp>
#include <spate/cluster/detail/bus_message.hpp>
#include <spate/cluster/detail/log_id.hpp>
#include <spate/cluster/detail/outbox.hpp>
#include <spate/cluster/detail/redis_io.hpp>
#include <spate/cluster/detail/redis_keys.hpp>
#include <spate/cluster/detail/redis_log_recovery.hpp>
#include <spate/cluster/detail/redis_server_info.hpp>
#include <spate/cluster/detail/redis_session.hpp>
#include <spate/cluster/redis_options.hpp>
#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/error.hpp>

namespace spate::detail {

class RedisSender {
 public:
  struct Events {
    /// Redis has answered with an error.
    std::function<void(const std::string& why)> refused;
    /// Redis has appended this.
    std::function<void(std::uint64_t sequence, std::string_view message)> appended;
    /// Redis has no memory for an event of this size: makes some by trimming the log, or returns false.
    std::function<bool(std::size_t bytes)> make_room;
    /// Any thread, under the lock: something is about to wait, so that `send_more` is to be called afterwards. When it
    /// throws, nothing waits.
    std::function<void()> wake;
  };

  /// `origin` is the number of this process, `name` its text.
  RedisSender(RedisIo& io, const RedisOptions& options, const RedisKeys& keys, std::uint64_t origin,
              const std::string& name, Events events);

  // ---- any thread ----

  std::error_code push(const Audience& audience, const Event& event, Bus::Published done);
  std::error_code push(const UserCommand& command) { return push(BusMessageCodec::encode(command), {}, {}); }

  void report(BusStatus& status) const;

  // ---- on the strand ----

  void begin(std::shared_ptr<RedisSession> session, std::string epoch);

  /// The session is over.
  void end();

  /// Gives up all there is, for good.
  void close();

  void send_more();

  /// This node has read its own event from the log.
  void seen(std::uint64_t counter, std::uint64_t sequence);

  /// This node has read all of the log up to `newest`: what is confirmed and was not seen has been trimmed already.
  void reached_end(std::uint64_t newest);

  /// What Redis had confirmed is lost with the log.
  void log_lost() {
    complete_if([](const Confirmed&) { return true; });
  }

 private:
  /// Events on their way at a time: enough to fill the wire, few enough to be sent again.
  static constexpr std::size_t window = 256;
  /// An event for which Redis has no memory is given up after so many attempts if it is so large that others may well
  /// find room: it holds them up no longer. A small one waits until there is memory.
  static constexpr int max_attempts = 4;
  static constexpr std::size_t large = 16 * 1024;

  struct Confirmed {
    std::uint64_t counter;
    std::uint64_t sequence;  // 0: Redis said only that it has it
    Bus::Published done;
    int times_read = 0;  // all of the log, since then
  };

  // For `user` alone where that is known, else for all.
  std::error_code push(std::string message, std::string user, Bus::Published done);

  void append(const Outbox::Item& item);

  void took_append(const redisReply& reply);

  // It counts as published when this node has read it too: whoever then asks here for what is newest, has it. Takes
  // `done` when nothing can fail any more.
  template <typename TakeDone>
  void confirm(Confirmed&& confirmed, TakeDone&& take_done) {
    if (confirmed.counter <= seen_up_to_ && confirmed.sequence != 0) return take_done()({}, confirmed.sequence);
    const auto place = confirmed_.emplace(confirmed.counter, std::move(confirmed)).first;
    place->second.done = take_done();
  }

  // WAIT speaks of all that was appended before it.
  void ask_replicas();

  void took_replicas(const redisReply& reply, std::size_t asked);

  // Redis takes nothing of what is on its way after this one either.
  void failed(const std::string& why);

  void send_again_later();

  void send_again();

  // The oldest found no memory: there may be some if the log is shorter, or if this one goes.
  bool room_was_made();

  void relay(const Outbox::Item& item);

  // Redis has not begun with the oldest one. It keeps its place among those that fail like it: the others that are on
  // their way have passed it, and nothing else is sent before it.
  void put_back(const std::string& why);

  void send_the_rest();

  // All that is here is sent again, less what has been seen in the log, though Redis's answer was lost: a Redis that
  // has forgotten its last events would take it for new. Nobody knows whether replicas have that.
  void rewind() SPATE_EXCLUDES(mutex_);

  // It stays where it is until it is popped.
  const Outbox::Item& oldest() const;

  // Takes out the one that was answered, and notes how it went.
  Outbox::Item pop(const std::string& why);

  Outbox::Item pop_refused();

  // The oldest, one after the other, as long as `more`. Needs no memory.
  template <typename Predicate>
  void give_up(std::error_code error, Predicate&& more) SPATE_EXCLUDES(mutex_) {
    for (;;) {
      std::optional<Outbox::Item> item;
      {
        const Lock lock(mutex_);
        if (!more(std::as_const(outbox_))) return;
        item.emplace(outbox_.pop());
      }
      if (item->done) item->done(error, 0);
    }
  }

  template <typename Predicate>
  void complete_if(Predicate&& over) SPATE_EXCLUDES(mutex_) {
    std::map<std::uint64_t, Confirmed> all;
    for (auto at = confirmed_.begin(); at != confirmed_.end();) {
      const auto here = at++;
      if (over(here->second)) all.insert(confirmed_.extract(here));
    }
    for (const auto& [counter, each] : all) each.done({}, each.sequence);
  }

  const std::uint64_t origin_;
  const bool logs_;
  const bool routes_;
  const std::string kept_;
  const std::chrono::milliseconds again_after_;
  const std::size_t replicas_;
  const std::chrono::milliseconds replicas_within_;
  const RedisKeys& keys_;
  const std::string counter_key_;
  const Events events_;

  // ---- strand only ----

  const std::unique_ptr<RedisTimer> timer_;
  std::shared_ptr<RedisSession> session_;
  std::string epoch_;
  std::map<std::uint64_t, Confirmed> confirmed_;  // by number: confirmed by Redis, not yet read from the log
  std::deque<Confirmed> unreplicated_;            // likewise, but replicas are still awaited
  std::uint64_t seen_up_to_ = 0;                  // the last of its own that this node has read from the log
  std::size_t in_flight_ = 0;
  bool first_ = true;       // the next one to append is the first of its session, or after a failed one
  bool rewinding_ = false;  // one has failed: those after it are awaited, then it is sent again, and they if need be
  bool asks_replicas_ = false;
  bool full_ = false;               // it failed because Redis has no memory
  std::uint64_t without_room_ = 0;  // the last event that failed so
  int attempts_ = 0;                // to append it, since there was nothing left to trim

  mutable Mutex mutex_;
  Outbox outbox_ SPATE_GUARDED_BY(mutex_);
  std::string refusal_ SPATE_GUARDED_BY(mutex_);  // what Redis answered last, if it was an error
  std::uint64_t published_ SPATE_GUARDED_BY(mutex_) = 0;
  std::uint64_t refused_count_ SPATE_GUARDED_BY(mutex_) = 0;
  bool closed_ SPATE_GUARDED_BY(mutex_) = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/redis_sender.ipp>
#endif
