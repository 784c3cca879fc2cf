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
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>

#include <spate/cluster/bus.hpp>
#include <spate/cluster/detail/redis_keys.hpp>
#include <spate/cluster/detail/redis_server_info.hpp>
#include <spate/cluster/detail/redis_session.hpp>
#include <spate/cluster/redis_options.hpp>
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
  RedisPresence(const asio::any_io_executor& strand, const RedisOptions& options, const RedisKeys& keys,
                std::string origin, Events events)
      : origin_(std::move(origin)),
        lease_(std::to_string(options.lease.count())),
        log_age_(std::to_string(options.log_age.count())),
        channel_(options.mode == ClusterMode::durable ? std::string() : keys.to_node),
        interval_(std::min<std::chrono::milliseconds>(options.lease / 3, longest_interval)),
        keys_(keys),
        events_(std::move(events)),
        timer_(strand) {}

  /// Any thread. Returns whether it was noted, to be told. When it throws, nothing is noted.
  bool changed(std::string_view user, std::size_t streams) {
    const std::lock_guard lock(mutex_);
    if (!noting_) return false;
    events_.wake();
    changed_.insert_or_assign(std::string(user), streams);
    return true;
  }

  State state() const noexcept { return state_; }
  /// What is waited for, if anybody needs to know; else empty.
  const std::string& trouble() const noexcept { return trouble_; }

  /// Where nodes listen to channels of their own, `session` does already.
  void begin(std::shared_ptr<RedisSession> session) {
    session_ = std::move(session);
    renew();
  }

  void end() {
    session_ = nullptr;
    timer_.cancel();
    state_ = State::asking;
    busy_ = false;
    trouble_.clear();
    rival_until_ = 0;
    note(false);
  }

  /// Takes everything of this node out of Redis; what it cannot at once, the other nodes do.
  void leave() {
    if (!session_ || state_ == State::asking || state_ == State::waiting) return;
    session_->eval(RedisScript::leave, 4, {keys_.nodes, keys_.origins, keys_.streams, keys_.left, keys_.node, origin_},
                   {});
    session_->eval(RedisScript::forget, 5,
                   {keys_.nodes, keys_.origins, keys_.streams, keys_.left, keys_.members, keys_.prefix, at_a_time}, {});
  }

  /// Tells what has been noted.
  void tell_changes() {
    if (state_ == State::told) go_on();
  }

 private:
  /// Users in one piece.
  static constexpr std::size_t most_at_a_time = 500;
  static constexpr std::string_view at_a_time = "500";
  /// Between two renewals, so that a Redis that takes no writes any more is noticed soon.
  static constexpr std::chrono::milliseconds longest_interval{3'000};
  /// How often it is looked whether there is still something to wait for.
  static constexpr std::chrono::milliseconds waiting_look{500};
  static constexpr const char* rival_lives =
      "another node has this one's name; this one joins when that has stopped or its lease has ended";

  void renew() {
    // Only when nothing is under way is it known what Redis must have.
    const bool known = state_ == State::told && !busy_ && users_told_ > 0;
    const std::string streams = std::to_string(events_.streams_here());
    session_->eval(RedisScript::lease, 7,
                   {keys_.nodes, keys_.origins, keys_.streams, keys_.left, keys_.members, keys_.users, keys_.log,
                    keys_.prefix, keys_.node, origin_, lease_, streams, known ? "1" : "0", channel_, log_age_},
                   [this](const redisReply& reply) { took_lease(reply); });
  }

  void took_lease(const redisReply& reply) {
    if (failed(reply, "the lease cannot be kept: ")) return;
    if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 2) return refuse("the lease cannot be kept");
    const auto answer = reply.element[0]->integer;
    const bool waits = state_ == State::asking || state_ == State::waiting;
    if (answer < 0) {
      if (!waits) return session_->fail(Errc::bus_lost, "another node has taken this one's name");
      wait_for_rival(reply.element[1]->integer);
    } else if (waits) {
      trouble_.clear();
      enter(State::clearing);
      go_on();
    } else if (answer == 0) {
      return session_->fail(Errc::bus_lost, "Redis has lost what it was told of this node's users");
    } else {
      events_.renewed();
    }
    look_later();
  }

  void look_later() {
    if (!session_) return;
    timer_.expires_after(state_ == State::waiting ? std::min(waiting_look, interval_) : interval_);
    timer_.async_wait([this, weak = std::weak_ptr(session_)](std::error_code cancelled) {
      // A session that lives has an owner who lives, and this with him.
      const auto session = weak.lock();
      if (!cancelled && session && session == session_) session->guarded([this] { renew(); });
    });
  }

  // The lease of one that died ends where it is. Where nodes listen to their channels, Redis has seen this one listen.
  void wait_for_rival(std::int64_t until) {
    const bool lives = !channel_.empty() || (rival_until_ != 0 && until > rival_until_);
    rival_until_ = until;
    wait_for(lives ? rival_lives : trouble_);
  }

  void wait_for(std::string trouble) {
    trouble_ = std::move(trouble);
    note(false);
    enter(State::waiting);
  }

  void enter(State state) {
    state_ = state;
    events_.changed();
  }

  // The next piece, one at a time.
  void go_on() {
    if (!session_ || busy_) return;
    switch (state_) {
      case State::asking:
      case State::waiting: return;
      case State::clearing: return clear();
      case State::telling: return tell_page();
      case State::told: return tell(take_changes());
    }
  }

  void clear() {
    busy_ = true;
    session_->eval(RedisScript::forget, 5,
                   {keys_.nodes, keys_.origins, keys_.streams, keys_.left, keys_.members, keys_.prefix, at_a_time,
                    keys_.node, origin_},
                   [this](const redisReply& reply) {
                     busy_ = false;
                     if (failed(reply)) return;
                     if (state_ != State::clearing) return;
                     if (reply.integer == 0) {
                       last_told_.clear();
                       note(true);  // before the first is told, so that nobody is missed
                       enter(State::telling);
                     }
                     go_on();
                   });
  }

  void tell_page() {
    std::vector<UserStreams> users = events_.users_here(last_told_, most_at_a_time);
    if (users.empty()) {
      last_told_ = {};
      enter(State::told);
      return go_on();
    }
    last_told_ = users.back().first;
    tell(users);
  }

  std::vector<UserStreams> take_changes() {
    const std::lock_guard lock(mutex_);
    std::vector<UserStreams> users;
    while (!changed_.empty() && users.size() < most_at_a_time) {
      auto user = changed_.extract(changed_.begin());
      users.emplace_back(std::move(user.key()), user.mapped());
    }
    return users;
  }

  void tell(const std::vector<UserStreams>& users) {
    if (users.empty()) return;
    const std::string streams = std::to_string(events_.streams_here());
    std::vector<std::string> counts;
    counts.reserve(users.size());
    for (const UserStreams& user : users) counts.push_back(std::to_string(user.second));
    std::vector<std::string_view> words{keys_.users, keys_.members, keys_.origins, keys_.streams,
                                        keys_.node,  origin_,       lease_,        streams};
    for (std::size_t i = 0; i < users.size(); ++i) {
      words.emplace_back(users[i].first);
      words.emplace_back(counts[i]);
    }
    busy_ = true;
    session_->eval(RedisScript::presence, 4, words, [this](const redisReply& reply) {
      busy_ = false;
      if (failed(reply)) return;
      users_told_ = reply.integer;
      go_on();
    });
  }

  void note(bool noting) {
    std::map<std::string, std::size_t> dropped;  // behind the lock
    const std::lock_guard lock(mutex_);
    noting_ = noting;
    dropped.swap(changed_);
  }

  // A node whose users cannot be told is none of the cluster's. But a Redis that takes no writes is read from, and may
  // take them soon.
  bool failed(const redisReply& reply, const char* what = "the users of this node cannot be told: ") {
    if (!session_) return true;
    if (reply.type != REDIS_REPLY_ERROR) return false;
    if (RedisServerInfo::takes_no_writes(text_of(reply))) {
      wait_for(RedisServerInfo::explained(text_of(reply)));
      if (!session_) return true;
      if (text_of(reply).starts_with("OOM ") && events_.make_room()) {
        renew();
      } else {
        look_later();
      }
      return true;
    }
    refuse(what + std::string(text_of(reply)));
    return true;
  }
  void refuse(const std::string& why) { session_->fail(Errc::bus_refused, why); }

  const std::string origin_;
  const std::string lease_;
  const std::string log_age_;
  const std::string channel_;  // that this node listens to, if it does
  const std::chrono::milliseconds interval_;
  const RedisKeys& keys_;
  const Events events_;
  asio::steady_timer timer_;
  std::shared_ptr<RedisSession> session_;
  State state_ = State::asking;
  bool busy_ = false;            // a piece is under way
  std::string last_told_;        // of all who are here
  std::int64_t users_told_ = 0;  // that Redis has
  std::string trouble_;
  std::int64_t rival_until_ = 0;  // the lease of who bears this node's name, in ms since 1970

  std::mutex mutex_;
  bool noting_ = false;
  std::map<std::string, std::size_t> changed_;
};

}  // namespace spate::detail
