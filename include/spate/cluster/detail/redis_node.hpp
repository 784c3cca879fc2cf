// RedisNode: what a RedisBus is made of: one session with Redis after the other, and what goes on over them.
//
// All of it runs on one strand; calls from other threads leave what they bring under a lock and wake the strand.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include <spate/cluster/bus.hpp>
#include <spate/cluster/detail/bus_message.hpp>
#include <spate/cluster/detail/checked_options.hpp>
#include <spate/cluster/detail/redis_census.hpp>
#include <spate/cluster/detail/redis_io.hpp>
#include <spate/cluster/detail/redis_keys.hpp>
#include <spate/cluster/detail/redis_log_follower.hpp>
#include <spate/cluster/detail/redis_log_recovery.hpp>
#include <spate/cluster/detail/redis_log_sizes.hpp>
#include <spate/cluster/detail/redis_log_tail.hpp>
#include <spate/cluster/detail/redis_presence.hpp>
#include <spate/cluster/detail/redis_pulse.hpp>
#include <spate/cluster/detail/redis_sender.hpp>
#include <spate/cluster/detail/redis_server_info.hpp>
#include <spate/cluster/detail/redis_session.hpp>
#include <spate/cluster/detail/redis_url.hpp>
#include <spate/cluster/redis_options.hpp>
#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/error.hpp>
#include <spate/loop/detail/clock.hpp>

namespace spate::detail {

class RedisNode : public std::enable_shared_from_this<RedisNode> {
 public:
  RedisNode(std::shared_ptr<RedisIo> io, RedisOptions options);

  const RedisOptions& options() const noexcept { return options_; }

  // ---- any thread ----

  std::error_code publish(const Audience& audience, const Event& event, Bus::Published done) {
    return sender_.push(audience, event, std::move(done));
  }

  std::error_code command(const UserCommand& command) { return sender_.push(command); }

  void changed(std::string_view user, std::size_t streams) { presence_.changed(user, streams); }

  void attach(std::shared_ptr<BusListener> listener);
  void detach();

  void ask_newest(Bus::Published done);

  void ask_users(std::function<void(std::error_code, std::vector<UserStreams>)> done);
  void ask_counts(std::function<void(std::error_code, UserCounts)> done);

  BusStatus status() const;

  void close();

 private:
  static std::uint64_t draw();

  static std::string hex(std::uint64_t number);

  void run(std::function<void(RedisNode&)> function);

  // Under the lock of what is about to wait, which the strand takes only when it is no longer awake: so none is missed,
  // however often this fails.
  void wake() SPATE_EXCLUDES(wake_mutex_);

  std::shared_ptr<BusListener> listener() const SPATE_EXCLUDES(mutex_);

  void tell(std::error_code error, const std::string& what) const SPATE_EXCLUDES(mutex_) {
    if (options_.on_bus_error) options_.on_bus_error(error, what);
  }
  std::function<void(const std::string&)> refusal_teller() {
    return [this](const std::string& why) { tell(Errc::bus_refused, why); };
  }

  // ---- sessions ----

  void connect();

  // What cannot be begun, as for want of memory, is begun again later.
  void connect_or_wait();

  // Looks what kind of Redis it is before it relies on it.
  void begin();

  // Who may not ask is told nothing here, and sees from the answers to what it does.
  void ask_server(std::function<void(RedisServerInfo&&)> then);

  // A Redis may become another one, or be set up in another way, while its connections stay.
  void look_again_later();

  void look_again();

  // Tells Redis what this node knows of the log, and hears which log there is. This comes before anything is written:
  // the leases show who was alive when Redis was last written to.
  void say_hello();

  static std::uint64_t number_of(const redisReply& id) noexcept { return LogId::parse(text_of(id)).value_or(0); }

  // No number of the log beyond it has been seen here.
  std::uint64_t known_position() const { return std::max(follower_.position(), tail_.newest()); }

  void begin_log(std::string_view epoch);

  // Before the lease is asked for, so that another process of this name is seen to listen.
  void begin_listening();

  // Up when nothing is missing that the mode needs. Without a lease a node cannot tell who is here; only unicasts that
  // are routed depend on that.
  void look_whether_up();

  // Not while its own users are on their way to Redis. One that waits to tell them may ask for the others'.
  bool may_ask_who_is_there() const noexcept;

  void presence_changed();

  void forget_log(std::string_view epoch);

  void up();

  void lost(std::error_code error, const std::string& why);

  void connect_later(bool lasted);

  // For everybody: what Redis says of another place is left out.
  static std::string reason_of(std::error_code error, const std::string& why);

  void end_session();

  void leave();

  // ---- receiving ----

  RedisSender::Events sender_events();

  RedisPresence::Events presence_events();

  RedisLogFollower::Events follower_events();

  void take_entry(std::uint64_t sequence, std::string_view text, std::chrono::milliseconds age);

  void tell_entry(std::uint64_t sequence, const BusMessage& message);

  std::uint64_t& newest_from(std::uint64_t origin);

  // Trims the log to so many bytes.
  bool trim_to(std::size_t bytes);

  // Redis is full. What it keeps of the log may be less than it is to keep, but not much less for one event.
  bool make_room(std::size_t bytes);

  void take_relayed(std::string_view text);

  std::optional<BusMessage> decode(std::string_view text);

  void count(const BusMessage& message);

  void skip(const std::string& what);

  /// How long nodes agree on the end of a log whose Redis has restarted, at the most. When another has taken over, also
  /// for as long as any of them may wait before it connects again.
  static constexpr std::chrono::milliseconds agreement_after_restart{1'000};
  static constexpr std::chrono::seconds look_again_after{2};
  /// Processes whose events are told apart; beyond it all are forgotten.
  static constexpr std::size_t max_publishers = 10'000;
  /// What a full Redis keeps of the log at least, and the least that is trimmed at a time.
  static constexpr std::size_t least_log_bytes = 1024 * 1024;
  static constexpr std::size_t least_room = 64 * 1024;

  const std::uint64_t origin_;
  const RedisUrl url_;
  const RedisOptions options_;
  const bool logs_;
  const RedisKeys keys_;
  const std::shared_ptr<RedisIo> io_;
  std::atomic<bool> closed_{false};
  Mutex wake_mutex_;
  bool awake_ SPATE_GUARDED_BY(wake_mutex_) = false;  // the strand will look for what waits

  // ---- strand only, but for what others may call of the sender and the presence ----

  std::mt19937_64 random_;
  const std::unique_ptr<RedisTimer> retry_timer_;
  const std::unique_ptr<RedisTimer> look_timer_;
  RedisSender sender_;
  RedisPresence presence_;
  RedisCensus census_;
  RedisPulse pulse_;
  RedisLogTail tail_;
  RedisLogSizes sizes_;
  RedisLogRecovery recovery_;
  RedisLogFollower follower_;
  std::unordered_map<std::uint64_t, std::uint64_t> newest_of_;  // by origin: the counter of its last event here
  std::uint64_t mark_ = 0;  // the log's last mark that this node has read, or is to read, or that was told to it
  RedisServerInfo server_;
  std::shared_ptr<RedisSession> session_;
  std::chrono::milliseconds retry_delay_{0};
  TimePoint up_since_;
  bool follows_ = false;   // it hears what others send: the log is read to its end, or its channels are subscribed to
  bool has_read_ = false;  // the listener has been told all of a log: what comes now is new
  bool up_ = false;
  bool was_up_ = false;
  bool passed_by_ = false;  // others may have sent past it, though it is up
  bool was_lost_ = false;   // since it was up, or since the beginning
  bool left_ = false;

  mutable Mutex mutex_;
  BusStatus status_ SPATE_GUARDED_BY(mutex_);     // less what the sender knows
  std::string trouble_ SPATE_GUARDED_BY(mutex_);  // why nobody is told of this node's users, if so
  std::shared_ptr<BusListener> listener_ SPATE_GUARDED_BY(mutex_);
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/redis_node.ipp>
#include <spate/cluster/impl/redis_node_receive.ipp>
#include <spate/cluster/impl/redis_node_session.ipp>
#endif
