// RedisPresence: tells Redis who has streams on this node, under a lease, so that the entries of a node that died go by
// themselves.
//
// A session begins with the lease. What Redis still has of an earlier session is taken out, all who are here are told,
// and from then on whoever comes and goes: one piece after the other, each of some hundred users, so that neither a
// node's loop nor Redis nor the emitter's lock is held for long, however many they are. While there is no session
// nothing is noted.
//
// A name that another process bears is waited for, and so is a Redis that takes no writes, for want of memory or of
// replicas: there is no place for this node then, but what it reads and sends may go on.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/cluster/bus.hpp>
#include <spate/cluster/detail/redis_io.hpp>
#include <spate/cluster/detail/redis_keys.hpp>
#include <spate/cluster/detail/redis_server_info.hpp>
#include <spate/cluster/detail/redis_session.hpp>
#include <spate/cluster/redis_options.hpp>
#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/error.hpp>

namespace spate::detail {

/// On the strand, but for `changed`.
class RedisPresence {
 public:
  enum class State : std::uint8_t {
    asking,    // for the lease, or there is no session
    waiting,   // another process has the lease, who may be dead, or Redis takes no writes
    clearing,  // taking out what an earlier session told
    telling,   // all who are here
    told,      // and from now on whoever comes and goes
  };

  struct Events {
    std::function<std::vector<UserStreams>(std::string_view after, std::size_t most)> users_here;
    std::function<std::size_t()> streams_here;
    /// `state()` or `trouble()` is another.
    std::function<void()> changed;
    /// The lease goes on.
    std::function<void()> renewed;
    /// Redis is full: makes some room, or returns false.
    std::function<bool()> make_room;
    /// Any thread, under the lock: something is about to be noted, so that `tell_changes` is to be called afterwards.
    std::function<void()> wake;
  };

  /// `origin` tells this process from all others.
  RedisPresence(RedisIo& io, const RedisOptions& options, const RedisKeys& keys, std::string origin, Events events);

  /// Any thread. Returns whether it was noted, to be told. When it throws, nothing is noted.
  bool changed(std::string_view user, std::size_t streams);

  State state() const noexcept { return state_; }
  /// What is waited for, if anybody needs to know; else empty.
  const std::string& trouble() const noexcept { return trouble_; }

  /// Where nodes listen to channels of their own, `session` does already.
  void begin(std::shared_ptr<RedisSession> session);

  void end();

  /// Takes everything of this node out of Redis; what it cannot at once, the other nodes do.
  void leave();

  /// Tells what has been noted.
  void tell_changes() {
    if (state_ == State::told) go_on();
  }

 private:
  /// Users in one piece.
  static constexpr std::size_t max_at_a_time = 500;
  static constexpr std::string_view at_a_time = "500";
  /// Between two renewals, so that a Redis that takes no writes any more is noticed soon.
  static constexpr std::chrono::milliseconds longest_interval{3'000};
  /// How often it is looked whether there is still something to wait for.
  static constexpr std::chrono::milliseconds waiting_look{500};
  static constexpr const char* rival_lives =
      "another node has this one's name; this one joins when that has stopped or its lease has ended";

  void renew();

  void took_lease(const redisReply& reply);

  void look_later();

  // The lease of one that died ends where it is. Where nodes listen to their channels, Redis has seen this one listen.
  void wait_for_rival(std::int64_t until);

  void wait_for(std::string trouble);

  void enter(State state);

  // The next piece, one at a time.
  void go_on();

  void clear();

  void tell_page();

  std::vector<UserStreams> take_changes();

  void tell(const std::vector<UserStreams>& users);

  void note(bool noting);

  // A node whose users cannot be told is none of the cluster's. But a Redis that takes no writes is read from, and may
  // take them soon.
  bool failed(const redisReply& reply, const char* what = "the users of this node cannot be told: ");
  void refuse(const std::string& why) { session_->fail(Errc::bus_refused, why); }

  const std::string origin_;
  const std::string lease_;
  const std::string log_age_;
  const std::string channel_;  // that this node listens to, if it does
  const std::chrono::milliseconds interval_;
  const RedisKeys& keys_;
  const Events events_;
  const std::unique_ptr<RedisTimer> timer_;
  std::shared_ptr<RedisSession> session_;
  State state_ = State::asking;
  bool busy_ = false;            // a piece is under way
  std::string last_told_;        // of all who are here
  std::int64_t users_told_ = 0;  // that Redis has
  std::string trouble_;
  std::int64_t rival_until_ = 0;  // the lease of who bears this node's name, in ms since 1970

  Mutex mutex_;
  bool noting_ SPATE_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::size_t> changed_ SPATE_GUARDED_BY(mutex_);
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/redis_presence.ipp>
#endif
