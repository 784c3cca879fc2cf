// RedisLogFollower: reads the log of a cluster from the last entry it knows, entry by entry, and notices what it
// misses.
//
// While it is behind it reads by a script that also tells how many entries the log ever had, so that it sees what was
// trimmed before it came. At the log's end it waits there, by XREAD. Right after that another script looks whether the
// log still has an entry that was read before: a log is trimmed from its beginning, so that none is missing after that
// one. Only then is the answer of XREAD told. If there is no such entry, the script that knows how many there were
// reads instead; it does so too after a full answer, and after a quiet second, in which the log may have been replaced.
//
// An id says when Redis appended its entry, and with what is read Redis tells what time it is there: so the age of each
// entry is known whatever the clocks of nodes say. What an answer takes on its way is not counted.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/cluster/detail/log_id.hpp>
#include <spate/cluster/detail/redis_session.hpp>
#include <spate/config.hpp>

namespace spate::detail {

class RedisLogFollower {
 public:
  struct Events {
    /// The next entry, and how long ago it was appended; less than zero when the clock of Redis was set back.
    std::function<void(std::uint64_t sequence, std::string_view message, std::chrono::milliseconds age)> entry;
    /// Entries up to this one are gone before they were read.
    std::function<void(std::uint64_t sequence)> trimmed;
    /// The next entry is a mark: some before it are lost.
    std::function<void(std::uint64_t sequence)> marked;
    /// An entry, of this id, is none that a node has written.
    std::function<void(std::string_view id)> garbled;
    /// All entries up to this one have been read.
    std::function<void(std::uint64_t newest)> reached_end;
  };

  RedisLogFollower(std::string epoch_key, std::string log_key, Events events)
      : epoch_key_(std::move(epoch_key)), log_key_(std::move(log_key)), events_(std::move(events)) {}

  const std::string& epoch() const noexcept { return epoch_; }
  std::uint64_t position() const noexcept { return position_; }

  /// The log is another one.
  void restart(std::string_view epoch);

  /// Follows over `session`, which it fails when Redis refuses or the log is another one.
  void follow(std::shared_ptr<RedisSession> session);

  void stop() { session_ = nullptr; }

 private:
  /// Entries and bytes, about, that it reads at a time while it is behind.
  static constexpr std::size_t batch = 1024;
  static constexpr std::size_t batch_bytes = 1024 * 1024;
  /// Entries that it reads at a time at the log's end, where nobody has looked how large they are.
  static constexpr std::size_t max_news = 32;
  static constexpr std::chrono::milliseconds quiet{1'000};

  enum class Kind : std::uint8_t { message, mark, garbled, of_another_log };
  template <typename Text>
  struct Entry {
    Kind kind;
    std::uint64_t sequence;  // 0 when it has none that can be read
    Text text;               // the message, or a garbled one's id
  };

  void catch_up();

  void took_batch(const redisReply& reply);

  void wait();

  void took_news(const redisReply& reply);

  void looked_behind(const redisReply& reply);

  // entry = [ id, [ "e", epoch, "m", message ] ], or a mark: [ id, [ "e", epoch, "g", why ] ]
  Entry<std::string_view> entry_of(const redisReply& entry) const;

  // Tells an entry, which was read at the time `now` of Redis; false when it stopped by that.
  bool take(const Entry<std::string_view>& entry, std::chrono::milliseconds now);

  bool failed(const redisReply& reply);

  static std::uint64_t count_of(const redisReply& reply) noexcept {
    return reply.type == REDIS_REPLY_INTEGER && reply.integer > 0 ? static_cast<std::uint64_t>(reply.integer) : 0;
  }

  // Since 1970, as a script tells it.
  static std::chrono::milliseconds time_in(const redisReply& reply) noexcept {
    return std::chrono::milliseconds(static_cast<std::int64_t>(count_of(reply)));
  }

  const std::string epoch_key_;
  const std::string log_key_;
  const Events events_;
  std::shared_ptr<RedisSession> session_;
  std::string epoch_;
  std::uint64_t position_ = 0;            // the last entry read
  std::uint64_t read_ = 0;                // entries that the log ever had, up to there
  std::vector<Entry<std::string>> news_;  // to be told when it is sure that none is missing before them
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/redis_log_follower.ipp>
#endif
