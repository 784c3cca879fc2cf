// The functions of redis_sender.hpp.
#pragma once

#include <spate/cluster/detail/redis_sender.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL RedisSender::RedisSender(RedisIo& io, const RedisOptions& options, const RedisKeys& keys,
                                    std::uint64_t origin, const std::string& name, Events events)
    : origin_(origin),
      logs_(options.mode == ClusterMode::durable),
      routes_(options.mode == ClusterMode::directed),
      kept_(std::to_string(options.log_events)),
      again_after_(options.min_retry * 2),
      replicas_(options.wait_replicas),
      replicas_within_(options.wait_timeout),
      keys_(keys),
      counter_key_(keys.publisher + name),
      events_(std::move(events)),
      timer_(io.timer()),
      outbox_(options.max_queued_events, options.max_queued_bytes) {}

SPATE_DECL std::error_code RedisSender::push(const Audience& audience, const Event& event, Bus::Published done) {
  // Others may be for any node: where users are is known, and not who has joined a topic.
  const bool routed = routes_ && audience.kind() == Audience::Kind::user;
  return push(BusMessageCodec::encode(audience, event), routed ? std::string(audience.name()) : std::string(),
              std::move(done));
}

SPATE_DECL std::error_code RedisSender::push(std::string message, std::string user, Bus::Published done) {
  const Lock lock(mutex_);
  if (closed_) return Errc::shut_down;
  if (!outbox_.has_room(message.size())) {
    ++refused_count_;
    return Errc::bus_queue_full;
  }
  BusMessageCodec::stamp(message, origin_, outbox_.next_counter());
  // First what may fail for want of memory: no event is queued that nobody sends, or that its caller takes for lost.
  events_.wake();
  outbox_.push(std::move(message), std::move(user), std::move(done));
  return {};
}

SPATE_DECL void RedisSender::report(BusStatus& status) const {
  const Lock lock(mutex_);
  status.queued = outbox_.size();
  status.queued_bytes = outbox_.bytes();
  status.published = published_;
  status.refused = refused_count_;
  // Of a Redis that is there, what it refuses comes first.
  if (!refusal_.empty() && (status.connected || status.reason.empty())) status.reason = refusal_;
}

SPATE_DECL void RedisSender::begin(std::shared_ptr<RedisSession> session, std::string epoch) {
  session_ = std::move(session);
  epoch_ = std::move(epoch);
  first_ = true;
  if (logs_) rewind();
  send_more();
}

SPATE_DECL void RedisSender::end() {
  session_ = nullptr;
  timer_->cancel();
  rewinding_ = full_ = false;
  in_flight_ = 0;
  {
    const Lock lock(mutex_);
    refusal_.clear();
  }
  if (logs_) rewind();
  // Without a log, at most once: nobody knows whether Redis had those that were on their way.
  give_up(Errc::bus_lost, [](const Outbox& outbox) { return outbox.sent() > 0; });
  asks_replicas_ = false;
  // They are in the log, but nobody knows whether replicas have them.
  for (const Confirmed& each : std::exchange(unreplicated_, {})) each.done(Errc::bus_not_replicated, 0);
  // The log is not read for a while, and these need not wait for it. What Redis only said to have already is found in
  // the log later.
  complete_if([](const Confirmed& each) { return each.sequence != 0; });
}

SPATE_DECL void RedisSender::close() {
  {
    const Lock lock(mutex_);
    closed_ = true;
  }
  give_up(Errc::shut_down, [](const Outbox& outbox) { return outbox.size() > 0; });
  for (const Confirmed& each : std::exchange(unreplicated_, {})) each.done(Errc::bus_not_replicated, 0);
  complete_if([](const Confirmed&) { return true; });
}

SPATE_DECL void RedisSender::send_more() {
  while (session_ && !rewinding_ && in_flight_ < window) {
    Outbox::Item* item = nullptr;
    {
      const Lock lock(mutex_);
      item = outbox_.next();
    }
    if (item == nullptr) return;
    ++in_flight_;
    // Only this strand takes one out, so it stays where it is.
    if (logs_) {
      append(*item);
    } else {
      relay(*item);
    }
  }
}

SPATE_DECL void RedisSender::seen(std::uint64_t counter, std::uint64_t sequence) {
  seen_up_to_ = counter;
  Bus::Published done;
  if (const auto found = confirmed_.find(counter); found != confirmed_.end()) {
    done = std::move(found->second.done);
    confirmed_.erase(found);
  } else if (replicas_ == 0) {
    // It is here before Redis's answer is.
    const Lock lock(mutex_);
    if (Outbox::Item* item = outbox_.find(counter)) done.swap(item->done);
  }
  if (done) done({}, sequence);
}

SPATE_DECL void RedisSender::reached_end(std::uint64_t newest) {
  complete_if([newest](Confirmed& each) {
    if (each.sequence != 0) return each.sequence <= newest;
    // It was in the log before Redis said so: whoever has read all of it twice since then would have seen it.
    return ++each.times_read > 1;
  });
}

SPATE_DECL void RedisSender::append(const Outbox::Item& item) {
  const std::string counter = std::to_string(item.counter);
  session_->eval(RedisScript::append, 4,
                 {keys_.epoch, keys_.log, counter_key_, keys_.round, epoch_, counter,
                  std::exchange(first_, false) ? "1" : "0", kept_, RedisLogRecovery::counter_lifetime, item.message},
                 [this](const redisReply& reply) { took_append(reply); });
}

SPATE_DECL void RedisSender::took_append(const redisReply& reply) {
  --in_flight_;
  if (reply.type == REDIS_REPLY_ERROR) return failed(std::string(text_of(reply)));
  if (rewinding_) return send_again_later();
  // It is taken out after what may fail for want of memory, so that its fate is told in any case.
  const Outbox::Item& item = oldest();
  const std::uint64_t sequence = LogId::parse(text_of(reply)).value_or(0);
  if (sequence != 0) events_.appended(sequence, item.message);
  if (!item.done) {
    pop({});
  } else if (replicas_ == 0) {
    confirm({item.counter, sequence, {}, 0}, [this] { return pop({}).done; });
  } else {
    Confirmed& confirmed = unreplicated_.emplace_back(Confirmed{item.counter, sequence, {}, 0});
    confirmed.done = pop({}).done;
    ask_replicas();
  }
  send_more();
}

SPATE_DECL void RedisSender::ask_replicas() {
  if (asks_replicas_ || unreplicated_.empty()) return;
  asks_replicas_ = true;
  const std::string count = std::to_string(replicas_), within = std::to_string(replicas_within_.count());
  session_->commands().command(
      {"WAIT", count, within},
      [this, asked = unreplicated_.size()](const redisReply& reply) { took_replicas(reply, asked); }, replicas_within_);
}

SPATE_DECL void RedisSender::took_replicas(const redisReply& reply, std::size_t asked) {
  asks_replicas_ = false;
  const bool refused = reply.type == REDIS_REPLY_ERROR;
  const bool enough = !refused && static_cast<std::uint64_t>(reply.integer) >= replicas_;
  const std::string why = refused  ? std::string(text_of(reply))
                          : enough ? std::string()
                                   : "only " + std::to_string(reply.integer) + " of " + std::to_string(replicas_) +
                                         " replicas have confirmed within " + std::to_string(replicas_within_.count()) +
                                         " ms";
  {
    const Lock lock(mutex_);
    refusal_ = why;
  }
  if (!enough) events_.refused(why);
  for (; asked > 0; --asked) {
    const auto take_done = [this] {
      Bus::Published done = std::move(unreplicated_.front().done);
      unreplicated_.pop_front();
      return done;
    };
    if (enough) {
      confirm({unreplicated_.front().counter, unreplicated_.front().sequence, {}, 0}, take_done);
    } else {
      take_done()(Errc::bus_not_replicated, 0);
    }
  }
  ask_replicas();
}

SPATE_DECL void RedisSender::failed(const std::string& why) {
  if (why.starts_with("EPOCH") || why.starts_with("NOSCRIPT") || why.starts_with("READONLY")) {
    return session_->fail(Errc::bus_lost, RedisServerInfo::explained(why));
  }
  if (!std::exchange(rewinding_, true)) {
    full_ = why.starts_with("OOM");
    const std::string told = RedisServerInfo::explained(why);
    {
      const Lock lock(mutex_);
      refusal_ = told;
    }
    events_.refused(told);
  }
  send_again_later();
}

SPATE_DECL void RedisSender::send_again_later() {
  if (in_flight_ > 0) return;
  if (std::exchange(full_, false) && room_was_made()) return send_again();
  session_->run_after(*timer_, again_after_, [this] { send_again(); });
}

SPATE_DECL void RedisSender::send_again() {
  rewinding_ = false;
  first_ = true;
  rewind();
  send_more();
}

SPATE_DECL bool RedisSender::room_was_made() {
  std::size_t size = 0;
  {
    const Lock lock(mutex_);
    if (outbox_.size() == 0) return true;
    const Outbox::Item& oldest = outbox_.front();
    size = oldest.message.size();
    if (std::exchange(without_room_, oldest.counter) != oldest.counter) attempts_ = 0;
  }
  if (events_.make_room(size)) return true;
  if (size < large || ++attempts_ < max_attempts) return false;
  const Outbox::Item refused = pop_refused();
  if (refused.done) refused.done(Errc::bus_refused, 0);
  return true;
}

SPATE_DECL void RedisSender::relay(const Outbox::Item& item) {
  RedisConnection::Reply reply = [this](const redisReply& answer) {
    --in_flight_;
    const bool taken = answer.type != REDIS_REPLY_ERROR;
    const std::string why = taken ? std::string() : std::string(text_of(answer));
    if (why.starts_with("NOSCRIPT") || why.starts_with("READONLY")) return put_back(why);
    const Outbox::Item sent = pop(why);
    if (sent.done) sent.done(taken ? std::error_code() : Errc::bus_refused, 0);
    if (!taken) events_.refused(why);
    send_the_rest();
  };
  if (item.user.empty()) {
    session_->commands().command({"PUBLISH", keys_.to_all, item.message}, std::move(reply));
  } else {
    session_->eval(RedisScript::route, 1, {keys_.nodes, keys_.prefix, keys_.node, item.user, item.message},
                   std::move(reply));
  }
}

SPATE_DECL void RedisSender::put_back(const std::string& why) {
  if (why.starts_with("READONLY")) return session_->fail(Errc::bus_lost, RedisServerInfo::explained(why));
  rewinding_ = true;
  {
    const Lock lock(mutex_);
    outbox_.put_back();
  }
  send_the_rest();
}

SPATE_DECL void RedisSender::send_the_rest() {
  if (rewinding_ && in_flight_ > 0) return;
  if (std::exchange(rewinding_, false)) session_->load_again();
  send_more();
}

SPATE_DECL void RedisSender::rewind() {
  const std::error_code fate = replicas_ == 0 ? std::error_code() : Errc::bus_not_replicated;
  for (;;) {
    Bus::Published done;
    {
      const Lock lock(mutex_);
      if (outbox_.size() == 0 || outbox_.front().counter > seen_up_to_) return outbox_.rewind();
      done = outbox_.pop().done;
      ++published_;
    }
    if (done) done(fate, 0);
  }
}

SPATE_DECL const Outbox::Item& RedisSender::oldest() const {
  const Lock lock(mutex_);
  return outbox_.front();
}

SPATE_DECL Outbox::Item RedisSender::pop(const std::string& why) {
  const Lock lock(mutex_);
  if (why.empty()) ++published_;
  refusal_ = why;
  return outbox_.pop();
}

SPATE_DECL Outbox::Item RedisSender::pop_refused() {
  const Lock lock(mutex_);
  ++refused_count_;
  return outbox_.pop();
}

}  // namespace spate::detail
