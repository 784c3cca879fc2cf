// The functions of redis_pulse.hpp.
#pragma once

#include <spate/cluster/detail/redis_pulse.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL void RedisPulse::begin(std::shared_ptr<RedisSession> session, std::string channel) {
  session_ = std::move(session);
  channel_ = std::move(channel);
  beat();
}

SPATE_DECL void RedisPulse::end() {
  session_ = nullptr;
  timer_->cancel();
}

SPATE_DECL void RedisPulse::beat() {
  session_->listening().command({"PING"}, [](const redisReply&) {});
  session_->commands().command({"PUBSUB", "NUMSUB", channel_}, [this](const redisReply& reply) {
    if (!session_) return;
    if (reply.type == REDIS_REPLY_ERROR) return session_->fail(Errc::bus_refused, std::string(text_of(reply)));
    if (reply.elements == 2 && reply.element[1]->integer > 0) return;
    session_->fail(Errc::bus_lost, "the Redis that takes commands does not know the connection that listens");
  });
  if (!session_) return;
  session_->run_after(*timer_, interval_, [this] { beat(); });
}

}  // namespace spate::detail
