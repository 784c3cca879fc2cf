// RedisConnection: one connection to Redis, from its making to its end. hiredis writes and reads the protocol, Asio
// does the rest.
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

#include <asio/any_io_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>

#include <hiredis/hiredis.h>

#include <spate/cluster/detail/redis_url.hpp>
#include <spate/error.hpp>
#include <spate/stream/detail/close_on_exec.hpp>
#include <spate/stream/detail/signals_blocked.hpp>

namespace spate::detail {

/// The text of a reply; empty when it has none.
inline std::string_view text_of(const redisReply& reply) noexcept {
  return reply.str == nullptr ? std::string_view() : std::string_view(reply.str, static_cast<std::size_t>(reply.len));
}

class RedisConnection : public std::enable_shared_from_this<RedisConnection> {
 public:
  using Clock = std::chrono::steady_clock;
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

  /// `strand` is what all its calls and events run on.
  RedisConnection(const asio::any_io_executor& strand, const RedisUrl& url, std::chrono::milliseconds timeout,
                  Events events)
      : url_(url),
        timeout_(timeout),
        events_(std::move(events)),
        resolver_(strand),
        socket_(strand),
        timer_(strand),
        reader_(redisReaderCreate(), &redisReaderFree) {}

  void start() {
    waiting_since_ = Clock::now();
    watch();
    const SignalsBlocked blocked;  // for the thread in which Asio resolves names
    resolver_.async_resolve(
        url_.host, std::to_string(url_.port),
        [self = shared_from_this()](std::error_code error, const asio::ip::tcp::resolver::results_type& found) {
          if (self->over_) return;
          self->guarded([&] { self->connect(found.begin(), error); });
        });
  }

  /// Sends a command; `reply` is called with its answer, or never when the connection ends before. An answer to one
  /// that blocks may take `blocks` longer.
  void command(const std::vector<std::string_view>& words, Reply reply,
               std::chrono::milliseconds blocks = std::chrono::milliseconds(0)) {
    if (over_) return;
    if (pending_.empty()) waiting_since_ = Clock::now();
    pending_.push_back({std::move(reply), blocks});
    put(words);
    flush();
  }

  /// Sends SUBSCRIBE; from now on it takes messages. `done` is called when all channels are subscribed to.
  void subscribe(const std::vector<std::string>& channels, std::function<void()> done) {
    std::vector<std::string_view> words{"SUBSCRIBE"};
    words.insert(words.end(), channels.begin(), channels.end());
    subscribing_ = channels.size();
    subscribed_ = std::move(done);
    command(words, {});
  }

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
  void close_when_written() {
    if (over_) return;
    closing_ = true;
    const auto dropped = std::exchange(pending_, {});
    if (!writing_) end();
  }

 private:
  struct Pending {
    Reply reply;
    std::chrono::milliseconds blocks;
  };

  using Found = asio::ip::tcp::resolver::results_type::const_iterator;

  // Tries one address after the other, behind one that failed with `error`. asio::async_connect does the same with
  // sockets that are not close-on-exec.
  void connect(Found next, std::error_code error) {
    if (next == Found()) return fail(Errc::bus_lost, error.message());
    std::error_code ignored;  // what failed is closed
    socket_.close(ignored);
    const asio::ip::tcp::endpoint endpoint = next->endpoint();
    ++next;
    open_close_on_exec(socket_, endpoint.protocol(), error);
    if (error) return connect(next, error);
    socket_.async_connect(endpoint, [self = shared_from_this(), next](std::error_code no_connection) {
      if (self->over_) return;
      self->guarded([&] { no_connection ? self->connect(next, no_connection) : self->connected(); });
    });
  }

  void connected() {
    connected_ = true;
    std::error_code ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    // Timeouts notice a peer that is gone. This keeps what is between from forgetting a connection without traffic.
    socket_.set_option(asio::socket_base::keep_alive(true), ignored);
    read();
    if (!url_.password.empty()) {
      std::vector<std::string_view> words{"AUTH"};
      if (!url_.user.empty()) words.emplace_back(url_.user);
      words.emplace_back(url_.password);
      command(words, [this](const redisReply& reply) { must_succeed(reply); });
    }
    const std::string database = std::to_string(url_.database);
    if (url_.database != 0) {
      command({"SELECT", database}, [this](const redisReply& reply) { must_succeed(reply); });
    }
    command({"PING"}, [this](const redisReply& reply) {
      if (must_succeed(reply)) events_.ready();
    });
  }

  bool must_succeed(const redisReply& reply) {
    if (reply.type != REDIS_REPLY_ERROR) return true;
    fail(Errc::bus_refused, std::string(text_of(reply)));
    return false;
  }

  void put(const std::vector<std::string_view>& words) {
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (const std::string_view word : words) {
      texts.push_back(word.data());
      sizes.push_back(word.size());
    }
    char* command = nullptr;
    const auto size = redisFormatCommandArgv(&command, static_cast<int>(words.size()), texts.data(), sizes.data());
    if (size < 0) throw std::bad_alloc();
    out_.append(command, static_cast<std::size_t>(size));
    redisFreeCommand(command);
  }

  void flush() {
    if (writing_ || out_.empty() || over_) return;
    writing_ = true;
    write(std::make_shared<const std::string>(std::exchange(out_, {})), 0);
  }

  // Piece by piece: a peer that makes room for the next piece of a long command is there.
  void write(std::shared_ptr<const std::string> buffer, std::size_t from) {
    const auto rest = asio::buffer(*buffer) + from;
    socket_.async_write_some(
        rest, [self = shared_from_this(), buffer = std::move(buffer), from](std::error_code error, std::size_t size) {
          if (self->over_) return;
          if (error) return self->fail(Errc::bus_lost, error.message());
          if (from > 0) self->waiting_since_ = Clock::now();
          self->guarded([&] {
            if (from + size < buffer->size()) return self->write(buffer, from + size);
            self->writing_ = false;
            if (self->closing_ && self->out_.empty()) return self->end();
            self->flush();
          });
        });
  }

  void read() {
    in_.resize(64 * 1024);
    socket_.async_read_some(asio::buffer(in_), [self = shared_from_this()](std::error_code error, std::size_t size) {
      if (self->over_) return;
      if (error) return self->fail(Errc::bus_lost, error.message());
      self->waiting_since_ = Clock::now();
      self->guarded([&] {
        self->take(size);
        if (!self->over_) self->read();
      });
    });
  }

  void take(std::size_t size) {
    redisReaderFeed(reader_.get(), in_.data(), size);
    for (;;) {
      void* parsed = nullptr;
      if (redisReaderGetReply(reader_.get(), &parsed) != REDIS_OK) {
        return fail(Errc::bus_lost, "what came is not the protocol of Redis: " + std::string(reader_->errstr));
      }
      if (parsed == nullptr) return;
      const std::unique_ptr<void, void (*)(void*)> reply(parsed, &freeReplyObject);
      dispatch(*static_cast<const redisReply*>(parsed));
      if (over_) return;
    }
  }

  void dispatch(const redisReply& reply) {
    if (closing_) return;
    if (subscribed_ && reply.type == REDIS_REPLY_ARRAY && reply.elements >= 2) {
      const std::string_view kind = text_of(*reply.element[0]);
      if (kind == "message" && reply.elements == 3) return events_.message(text_of(*reply.element[2]));
      if (kind == "subscribe") {
        // One answer to each channel, though there was one command.
        if (--subscribing_ > 0) return;
        if (!pending_.empty()) pending_.pop_front();
        return subscribed_();
      }
    }
    if (pending_.empty()) return fail(Errc::bus_lost, "an answer came that nobody asked for");
    const Pending pending = std::move(pending_.front());
    pending_.pop_front();
    if (pending.reply) {
      pending.reply(reply);
    } else {
      must_succeed(reply);
    }
  }

  // Looks from time to time whether an answer is overdue.
  void watch() {
    timer_.expires_after(timeout_ / 4);
    timer_.async_wait([weak = weak_from_this()](std::error_code error) {
      const auto self = weak.lock();
      if (error || !self || self->over_) return;
      const bool idle = self->connected_ && self->pending_.empty() && !self->writing_;
      const auto blocks = self->pending_.empty() ? std::chrono::milliseconds(0) : self->pending_.front().blocks;
      if (!idle && Clock::now() - self->waiting_since_ > self->timeout_ + blocks) {
        return self->fail(Errc::bus_lost, "no answer for " + std::to_string(self->timeout_.count()) + " ms");
      }
      self->guarded([&] { self->watch(); });
    });
  }

  void fail(std::error_code error, const std::string& why) {
    if (over_) return;
    const auto self = shared_from_this();
    end();
    events_.lost(error, why);
  }

  // Replies that are dropped here may hold this.
  void end() {
    over_ = true;
    std::error_code ignored;
    socket_.close(ignored);
    resolver_.cancel();
    timer_.cancel();
    const auto dropped = std::exchange(pending_, {});
  }

  const RedisUrl url_;
  const std::chrono::milliseconds timeout_;
  Events events_;
  asio::ip::tcp::resolver resolver_;
  asio::ip::tcp::socket socket_;
  asio::steady_timer timer_;
  std::unique_ptr<redisReader, void (*)(redisReader*)> reader_;
  std::deque<Pending> pending_;
  Clock::time_point waiting_since_;  // since when the peer has shown no sign of life
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
