// The functions of redis_connection.hpp.
#pragma once

#include <spate/cluster/detail/redis_connection.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL RedisConnection::RedisConnection(std::shared_ptr<RedisIo> io, const RedisUrl& url,
                                            std::chrono::milliseconds timeout, Events events)
    : io_(std::move(io)),
      url_(url),
      timeout_(timeout),
      events_(std::move(events)),
      socket_(io_->socket()),
      timer_(io_->timer()),
      reader_(redisReaderCreate(), &redisReaderFree) {}

SPATE_DECL void RedisConnection::start() {
  waiting_since_ = io_->now();
  watch();
  socket_->resolve(url_.host, url_.port,
                   [self = shared_from_this()](std::error_code error, const RedisSocket::Addresses& found) {
                     if (self->over_) return;
                     self->guarded([&] { self->connect(found.begin(), error); });
                   });
}

SPATE_DECL void RedisConnection::command(const std::vector<std::string_view>& words, Reply reply,
                                         std::chrono::milliseconds blocks) {
  if (over_) return;
  if (pending_.empty()) waiting_since_ = io_->now();
  pending_.push_back({std::move(reply), blocks});
  put(words);
  flush();
}

SPATE_DECL void RedisConnection::subscribe(const std::vector<std::string>& channels, std::function<void()> done) {
  std::vector<std::string_view> words{"SUBSCRIBE"};
  words.insert(words.end(), channels.begin(), channels.end());
  subscribing_ = channels.size();
  subscribed_ = std::move(done);
  command(words, {});
}

SPATE_DECL void RedisConnection::close_when_written() {
  if (over_) return;
  closing_ = true;
  const auto dropped = std::exchange(pending_, {});
  if (!writing_) end();
}

SPATE_DECL void RedisConnection::connect(Found next, std::error_code error) {
  if (next == Found()) return fail(Errc::bus_lost, error.message());
  const asio::ip::tcp::endpoint address = next->endpoint();
  ++next;
  error = socket_->connect(address, [self = shared_from_this(), next](std::error_code no_connection) {
    if (self->over_) return;
    self->guarded([&] { no_connection ? self->connect(next, no_connection) : self->connected(); });
  });
  if (error) connect(next, error);
}

SPATE_DECL void RedisConnection::connected() {
  connected_ = true;
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

SPATE_DECL bool RedisConnection::must_succeed(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_ERROR) return true;
  fail(Errc::bus_refused, std::string(text_of(reply)));
  return false;
}

SPATE_DECL void RedisConnection::put(const std::vector<std::string_view>& words) {
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const std::string_view word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* command = nullptr;
  const auto size = redisFormatCommandArgv(&command, static_cast<int>(words.size()), texts.data(), sizes.data());
  if (size < 0) throw std::bad_alloc();
  const std::unique_ptr<char, decltype(&redisFreeCommand)> owned(command, &redisFreeCommand);
  out_.append(command, static_cast<std::size_t>(size));
}

SPATE_DECL void RedisConnection::flush() {
  if (writing_ || out_.empty() || over_) return;
  writing_ = true;
  write(std::make_shared<const std::string>(std::exchange(out_, {})), 0);
}

SPATE_DECL void RedisConnection::write(std::shared_ptr<const std::string> buffer, std::size_t from) {
  const auto rest = asio::buffer(*buffer) + from;
  socket_->write_some(
      rest, [self = shared_from_this(), buffer = std::move(buffer), from](std::error_code error, std::size_t size) {
        if (self->over_) return;
        if (error) return self->fail(Errc::bus_lost, error.message());
        if (from > 0) self->waiting_since_ = self->io_->now();
        self->guarded([&] {
          if (from + size < buffer->size()) return self->write(buffer, from + size);
          self->writing_ = false;
          if (self->closing_ && self->out_.empty()) return self->end();
          self->flush();
        });
      });
}

SPATE_DECL void RedisConnection::read() {
  in_.resize(64 * 1024);
  socket_->read_some(asio::buffer(in_), [self = shared_from_this()](std::error_code error, std::size_t size) {
    if (self->over_) return;
    if (error) return self->fail(Errc::bus_lost, error.message());
    self->waiting_since_ = self->io_->now();
    self->guarded([&] {
      self->take(size);
      if (!self->over_) self->read();
    });
  });
}

SPATE_DECL void RedisConnection::take(std::size_t size) {
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

SPATE_DECL void RedisConnection::dispatch(const redisReply& reply) {
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

SPATE_DECL void RedisConnection::watch() {
  timer_->set(timeout_ / 4, [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->over_) return;
    const bool idle = self->connected_ && self->pending_.empty() && !self->writing_;
    const auto blocks = self->pending_.empty() ? std::chrono::milliseconds(0) : self->pending_.front().blocks;
    if (!idle && self->io_->now() - self->waiting_since_ > self->timeout_ + blocks) {
      return self->fail(Errc::bus_lost, "no answer for " + std::to_string(self->timeout_.count()) + " ms");
    }
    self->guarded([&] { self->watch(); });
  });
}

SPATE_DECL void RedisConnection::fail(std::error_code error, const std::string& why) {
  if (over_) return;
  const auto self = shared_from_this();
  end();
  events_.lost(error, why);
}

SPATE_DECL void RedisConnection::end() {
  over_ = true;
  socket_->close();
  timer_->cancel();
  const auto dropped = std::exchange(pending_, {});
}

}  // namespace spate::detail
