// The functions of redis_node.hpp: what other threads call, and how that comes to the strand.
//
// What goes on over a session begins in redis_node_session.ipp; what comes from Redis is taken in
// redis_node_receive.ipp.
#pragma once

#include <spate/cluster/detail/redis_node.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL RedisNode::RedisNode(std::shared_ptr<RedisIo> io, RedisOptions options)
    : origin_(draw()),
      url_(parse_redis_url(options.url)),
      options_(checked(std::move(options), hex(origin_))),
      logs_(options_.mode == ClusterMode::durable),
      keys_(options_.prefix, options_.node),
      io_(std::move(io)),
      random_(draw()),
      retry_timer_(io_->timer()),
      look_timer_(io_->timer()),
      sender_(*io_, options_, keys_, origin_, hex(origin_), sender_events()),
      presence_(*io_, options_, keys_, hex(origin_), presence_events()),
      census_(keys_, hex(origin_)),
      pulse_(*io_, options_.reply_timeout),
      sizes_(options_.log_events),
      recovery_(*io_, keys_, tail_),
      follower_(keys_.epoch, keys_.log, follower_events()) {
  status_.reason = "not connected yet";
}

SPATE_DECL void RedisNode::attach(std::shared_ptr<BusListener> listener) {
  {
    const Lock lock(mutex_);
    listener_ = std::move(listener);
  }
  run([](RedisNode& node) {
    // Another listener knows nothing of the log.
    node.forget_log({});
    node.has_read_ = false;
    node.end_session();
    node.connect_or_wait();
  });
}

SPATE_DECL void RedisNode::detach() {
  std::shared_ptr<BusListener> dropped;  // destroyed after the lock
  const Lock lock(mutex_);
  dropped.swap(listener_);
}

SPATE_DECL void RedisNode::ask_newest(Bus::Published done) {
  auto answer = std::make_shared<RedisAnswer<std::uint64_t>>(std::move(done));
  run([answer = std::move(answer)](const RedisNode& node) {
    if (!node.up_) return;
    node.session_->commands().command({"XINFO", "STREAM", node.keys_.log}, [answer](const redisReply& reply) {
      for (std::size_t i = 0; i + 1 < reply.elements; i += 2) {
        if (text_of(*reply.element[i]) != "last-generated-id") continue;
        return answer->give(LogId::parse(text_of(*reply.element[i + 1])).value_or(0));
      }
      // Without a log nothing was given out.
      if (reply.type == REDIS_REPLY_ERROR && text_of(reply) == "ERR no such key") answer->give(0);
    });
  });
}

SPATE_DECL void RedisNode::ask_users(std::function<void(std::error_code, std::vector<UserStreams>)> done) {
  auto answer = std::make_shared<RedisAnswer<std::vector<UserStreams>>>(std::move(done));
  run([answer = std::move(answer)](RedisNode& node) {
    if (node.may_ask_who_is_there()) node.census_.list(answer);
  });
}

SPATE_DECL void RedisNode::ask_counts(std::function<void(std::error_code, UserCounts)> done) {
  auto answer = std::make_shared<RedisAnswer<UserCounts>>(std::move(done));
  run([answer = std::move(answer)](RedisNode& node) {
    if (node.may_ask_who_is_there()) node.census_.count(answer);
  });
}

SPATE_DECL BusStatus RedisNode::status() const {
  BusStatus status;
  {
    const Lock lock(mutex_);
    status = status_;
    if (status.reason.empty()) status.reason = trouble_;
  }
  sender_.report(status);
  return status;
}

SPATE_DECL void RedisNode::close() {
  if (closed_.exchange(true)) return;
  try {
    run([](RedisNode& node) { node.leave(); });
  } catch (...) {
    closed_ = false;
    throw;
  }
}

SPATE_DECL std::uint64_t RedisNode::draw() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

SPATE_DECL std::string RedisNode::hex(std::uint64_t number) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  return std::string(digits.data(), end);
}

SPATE_DECL void RedisNode::run(std::function<void(RedisNode&)> function) {
  io_->post([self = shared_from_this(), function = std::move(function)] {
    if (const auto session = self->session_) {
      session->guarded([&] { function(*self); });
    } else {
      function(*self);
    }
  });
}

SPATE_DECL void RedisNode::wake() {
  const Lock lock(wake_mutex_);
  if (awake_) return;
  run([](RedisNode& node) {
    {
      const Lock woken(node.wake_mutex_);
      node.awake_ = false;
    }
    node.sender_.send_more();
    node.presence_.tell_changes();
  });
  awake_ = true;
}

SPATE_DECL std::shared_ptr<BusListener> RedisNode::listener() const {
  const Lock lock(mutex_);
  return listener_;
}

}  // namespace spate::detail
