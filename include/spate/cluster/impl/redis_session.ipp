// The functions of redis_session.hpp.
#pragma once

#include <spate/cluster/detail/redis_session.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL void RedisSession::start() {
  try {
    commands_ = connection();
    listening_ = connection();
    commands_->start();
    listening_->start();
  } catch (...) {
    close();
    throw;
  }
}

SPATE_DECL void RedisSession::eval(RedisScript script, std::size_t keys, const std::vector<std::string_view>& words,
                                   RedisConnection::Reply reply) const {
  eval_on(*commands_, script, keys, words, std::move(reply));
}

SPATE_DECL void RedisSession::eval_on(RedisConnection& connection, RedisScript script, std::size_t keys,
                                      const std::vector<std::string_view>& words, RedisConnection::Reply reply) const {
  const std::string key_count = std::to_string(keys);
  std::vector<std::string_view> all{"EVALSHA", names_[static_cast<std::size_t>(script)], key_count};
  all.insert(all.end(), words.begin(), words.end());
  connection.command(all, std::move(reply));
}

SPATE_DECL void RedisSession::fail(std::error_code error, const std::string& why) {
  if (over_) return;
  const auto self = shared_from_this();
  close();
  events_.lost(error, why);
}

SPATE_DECL void RedisSession::run_after(RedisTimer& timer, std::chrono::milliseconds wait,
                                        std::function<void()> function) {
  timer.set(wait, [weak = weak_from_this(), function = std::move(function)] {
    const auto self = weak.lock();
    if (self && !self->over_) self->guarded(function);
  });
}

SPATE_DECL void RedisSession::close() {
  if (std::exchange(over_, true)) return;
  // One that could not be started has them not.
  if (commands_) commands_->close();
  if (listening_) listening_->close();
}

SPATE_DECL void RedisSession::close_when_written() {
  if (std::exchange(over_, true)) return;
  commands_->close_when_written();
  listening_->close();
}

SPATE_DECL std::shared_ptr<RedisConnection> RedisSession::connection() {
  RedisConnection::Events events;
  const std::weak_ptr<RedisSession> weak = weak_from_this();
  events.ready = [weak] {
    const auto self = weak.lock();
    if (self && !self->over_ && ++self->connected_ == 2) self->load_scripts();
  };
  events.lost = [weak](std::error_code error, const std::string& why) {
    if (const auto self = weak.lock()) self->fail(error, why);
  };
  events.message = [weak](std::string_view message) {
    const auto self = weak.lock();
    if (self && !self->over_) self->events_.message(message);
  };
  return std::make_shared<RedisConnection>(io_, url_, timeout_, std::move(events));
}

SPATE_DECL void RedisSession::load_scripts() {
  for (std::size_t i = 0; i < script_count; ++i) {
    load(i, [this, i](const redisReply& reply) {
      if (reply.type == REDIS_REPLY_ERROR) return fail(Errc::bus_refused, std::string(text_of(reply)));
      names_[i] = text_of(reply);
      if (i + 1 == script_count) events_.ready();
    });
  }
}

}  // namespace spate::detail
