// RedisConnection: one connection to Redis, from its making to its end. hiredis writes and reads the protocol.
//
// All of it runs on one strand. It ends once: by `close`, or by a fault that it tells.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/buffer.hpp>

#include <hiredis/hiredis.h>

#include <spate/cluster/detail/redis_io.hpp>
#include <spate/cluster/detail/redis_url.hpp>
#include <spate/config.hpp>
#include <spate/error.hpp>
#include <spate/loop/detail/clock.hpp>

namespace spate::detail {

/// The text of a reply; empty when it has none.
inline std::string_view text_of(const redisReply& reply) noexcept {
  return reply.str == nullptr ? std::string_view() : std::string_view(reply.str, static_cast<std::size_t>(reply.len));
}

class RedisConnection : public std::enable_shared_from_this<RedisConnection> {
 public:
  using Reply = std::function<void(const redisReply&)>;

  /// None of them may own the connection.
  struct Events {
    /// It is made, authenticated, and the database chosen.
    std::function<void()> ready;
    /// It is over: Errc::bus_lost or bus_refused, and why.
    std::function<void(std::error_code, const std::string& why)> lost;
    /// A message of a channel that it subscribed to.
    std::function<void(std::string_view message)> message;
  };

  RedisConnection(std::shared_ptr<RedisIo> io, const RedisUrl& url, std::chrono::milliseconds timeout, Events events);

  void start();

  /// Sends a command; `reply` is called with its answer, or never when the connection ends before. An answer to one
  /// that blocks may take `blocks` longer.
  void command(const std::vector<std::string_view>& words, Reply reply,
               std::chrono::milliseconds blocks = std::chrono::milliseconds(0));

  /// Sends SUBSCRIBE; from now on it takes messages. `done` is called when all channels are subscribed to.
  void subscribe(const std::vector<std::string>& channels, std::function<void()> done);

  /// Runs `function`, one of its handlers. It is over when that throws, as for want of memory: what was read, or was to
  /// be sent, is only in part. When it is over already, or nobody is to be told, the exception goes on.
  template <typename Function>
  void guarded(Function&& function) {
    try {
      function();
    } catch (const std::exception& error) {
      if (over_) throw;
      if (closing_) {
        end();
        throw;
      }
      fail(Errc::bus_lost, error.what());
    }
  }

  /// Ends it without telling.
  void close() {
    if (!over_) end();
  }
  /// Ends it once all is written, without telling anything more.
  void close_when_written();

 private:
  struct Pending {
    Reply reply;
    std::chrono::milliseconds blocks;
  };

  using Found = RedisSocket::Addresses::const_iterator;

  // Tries one address after the other, after one that failed with `error`.
  void connect(Found next, std::error_code error);

  void connected();

  bool must_succeed(const redisReply& reply);

  void put(const std::vector<std::string_view>& words);

  void flush();

  // Piece by piece: a peer that makes room for the next piece of a long command is there.
  void write(std::shared_ptr<const std::string> buffer, std::size_t from);

  void read();

  void take(std::size_t size);

  void dispatch(const redisReply& reply);

  // Looks from time to time whether an answer is overdue.
  void watch();

  void fail(std::error_code error, const std::string& why);

  // Replies that are dropped here may hold this.
  void end();

  const std::shared_ptr<RedisIo> io_;
  const RedisUrl url_;
  const std::chrono::milliseconds timeout_;
  Events events_;
  const std::unique_ptr<RedisSocket> socket_;
  const std::unique_ptr<RedisTimer> timer_;
  std::unique_ptr<redisReader, void (*)(redisReader*)> reader_;
  std::deque<Pending> pending_;
  TimePoint waiting_since_;  // since when the peer has shown no sign of life
  std::string out_;
  std::string in_;
  std::size_t subscribing_ = 0;
  std::function<void()> subscribed_;
  bool connected_ = false;
  bool writing_ = false;
  bool closing_ = false;
  bool over_ = false;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/redis_connection.ipp>
#endif
