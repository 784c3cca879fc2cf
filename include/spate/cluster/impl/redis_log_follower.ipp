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
  news_.clear();
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
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 7) {
    return session_->fail(Errc::bus_refused, "the log cannot be read");
  }
  if (text_of(*reply.element[0]) != epoch_) return session_->fail(Errc::bus_lost, "the log has begun anew");
  const std::uint64_t added = count_of(*reply.element[1]), kept = count_of(*reply.element[2]);
  const std::uint64_t newest = LogId::parse(text_of(*reply.element[3])).value_or(position_);
  if (newest < position_) return session_->fail(Errc::bus_lost, "the log has gone backward");
  const redisReply& entries = *reply.element[5];
  // What was read is still there, or else all up to its end is gone and can be counted.
  const std::uint64_t first = LogId::parse(text_of(*reply.element[4])).value_or(newest + 1);
  const std::uint64_t gone = added > kept ? added - kept : 0;
  if (first > position_ && gone != read_) {
    read_ = gone;
    if (first - 1 > position_) {
      events_.trimmed(first - 1);
      position_ = first - 1;
    }
  }
  const std::chrono::milliseconds now = time_in(*reply.element[6]);
  for (std::size_t i = 0; i < entries.elements; ++i) {
    if (!take(entry_of(*entries.element[i]), now)) return;
  }
  if (position_ < newest && entries.elements > 0) return catch_up();
  read_ = added;
  position_ = std::max(position_, newest);
  events_.reached_end(position_);
  // Where much comes, this reads more of it at a time.
  if (session_ && entries.elements >= max_news) return catch_up();
  wait();
}

SPATE_DECL void RedisLogFollower::wait() {
  if (!session_) return;
  const std::string count = std::to_string(max_news), from = LogId::format(position_),
                    block = std::to_string(quiet.count());
  session_->listening().command(
      {"XREAD", "COUNT", count, "BLOCK", block, "STREAMS", log_key_, from},
      [this](const redisReply& reply) { took_news(reply); }, quiet);
  // Redis goes on to this as soon as it has answered.
  session_->eval_on(session_->listening(), RedisScript::reaches, 1, {log_key_, from},
                    [this](const redisReply& reply) { looked_behind(reply); });
}

SPATE_DECL void RedisLogFollower::took_news(const redisReply& reply) {
  if (failed(reply)) return;
  // streams = 1*[ key, entries ]
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 1 || reply.element[0]->elements != 2) return;
  const redisReply& entries = *reply.element[0]->element[1];
  for (std::size_t i = 0; i < entries.elements; ++i) {
    const Entry<std::string_view> entry = entry_of(*entries.element[i]);
    news_.push_back({entry.kind, entry.sequence, std::string(entry.text)});
  }
}

SPATE_DECL void RedisLogFollower::looked_behind(const redisReply& reply) {
  if (failed(reply)) return;
  const std::vector<Entry<std::string>> entries = std::exchange(news_, {});
  const bool reaches = reply.type == REDIS_REPLY_ARRAY && reply.elements == 2 && reply.element[0]->integer != 0;
  if (entries.empty() || !reaches) return catch_up();
  for (const Entry<std::string>& entry : entries) {
    if (!take({entry.kind, entry.sequence, entry.text}, time_in(*reply.element[1]))) return;
  }
  // Who reads full answers is behind.
  if (entries.size() == max_news) return catch_up();
  wait();
}

SPATE_DECL RedisLogFollower::Entry<std::string_view> RedisLogFollower::entry_of(const redisReply& entry) const {
  const std::string_view id = entry.elements > 0 ? text_of(*entry.element[0]) : std::string_view();
  const std::uint64_t sequence = entry.elements == 2 ? LogId::parse(id).value_or(0) : 0;
  if (sequence == 0 || entry.element[1]->elements != 4) return {Kind::garbled, sequence, id};
  const redisReply& fields = *entry.element[1];
  const std::string_view kind = text_of(*fields.element[2]);
  if ((kind != "m" && kind != "g") || text_of(*fields.element[0]) != "e") return {Kind::garbled, sequence, id};
  if (text_of(*fields.element[1]) != epoch_) return {Kind::of_another_log, sequence, id};
  return {kind == "g" ? Kind::mark : Kind::message, sequence, text_of(*fields.element[3])};
}

SPATE_DECL bool RedisLogFollower::take(const Entry<std::string_view>& entry, std::chrono::milliseconds now) {
  switch (entry.kind) {
    case Kind::message: events_.entry(entry.sequence, entry.text, now - LogId::time_of(entry.sequence)); break;
    case Kind::mark: events_.marked(entry.sequence); break;
    case Kind::garbled: events_.garbled(entry.text); break;
    case Kind::of_another_log: session_->fail(Errc::bus_lost, "the log has begun anew"); return false;
  }
  // Behind what may throw: it is read again then.
  position_ = std::max(position_, entry.sequence);
  ++read_;
  return session_ != nullptr;
}

SPATE_DECL bool RedisLogFollower::failed(const redisReply& reply) {
  if (!session_) return true;
  if (reply.type != REDIS_REPLY_ERROR) return false;
  session_->fail(Errc::bus_refused, std::string(text_of(reply)));
  return true;
}

}  // namespace spate::detail
