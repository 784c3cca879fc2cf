// The functions of redis_log_follower.hpp.
#pragma once

#include <spate/cluster/detail/redis_log_follower.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL void RedisLogFollower::restart(std::string_view epoch) {
  epoch_ = epoch;
  position_ = read_ = 0;
}

SPATE_DECL void RedisLogFollower::follow(std::shared_ptr<RedisSession> session) {
  session_ = std::move(session);
  catch_up();
}

SPATE_DECL void RedisLogFollower::catch_up() {
  if (!session_) return;
  const std::string count = std::to_string(batch), bytes = std::to_string(batch_bytes), from = LogId::format(position_);
  session_->eval_on(session_->listening(), RedisScript::read, 2, {epoch_key_, log_key_, from, count, bytes},
                    [this](const redisReply& reply) { took_batch(reply); });
}

SPATE_DECL void RedisLogFollower::took_batch(const redisReply& reply) {
  if (failed(reply)) return;
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 5) {
    return session_->fail(Errc::bus_refused, "the log cannot be read");
  }
  if (text_of(*reply.element[0]) != epoch_) return session_->fail(Errc::bus_lost, "the log has begun anew");
  const std::uint64_t added = count_of(*reply.element[1]), kept = count_of(*reply.element[2]);
  const std::uint64_t newest = LogId::parse(text_of(*reply.element[3])).value_or(position_);
  if (newest < position_) return session_->fail(Errc::bus_lost, "the log has gone backward");
  const redisReply& entries = *reply.element[4];
  const std::uint64_t gone = added > kept ? added - kept : 0;
  if (gone > read_) {
    read_ = gone;
    const auto first = entries.elements > 0 ? id_of(*entries.element[0]) : std::nullopt;
    const std::uint64_t up_to = first ? *first - 1 : newest;
    if (up_to > position_) {
      position_ = up_to;
      events_.trimmed(up_to);
    }
  }
  if (!take(entries)) return;
  if (position_ < newest && entries.elements > 0) return catch_up();
  read_ = added;
  position_ = std::max(position_, newest);
  events_.caught_up(position_);
  // Where much comes, this reads more of it at a time.
  if (session_ && entries.elements >= news) return catch_up();
  wait();
}

SPATE_DECL void RedisLogFollower::wait() {
  if (!session_) return;
  const std::string count = std::to_string(news), from = LogId::format(position_),
                    block = std::to_string(quiet.count());
  asked_at_ = RedisConnection::Clock::now();
  session_->listening().command(
      {"XREAD", "COUNT", count, "BLOCK", block, "STREAMS", log_key_, from},
      [this](const redisReply& reply) { took_news(reply); }, quiet);
}

SPATE_DECL void RedisLogFollower::took_news(const redisReply& reply) {
  if (failed(reply)) return;
  // streams = 1*[ key, entries ]
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 1 || reply.element[0]->elements != 2) return catch_up();
  const redisReply& entries = *reply.element[0]->element[1];
  // Who was stopped for long may have missed what was trimmed meanwhile; who reads full batches is behind.
  const bool late = RedisConnection::Clock::now() - asked_at_ > 2 * quiet;
  if (late) return catch_up();
  if (!take(entries)) return;
  if (entries.elements == news) return catch_up();
  wait();
}

SPATE_DECL bool RedisLogFollower::take(const redisReply& entries) {
  for (std::size_t i = 0; i < entries.elements; ++i) {
    // entry = [ id, [ "e", epoch, "m", message ] ], or a mark: [ id, [ "e", epoch, "g", why ] ]
    const redisReply& entry = *entries.element[i];
    const auto id = id_of(entry);
    if (!id || *id <= position_) {
      if (!id) events_.garbled(entry.elements > 0 ? text_of(*entry.element[0]) : std::string_view());
      ++read_;
      continue;
    }
    const redisReply& fields = *entry.element[1];
    const std::string_view kind = fields.elements == 4 ? text_of(*fields.element[2]) : std::string_view();
    if ((kind != "m" && kind != "g") || text_of(*fields.element[0]) != "e") {
      events_.garbled(text_of(*entry.element[0]));
    } else if (text_of(*fields.element[1]) != epoch_) {
      session_->fail(Errc::bus_lost, "the log has begun anew");
      return false;
    } else if (kind == "g") {
      events_.trimmed(*id);
    } else {
      events_.entry(*id, text_of(*fields.element[3]));
    }
    // Behind what may throw: it is read again then.
    position_ = *id;
    ++read_;
    if (!session_) return false;
  }
  return true;
}

SPATE_DECL bool RedisLogFollower::failed(const redisReply& reply) {
  if (!session_) return true;
  if (reply.type != REDIS_REPLY_ERROR) return false;
  session_->fail(Errc::bus_refused, std::string(text_of(reply)));
  return true;
}

}  // namespace spate::detail
