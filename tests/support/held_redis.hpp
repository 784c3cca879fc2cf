// A Redis in memory, with all that a node reaches it by: sockets that break where the test says so, and a clock that
// stands until the test lets time pass.
//
//   const auto redis = std::make_shared<HeldRedis>();
//   auto node = std::make_shared<RedisNode>(redis, options);   // or a part of one
//   redis->turn();                                             // all that can happen at this moment
//   CHECK(redis->take_heard() == Texts{"PING", "PING", "SCRIPT LOAD", ...});
//   redis->let_pass(500ms);
//
// It answers as RedisKeyspace does, like a Redis to which nothing happens. A test may hold answers back and give its
// own. Scripts are known by their names in redis_scripts.hpp.
//
// What connections hold may hold the Redis: whoever connects closes, and lets it turn once more.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <hiredis/hiredis.h>
#include <asio/buffer.hpp>
#include <asio/error.hpp>
#include <asio/ip/address.hpp>

#include <spate/cluster/detail/redis_connection.hpp>
#include <spate/cluster/detail/redis_io.hpp>
#include <spate/cluster/detail/redis_session.hpp>
#include <spate/cluster/redis_options.hpp>
#include <spate/error.hpp>
#include "support/redis_keyspace.hpp"
#include "support/resp.hpp"
#include "support/texts.hpp"

namespace spate::test {

class HeldRedis final : public detail::RedisIo {
 public:
  using Command = RedisCommand;

  // ---- what a node reaches it by ----

  detail::TimePoint now() const override { return now_; }
  std::unique_ptr<detail::RedisSocket> socket() override { return std::make_unique<Socket>(*this); }
  std::unique_ptr<detail::RedisTimer> timer() override { return std::make_unique<Timer>(*this); }
  void post(std::function<void()> function) override { posted_.push_back(std::move(function)); }

  // ---- time ----

  /// Runs what is to be run at this moment, until nothing is.
  void turn() {
    for (bool more = true; more;) {
      while (!posted_.empty()) {
        const auto function = std::move(posted_.front());
        posted_.pop_front();
        function();
      }
      // One reply at a time: what it makes others send comes before the next.
      const std::vector<Socket*> sockets = connected_;
      more = std::any_of(sockets.begin(), sockets.end(), [](Socket* socket) { return socket->serve(); });
    }
  }

  /// Lets time pass, from one moment that somebody waits for to the next.
  void let_pass(detail::Clock::duration time) {
    const detail::TimePoint end = now_ + time;
    turn();
    while (next_moment() <= end) {
      now_ = std::max(now_, next_moment());
      for (Timer* due = first_due(); due != nullptr; due = first_due()) {
        due->fire();
        turn();
      }
      turn();
    }
    now_ = end;
  }

  /// The next moment that somebody waits for.
  detail::TimePoint next_moment() const {
    detail::TimePoint next = detail::never;
    for (const Timer* timer : timers_) next = std::min(next, timer->at);
    for (const Socket* socket : connected_) next = std::min(next, socket->blocks_until());
    return next;
  }

  // ---- what a test sees ----

  /// The names of the commands that came since the last call, in order.
  Texts take_heard() {
    Texts names;
    for (; told_ < commands_.size(); ++told_) names.push_back(commands_[told_].name);
    return names;
  }
  /// All that came of one name.
  std::vector<Command> all(const std::string& name) const {
    std::vector<Command> found;
    std::copy_if(commands_.begin(), commands_.end(), std::back_inserter(found),
                 [&](const Command& command) { return command.name == name; });
    return found;
  }
  Command last(const std::string& name) const {
    const std::vector<Command> found = all(name);
    if (found.empty()) throw std::logic_error("no " + name + " has come");
    return found.back();
  }
  std::size_t count(const std::string& name) const { return all(name).size(); }
  /// Connections that stand now.
  std::size_t connections() const { return connected_.size(); }
  std::size_t attempts() const { return attempts_; }
  /// Operations of sockets so far.
  std::size_t operations() const { return operations_; }
  /// The messages of the log, in order.
  Texts log() const { return keyspace_.log(); }
  const std::string& epoch() const { return keyspace_.epoch(); }

  // ---- what a test does ----

  /// Answers `name` no more by itself, but with what the test gives.
  void hold(const std::string& name) { held_.insert(name); }
  /// Answers the first `count` commands of that name that wait, or that come, by itself.
  void answer(const std::string& name, std::size_t count = 1) {
    let_through_[name] += count;
    turn();
  }
  /// Answers `name` by itself again.
  void let_go(const std::string& name) {
    held_.erase(name);
    turn();
  }
  /// Answers the first command of that name that waits, or that comes, with `reply`.
  void reply(const std::string& name, std::string reply) {
    replies_[name].push_back(std::move(reply));
    turn();
  }

  enum class Lost : std::uint8_t {
    before,  // of a command nothing comes, of a name or an address neither
    after    // the command is done, but nobody hears of it
  };
  /// The operation after the next `count` fails, and with it all of its connection.
  void fail_after(std::size_t count, Lost lost) {
    fails_at_ = operations_ + count + 1;
    lost_ = lost;
  }
  bool has_failed() const { return fails_at_ != 0 && operations_ >= fails_at_; }

  /// Cuts all connections.
  void cut() {
    for (Socket* socket : std::vector(connected_)) socket->close();
    turn();
  }
  /// Takes no connections, or does again.
  void refuse_connections(bool refuses) { refuses_ = refuses; }
  /// Neither takes nor refuses connections from now on.
  void ignore_connections() { ignores_ = true; }
  /// Takes what is written to it one piece at a time from now on, each by `take_piece`.
  void stop_taking() { takes_ = false; }
  void take_piece() {
    for (Socket* socket : connected_) socket->finish_writing();
    turn();
  }
  /// Its name has so many addresses, of which only the last leads to it.
  void set_addresses(std::uint16_t count) { addresses_ = count; }
  /// Hands over so many bytes at a time. 0: whole replies.
  void set_piece(std::size_t bytes) { piece_ = bytes; }
  /// Sends `bytes` over connection `number`, though nobody has asked.
  void send(std::size_t number, const std::string& bytes) {
    for (Socket* socket : connected_) {
      if (socket->number == number) socket->output.push_back(bytes);
    }
    turn();
  }
  /// Publishes to whoever subscribed to anything.
  void publish(const std::string& channel, const std::string& message) {
    for (Socket* socket : connected_) {
      if (!socket->subscribed) continue;
      socket->output.push_back(resp::array({resp::bulk("message"), resp::bulk(channel), resp::bulk(message)}));
    }
    turn();
  }
  /// Another node puts this into the log.
  void append(const std::string& message) {
    keyspace_.append(message);
    turn();
  }
  /// What time it says it is, in ms; its `number`-th entry was put into the log at `number`.
  void set_time(std::int64_t time) { keyspace_.set_time(time); }
  /// It has another log, or none yet.
  void lose_log(const std::string& epoch = {}) { keyspace_.lose_log(epoch); }
  /// It knows no script any more.
  void flush_scripts() { keyspace_.flush_scripts(); }
  void lose_lease() { keyspace_.lose_lease(); }

 private:
  class Timer final : public detail::RedisTimer {
   public:
    explicit Timer(HeldRedis& of) : redis(of) { redis.timers_.push_back(this); }
    ~Timer() override { std::erase(redis.timers_, this); }
    void set(std::chrono::milliseconds wait, std::function<void()> then) override {
      at = redis.now_ + wait;
      function = std::move(then);
    }
    void cancel() override {
      at = detail::never;
      function = nullptr;
    }
    void fire() {
      at = detail::never;
      std::exchange(function, nullptr)();
    }

    HeldRedis& redis;
    detail::TimePoint at = detail::never;
    std::function<void()> function;
  };

  /// One end and the other.
  class Socket final : public detail::RedisSocket {
   public:
    explicit Socket(HeldRedis& of) : redis(of), reader_(redisReaderCreate(), &redisReaderFree) {}
    ~Socket() override { std::erase(redis.connected_, this); }

    void resolve(const std::string& host, std::uint16_t port,
                 std::function<void(const std::error_code&, const Addresses&)> done) override {
      const bool fails = redis.next_fails();
      std::vector<asio::ip::tcp::endpoint> found;
      for (std::uint16_t i = 1; i <= redis.addresses_ && !fails; ++i) {
        found.emplace_back(asio::ip::make_address("192.0.2." + std::to_string(i)), port);
      }
      redis.post([fails, done = std::move(done),
                  found = Addresses::create(found.begin(), found.end(), host, std::to_string(port))] {
        done(fails ? std::error_code(asio::error::host_not_found) : std::error_code(), fails ? Addresses() : found);
      });
    }

    std::error_code connect(const asio::ip::tcp::endpoint& address,
                            std::function<void(const std::error_code&)> done) override {
      ++redis.attempts_;
      if (redis.ignores_) return {};
      const bool leads = address.address().to_v4().to_bytes()[3] == redis.addresses_;
      const bool takes = !redis.next_fails() && !redis.refuses_ && leads;
      if (takes) {
        number = redis.made_++;
        redis.connected_.push_back(this);
      }
      redis.post([takes, done = std::move(done)] {
        done(takes ? std::error_code() : std::error_code(asio::error::connection_refused));
      });
      return {};
    }

    void read_some(asio::mutable_buffer into, Transferred done) override {
      buffer_ = into;
      reading_ = std::move(done);
      if (!stands()) fail_reading();
    }

    void write_some(asio::const_buffer from, Transferred done) override {
      const std::size_t size = redis.piece_ == 0 ? from.size() : std::min(from.size(), redis.piece_);
      written_.assign(static_cast<const char*>(from.data()), size);
      writing_ = [done = std::move(done), size](bool stood) {
        done(stood ? std::error_code() : std::error_code(asio::error::connection_reset), stood ? size : 0);
      };
      if (stands() && redis.next_fails()) {
        if (redis.lost_ == Lost::after) {
          take();
          while (run_one()) continue;
        }
        return close();
      }
      if (redis.takes_ || !stands()) finish_writing();
    }
    void finish_writing() {
      if (!writing_) return;
      if (stands()) take();
      redis.post([done = std::exchange(writing_, nullptr), stood = stands()] { done(stood); });
    }

    // From either end.
    void close() override {
      std::erase(redis.connected_, this);
      fail_reading();
      finish_writing();
    }

    /// One step: runs a command, or hands over a piece of a reply. Returns false when there is nothing to do.
    bool serve() {
      if (run_one()) return true;
      if (output.empty() || !reading_) return false;
      if (redis.next_fails()) {
        close();
        return true;
      }
      std::string& first = output.front();
      const std::size_t size =
          std::min({first.size(), buffer_.size(), redis.piece_ == 0 ? first.size() : redis.piece_});
      std::copy_n(first.begin(), size, static_cast<char*>(buffer_.data()));
      first.erase(0, size);
      if (first.empty()) output.pop_front();
      redis.post([done = std::exchange(reading_, nullptr), size] { done({}, size); });
      return true;
    }

    /// When what blocks here ends without an answer.
    detail::TimePoint blocks_until() const {
      const bool blocks = !input_.empty() && input_.front().name == "XREAD" && !redis.held_.contains("XREAD");
      return blocks ? input_.front().at + RedisKeyspace::quiet : detail::never;
    }

    HeldRedis& redis;
    std::size_t number = 0;
    std::deque<std::string> output;
    bool subscribed = false;

   private:
    bool stands() const { return std::count(redis.connected_.begin(), redis.connected_.end(), this) > 0; }

    void fail_reading() {
      if (!reading_) return;
      redis.post([done = std::exchange(reading_, nullptr)] { done(asio::error::connection_reset, 0); });
    }

    void take() {
      redisReaderFeed(reader_.get(), written_.data(), written_.size());
      for (;;) {
        void* parsed = nullptr;
        if (redisReaderGetReply(reader_.get(), &parsed) != REDIS_OK || parsed == nullptr) return;
        const std::unique_ptr<void, void (*)(void*)> owned(parsed, &freeReplyObject);
        input_.push_back(RedisCommand::read(*static_cast<const redisReply*>(parsed), number, redis.now_));
        redis.commands_.push_back(input_.back());
      }
    }

    bool run_one() {
      if (input_.empty()) return false;
      std::optional<std::string> answer = redis.answer_to(*this, input_.front());
      if (!answer) return false;
      input_.pop_front();
      output.push_back(std::move(*answer));
      return true;
    }

    const std::unique_ptr<redisReader, void (*)(redisReader*)> reader_;
    std::deque<Command> input_;
    asio::mutable_buffer buffer_;
    Transferred reading_;
    std::string written_;  // and not yet taken
    std::function<void(bool)> writing_;
  };

  bool next_fails() { return ++operations_ == fails_at_; }

  Timer* first_due() {
    for (Timer* timer : timers_) {
      if (timer->at <= now_) return timer;
    }
    return nullptr;
  }

  std::optional<std::string> answer_to(Socket& socket, const Command& command) {
    if (auto& given = replies_[command.name]; !given.empty()) {
      std::string first = std::move(given.front());
      given.pop_front();
      return first;
    }
    if (held_.contains(command.name)) {
      std::size_t& let_through = let_through_[command.name];
      if (let_through == 0) return std::nullopt;
      --let_through;
    }
    return keyspace_.answer(command, socket.subscribed, now_);
  }

  detail::TimePoint now_{std::chrono::hours(1)};
  std::deque<std::function<void()>> posted_;
  std::vector<Timer*> timers_;
  std::vector<Socket*> connected_;
  std::size_t made_ = 0;
  std::size_t attempts_ = 0;

  std::size_t operations_ = 0;
  std::size_t fails_at_ = 0;  // that operation; 0: none
  Lost lost_ = Lost::before;
  bool refuses_ = false;
  bool ignores_ = false;
  bool takes_ = true;
  std::uint16_t addresses_ = 1;
  std::size_t piece_ = 0;

  std::vector<Command> commands_;
  std::size_t told_ = 0;  // of them
  std::set<std::string> held_;
  std::map<std::string, std::size_t> let_through_;
  std::map<std::string, std::deque<std::string>> replies_;

  RedisKeyspace keyspace_;
};

inline RedisOptions in_mode(ClusterMode mode) {
  RedisOptions options;
  options.mode = mode;
  return options;
}

/// What a connection or a session tells, noted in `notes`: "ready", "lost: why", "refused: why", "message text".
template <typename Events>
Events noting_events(Texts& notes) {
  Events events;
  events.ready = [&notes] { notes.push_back("ready"); };
  events.lost = [&notes](std::error_code error, const std::string& why) {
    notes.push_back((error == Errc::bus_refused ? "refused: " : "lost: ") + why);
  };
  events.message = [&notes](std::string_view message) { notes.push_back("message " + std::string(message)); };
  return events;
}

/// A session that begins to connect to `redis`.
inline std::shared_ptr<detail::RedisSession> begin_session(const std::shared_ptr<HeldRedis>& redis,
                                                           detail::RedisSession::Events events) {
  auto session = std::make_shared<detail::RedisSession>(redis, detail::RedisUrl{"localhost", 6379, {}, {}, 0},
                                                        std::chrono::seconds(1), std::move(events));
  session->start();
  return session;
}

}  // namespace spate::test
