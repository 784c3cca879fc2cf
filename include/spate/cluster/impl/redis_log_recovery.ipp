// The functions of redis_log_recovery.hpp.
#pragma once

#include <spate/cluster/detail/redis_log_recovery.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL void RedisLogRecovery::begin(std::shared_ptr<RedisSession> session, Known known,
                                        const RedisLogTail::LogEnd& end, std::function<void()> done) {
  session_ = std::move(session);
  known_ = std::move(known);
  done_ = std::move(done);
  heard_ = false;
  if (known_.all) offer(end.newest);
  says_ = !known_.all ? "0" : tail_.agrees_with(end, known_.read) ? "1" : "2";
  settle();
}

SPATE_DECL void RedisLogRecovery::end() {
  session_ = nullptr;
  timer_->cancel();
}

SPATE_DECL void RedisLogRecovery::offer(std::uint64_t end) {
  std::vector<std::string> ids;
  std::vector<std::string_view> messages;
  std::size_t bytes = 0;
  const auto flush = [&] {
    if (ids.empty()) return;
    std::vector<std::string_view> words{keys_.round, keys_.offers};
    for (std::size_t i = 0; i < ids.size(); ++i) {
      words.emplace_back(ids[i]);
      words.emplace_back(messages[i]);
    }
    session_->eval(RedisScript::offer, 2, words, [this](const redisReply& reply) { failed(reply); });
    ids.clear();
    messages.clear();
    bytes = 0;
  };
  tail_.for_each_after(end, [&](std::uint64_t sequence, const std::string& message) {
    ids.push_back(LogId::format(sequence));
    messages.emplace_back(message);
    bytes += message.size();
    if (bytes >= max_bytes) flush();
  });
  flush();
}

SPATE_DECL void RedisLogRecovery::settle() {
  const std::string position = LogId::format(known_.position);
  session_->eval(RedisScript::settle, 5,
                 {keys_.epoch, keys_.log, keys_.round, keys_.offers, keys_.mark, known_.epoch, keys_.node, says_,
                  position, keys_.publisher, counter_lifetime},
                 [this](const redisReply& reply) {
                   if (failed(reply)) return;
                   if (reply.integer == 2 && known_.all && !heard_) {
                     return session_->fail(Errc::bus_lost, "the end of the log was agreed on without this node");
                   }
                   heard_ = true;
                   if (reply.integer != 0) return done_();
                   session_->run_after(*timer_, asked_again_after, [this] { settle(); });
                 });
}

SPATE_DECL bool RedisLogRecovery::failed(const redisReply& reply) {
  if (!session_) return true;
  if (reply.type != REDIS_REPLY_ERROR) return false;
  session_->fail(Errc::bus_refused, std::string(text_of(reply)));
  return true;
}

}  // namespace spate::detail
