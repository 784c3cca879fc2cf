// The part of RedisNode that has to do with its session: how it connects, finds its log or its channels, is up, and is
// lost. On the strand.
#pragma once

#include <spate/cluster/detail/redis_node.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL void RedisNode::connect() {
  if (left_) return;
  RedisSession::Events events;
  const std::weak_ptr<RedisNode> weak = weak_from_this();
  events.ready = [weak] {
    if (const auto self = weak.lock()) self->begin();
  };
  events.lost = [weak](std::error_code error, const std::string& why) {
    if (const auto self = weak.lock()) self->lost(error, why);
  };
  events.message = [weak](std::string_view message) {
    if (const auto self = weak.lock()) self->take_relayed(message);
  };
  auto session = std::make_shared<RedisSession>(io_, url_, options_.reply_timeout, std::move(events));
  session->start();
  session_ = std::move(session);
}

SPATE_DECL void RedisNode::connect_or_wait() {
  try {
    connect();
  } catch (const std::exception& error) {
    lost(Errc::bus_lost, error.what());
  }
}

SPATE_DECL void RedisNode::begin() {
  census_.begin(session_);
  ask_server([this](RedisServerInfo&& server) {
    server_ = std::move(server);
    if (logs_) return say_hello();
    begin_listening();
  });
}

SPATE_DECL void RedisNode::ask_server(std::function<void(RedisServerInfo&&)> then) {
  const std::vector<std::string_view> ask{"INFO", RedisServerInfo::process, RedisServerInfo::memory,
                                          RedisServerInfo::replication, RedisServerInfo::cluster};
  session_->commands().command(ask, [this, then = std::move(then)](const redisReply& reply) {
    RedisServerInfo server;
    if (reply.type != REDIS_REPLY_ERROR) server = RedisServerInfo::parse(text_of(reply));
    if (!server.unusable.empty()) return session_->fail(Errc::bus_refused, server.unusable);
    then(std::move(server));
  });
}

SPATE_DECL void RedisNode::look_again_later() {
  session_->run_after(*look_timer_, look_again_after, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->look_again();
  });
}

SPATE_DECL void RedisNode::look_again() {
  ask_server([this](RedisServerInfo&& server) {
    if (logs_ && server.took_over && server.replication_id != server_.replication_id) {
      return session_->fail(Errc::bus_lost, "it follows another history than before");
    }
    if (server.warning != server_.warning) {
      if (!server.warning.empty()) tell(Errc::bus_refused, server.warning);
      const Lock lock(mutex_);
      status_.reason = server.warning;
    }
    server_ = std::move(server);
    look_again_later();
  });
}

SPATE_DECL void RedisNode::say_hello() {
  const std::string proposed = hex(random_()), known = LogId::format(known_position()),
                    newest = LogId::format(tail_.newest()), restarts = std::to_string(agreement_after_restart.count()),
                    lease = std::to_string(options_.lease.count()), mark = LogId::format(mark_),
                    takes_over = std::to_string((options_.max_retry + agreement_after_restart).count());
  session_->eval(RedisScript::hello, 7,
                 {keys_.epoch, keys_.log, keys_.lineage, keys_.round, keys_.offers, keys_.mark, keys_.nodes, proposed,
                  follower_.epoch(), known, newest, tail_.stamp(), server_.lineage(), server_.took_over ? "1" : "0",
                  takes_over, restarts, lease, mark},
                 [this](const redisReply& reply) {
                   if (reply.type == REDIS_REPLY_ERROR) {
                     return session_->fail(Errc::bus_refused, RedisServerInfo::explained(text_of(reply)));
                   }
                   if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 6) {
                     return session_->fail(Errc::bus_refused, "the log cannot be read");
                   }
                   const bool knows = text_of(*reply.element[0]) == follower_.epoch() && was_up_;
                   begin_log(text_of(*reply.element[0]));
                   const RedisLogTail::LogEnd end{number_of(*reply.element[2]), number_of(*reply.element[4]),
                                                  std::string(text_of(*reply.element[5])),
                                                  number_of(*reply.element[3])};
                   mark_ = end.mark;
                   presence_.begin(session_);
                   // What waits is sent once the log has been read: so streams that were here before are given it.
                   if (reply.element[1]->integer == 0) return follower_.follow(session_);
                   recovery_.begin(session_, {follower_.epoch(), known_position(), follower_.position(), knows}, end,
                                   [this] { follower_.follow(session_); });
                 });
}

SPATE_DECL void RedisNode::begin_log(std::string_view epoch) {
  if (epoch == follower_.epoch()) return;
  forget_log(epoch);
  sender_.log_lost();
  if (const auto to = listener()) to->restarted(epoch);
}

SPATE_DECL void RedisNode::begin_listening() {
  const std::string own = keys_.prefix + "session:" + hex(random_());
  session_->listening().subscribe({keys_.to_all, keys_.to_node, own}, [this, own] {
    follows_ = true;
    presence_.begin(session_);
    pulse_.begin(session_, own);
  });
}

SPATE_DECL void RedisNode::look_whether_up() {
  const RedisPresence::State state = presence_.state();
  const bool may = state == RedisPresence::State::told ||
                   (options_.mode != ClusterMode::directed && state != RedisPresence::State::asking);
  if (!up_ && session_ && follows_ && may) up();
}

SPATE_DECL bool RedisNode::may_ask_who_is_there() const noexcept {
  const RedisPresence::State state = presence_.state();
  return up_ && (state == RedisPresence::State::told || state == RedisPresence::State::waiting);
}

SPATE_DECL void RedisNode::presence_changed() {
  const std::string trouble = presence_.trouble();
  bool news = false;
  {
    const Lock lock(mutex_);
    news = !trouble.empty() && trouble != trouble_;
    trouble_ = trouble;
    if (!trouble.empty() && !up_) status_.reason.clear();  // that of an earlier session
  }
  if (news) tell(Errc::bus_refused, quote(keys_.node) + ": " + trouble);
  const RedisPresence::State state = presence_.state();
  // While the others do not know who is here, what is routed goes past.
  if (state == RedisPresence::State::waiting && options_.mode == ClusterMode::directed) {
    (up_ ? passed_by_ : was_lost_) = true;
  }
  look_whether_up();
  if (state == RedisPresence::State::told && std::exchange(passed_by_, false)) {
    if (const auto to = listener()) to->missed();
  }
}

SPATE_DECL void RedisNode::forget_log(std::string_view epoch) {
  follower_.restart(epoch);
  tail_.clear();
  sizes_.clear();
  newest_of_.clear();
  mark_ = 0;
}

SPATE_DECL void RedisNode::up() {
  up_ = true;
  // Before it is said that all is well again. What others sent before this moment may not have come.
  if (std::exchange(was_lost_, false) && !logs_) {
    if (const auto to = listener()) to->missed();
  }
  up_since_ = io_->now();
  {
    const Lock lock(mutex_);
    status_.connected = true;
    status_.reason = server_.warning;
    if (was_up_) ++status_.reconnects;
  }
  was_up_ = true;
  if (!server_.warning.empty()) tell(Errc::bus_refused, server_.warning);
  look_again_later();
  sender_.begin(session_, follower_.epoch());
  if (logs_) trim_to(options_.log_bytes);
}

SPATE_DECL void RedisNode::lost(std::error_code error, const std::string& why) {
  const bool lasted = up_ && io_->now() - up_since_ > std::chrono::seconds(1);
  end_session();
  was_lost_ = true;
  connect_later(lasted);  // before what else may fail for want of memory
  {
    const Lock lock(mutex_);
    status_.reason = reason_of(error, why);
  }
  tell(error, url_.host + ":" + std::to_string(url_.port) + ": " + why);
}

SPATE_DECL void RedisNode::connect_later(bool lasted) {
  if (left_) return;
  const bool first = lasted || retry_delay_.count() == 0;
  retry_delay_ = first ? options_.min_retry : std::min(retry_delay_ * 2, options_.max_retry);
  const auto most = std::max<std::int64_t>(retry_delay_.count(), 1);
  const std::chrono::milliseconds wait(std::uniform_int_distribution<std::int64_t>((most + 1) / 2, most)(random_));
  try {
    retry_timer_->set(wait, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && !self->session_) self->connect_or_wait();
    });
  } catch (const std::bad_alloc&) {
    connect();  // there is no memory to wait
  }
}

SPATE_DECL std::string RedisNode::reason_of(std::error_code error, const std::string& why) {
  for (const char* code : {"MOVED ", "ASK ", "CROSSSLOT "}) {
    if (why.find(code) != std::string::npos) return "Redis Cluster is not supported";
  }
  return (error == Errc::bus_lost ? "no connection to Redis: " : "Redis refuses: ") + why;
}

SPATE_DECL void RedisNode::end_session() {
  up_ = follows_ = passed_by_ = false;
  follower_.stop();
  recovery_.end();
  presence_.end();
  census_.end();
  pulse_.end();
  retry_timer_->cancel();
  look_timer_->cancel();
  if (const auto session = std::exchange(session_, nullptr)) session->close();
  {
    const Lock lock(mutex_);
    status_.connected = false;
    trouble_.clear();
  }
  sender_.end();
}

SPATE_DECL void RedisNode::leave() {
  left_ = true;
  if (session_ && presence_.state() != RedisPresence::State::asking) {
    presence_.leave();
    session_->close_when_written();
  }
  end_session();
  sender_.close();
  const Lock lock(mutex_);
  status_.reason = "closed";
}

}  // namespace spate::detail
