// The part of RedisNode that takes what comes from Redis: what its parts tell it, entries of the log, messages that are
// relayed. On the strand.
#pragma once

#include <spate/cluster/detail/redis_node.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL RedisSender::Events RedisNode::sender_events() {
  RedisSender::Events events;
  events.refused = refusal_teller();
  events.appended = [this](std::uint64_t sequence, std::string_view message) {
    tail_.add(sequence, message, io_->now());
  };
  events.make_room = [this](std::size_t bytes) { return make_room(bytes); };
  events.wake = [this] { wake(); };
  return events;
}

SPATE_DECL RedisPresence::Events RedisNode::presence_events() {
  RedisPresence::Events events;
  events.users_here = [this](std::string_view after, std::size_t most) {
    const auto to = listener();
    return to ? to->users_here(after, most) : std::vector<UserStreams>();
  };
  events.streams_here = [this] {
    const auto to = listener();
    return to ? to->counts_here().streams : 0;
  };
  events.changed = [this] { presence_changed(); };
  events.renewed = [this] { census_.sweep(); };
  events.make_room = [this] { return make_room(0); };
  events.wake = [this] { wake(); };
  return events;
}

SPATE_DECL RedisLogFollower::Events RedisNode::follower_events() {
  RedisLogFollower::Events events;
  events.entry = [this](std::uint64_t sequence, std::string_view message, std::chrono::milliseconds age) {
    take_entry(sequence, message, age);
  };
  events.trimmed = [this](std::uint64_t sequence) {
    sizes_.trimmed(sequence);
    if (const auto to = listener()) to->trimmed(sequence);
  };
  events.marked = [this](std::uint64_t sequence) {
    sizes_.add(sequence, 0);
    mark_ = sequence;
    if (const auto to = listener()) to->trimmed(sequence);
  };
  events.garbled = [this](std::string_view id) { skip("an entry of the log, " + std::string(id)); };
  events.reached_end = [this](std::uint64_t newest) {
    if (const auto to = listener()) to->reached_end(newest);
    sender_.reached_end(newest);
    tail_.drop_older_than(io_->now() - RedisLogTail::kept_for);
    follows_ = has_read_ = true;
    look_whether_up();
  };
  return events;
}

SPATE_DECL void RedisNode::take_entry(std::uint64_t sequence, std::string_view text, std::chrono::milliseconds age) {
  sizes_.add(sequence, text.size());
  auto message = decode(text);
  if (!message) return;
  // The log gives the ids.
  if (message->event.id()) return skip("an entry of the log, " + LogId::format(sequence) + ", with an id of its own");
  count(*message);
  tail_.add(sequence, text, io_->now());
  const bool own = message->origin == origin_;
  // Each publisher trims for what it brings, some at a time.
  if (own && sizes_.bytes() > options_.log_bytes) trim_to(options_.log_bytes - options_.log_bytes / 16);
  // A publisher's events are numbered as they are appended. One that is here already has been sent again, because the
  // Redis that had it is gone, and its publisher had no answer.
  if (std::uint64_t& newest = newest_from(message->origin); message->counter > newest) {
    message->grow_older(age);
    tell_entry(sequence, *message);
    newest = message->counter;
  }
  if (own) sender_.seen(message->counter, sequence);
}

SPATE_DECL void RedisNode::tell_entry(std::uint64_t sequence, const BusMessage& message) {
  const auto to = listener();
  if (!to) return;
  to->appended(sequence, message.audience(), message.event);
  if (message.command && has_read_) to->commanded(*message.command);
}

SPATE_DECL std::uint64_t& RedisNode::newest_from(std::uint64_t origin) {
  if (newest_of_.size() > max_publishers) newest_of_.clear();
  return newest_of_[origin];
}

SPATE_DECL bool RedisNode::trim_to(std::size_t bytes) {
  const std::optional<std::uint64_t> first = sizes_.trim_to(bytes);
  if (!first || !session_) return false;
  const std::string id = LogId::format(*first);
  session_->commands().command({"XTRIM", keys_.log, "MINID", "~", id}, [this](const redisReply& reply) {
    if (reply.type == REDIS_REPLY_ERROR) tell(Errc::bus_refused, std::string(text_of(reply)));
  });
  return true;
}

SPATE_DECL bool RedisNode::make_room(std::size_t bytes) {
  const std::size_t kept = sizes_.bytes(), least = std::max(least_log_bytes, 4 * bytes);
  const std::size_t wanted = std::max(kept / 16, 2 * bytes + least_room);
  return kept > least && trim_to(std::max(least, kept - std::min(kept, wanted)));
}

SPATE_DECL void RedisNode::take_relayed(std::string_view text) {
  const auto message = decode(text);
  if (!message || message->origin == origin_) return;
  count(*message);
  const auto to = listener();
  if (!to) return;
  if (message->command) {
    to->commanded(*message->command);
  } else {
    to->relayed(message->audience(), message->event);
  }
}

SPATE_DECL std::optional<BusMessage> RedisNode::decode(std::string_view text) {
  std::string why;
  auto message = BusMessageCodec::decode(text, why);
  if (!message) skip("a message of " + std::to_string(text.size()) + " bytes: " + why);
  return message;
}

SPATE_DECL void RedisNode::count(const BusMessage& message) {
  if (message.origin == origin_) return;
  const Lock lock(mutex_);
  ++status_.received;
}

SPATE_DECL void RedisNode::skip(const std::string& what) {
  {
    const Lock lock(mutex_);
    ++status_.skipped;
  }
  tell(Errc::bus_garbled, "skipped " + what);
}

}  // namespace spate::detail
