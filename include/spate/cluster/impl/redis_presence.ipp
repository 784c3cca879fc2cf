// The functions of redis_presence.hpp.
#pragma once

#include <spate/cluster/detail/redis_presence.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL RedisPresence::RedisPresence(RedisIo& io, const RedisOptions& options, const RedisKeys& keys,
                                        std::string origin, Events events)
    : origin_(std::move(origin)),
      lease_(std::to_string(options.lease.count())),
      log_age_(std::to_string(options.log_age.count())),
      channel_(options.mode == ClusterMode::durable ? std::string() : keys.to_node),
      interval_(std::min<std::chrono::milliseconds>(options.lease / 3, longest_interval)),
      keys_(keys),
      events_(std::move(events)),
      timer_(io.timer()) {}

SPATE_DECL bool RedisPresence::changed(std::string_view user, std::size_t streams) {
  const Lock lock(mutex_);
  if (!noting_) return false;
  events_.wake();
  changed_.insert_or_assign(std::string(user), streams);
  return true;
}

SPATE_DECL void RedisPresence::begin(std::shared_ptr<RedisSession> session) {
  session_ = std::move(session);
  renew();
}

SPATE_DECL void RedisPresence::end() {
  session_ = nullptr;
  timer_->cancel();
  state_ = State::asking;
  busy_ = false;
  trouble_.clear();
  rival_until_ = 0;
  note(false);
}

SPATE_DECL void RedisPresence::leave() {
  if (!session_ || state_ == State::asking || state_ == State::waiting) return;
  session_->eval(RedisScript::leave, 4, {keys_.nodes, keys_.origins, keys_.streams, keys_.left, keys_.node, origin_},
                 {});
  session_->eval(RedisScript::forget, 5,
                 {keys_.nodes, keys_.origins, keys_.streams, keys_.left, keys_.members, keys_.prefix, at_a_time}, {});
}

SPATE_DECL void RedisPresence::renew() {
  // Only when nothing is under way is it known what Redis must have.
  const bool known = state_ == State::told && !busy_ && users_told_ > 0;
  const std::string streams = std::to_string(events_.streams_here());
  session_->eval(RedisScript::lease, 7,
                 {keys_.nodes, keys_.origins, keys_.streams, keys_.left, keys_.members, keys_.users, keys_.log,
                  keys_.prefix, keys_.node, origin_, lease_, streams, known ? "1" : "0", channel_, log_age_},
                 [this](const redisReply& reply) { took_lease(reply); });
}

SPATE_DECL void RedisPresence::took_lease(const redisReply& reply) {
  if (failed(reply, "the lease cannot be kept: ")) return;
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 2) return refuse("the lease cannot be kept");
  const auto answer = reply.element[0]->integer;
  const bool waits = state_ == State::asking || state_ == State::waiting;
  if (answer < 0) {
    if (!waits) return session_->fail(Errc::bus_lost, "another node has taken this one's name");
    wait_for_rival(reply.element[1]->integer);
  } else if (waits) {
    trouble_.clear();
    enter(State::clearing);
    go_on();
  } else if (answer == 0) {
    return session_->fail(Errc::bus_lost, "Redis has lost what it was told of this node's users");
  } else {
    events_.renewed();
  }
  look_later();
}

SPATE_DECL void RedisPresence::look_later() {
  if (!session_) return;
  session_->run_after(*timer_, state_ == State::waiting ? std::min(waiting_look, interval_) : interval_,
                      [this] { renew(); });
}

SPATE_DECL void RedisPresence::wait_for_rival(std::int64_t until) {
  const bool lives = !channel_.empty() || (rival_until_ != 0 && until > rival_until_);
  rival_until_ = until;
  wait_for(lives ? rival_lives : trouble_);
}

SPATE_DECL void RedisPresence::wait_for(std::string trouble) {
  trouble_ = std::move(trouble);
  note(false);
  enter(State::waiting);
}

SPATE_DECL void RedisPresence::enter(State state) {
  state_ = state;
  events_.changed();
}

SPATE_DECL void RedisPresence::go_on() {
  if (!session_ || busy_) return;
  switch (state_) {
    case State::asking:
    case State::waiting: return;
    case State::clearing: return clear();
    case State::telling: return tell_page();
    case State::told: return tell(take_changes());
  }
}

SPATE_DECL void RedisPresence::clear() {
  busy_ = true;
  session_->eval(RedisScript::forget, 5,
                 {keys_.nodes, keys_.origins, keys_.streams, keys_.left, keys_.members, keys_.prefix, at_a_time,
                  keys_.node, origin_},
                 [this](const redisReply& reply) {
                   busy_ = false;
                   if (failed(reply)) return;
                   if (state_ != State::clearing) return;
                   if (reply.integer == 0) {
                     last_told_.clear();
                     note(true);  // before the first is told, so that nobody is missed
                     enter(State::telling);
                   }
                   go_on();
                 });
}

SPATE_DECL void RedisPresence::tell_page() {
  std::vector<UserStreams> users = events_.users_here(last_told_, max_at_a_time);
  if (users.empty()) {
    last_told_ = {};
    enter(State::told);
    return go_on();
  }
  last_told_ = users.back().first;
  tell(users);
}

SPATE_DECL std::vector<UserStreams> RedisPresence::take_changes() {
  const Lock lock(mutex_);
  std::vector<UserStreams> users;
  while (!changed_.empty() && users.size() < max_at_a_time) {
    auto user = changed_.extract(changed_.begin());
    users.emplace_back(std::move(user.key()), user.mapped());
  }
  return users;
}

SPATE_DECL void RedisPresence::tell(const std::vector<UserStreams>& users) {
  if (users.empty()) return;
  const std::string streams = std::to_string(events_.streams_here());
  std::vector<std::string> counts;
  counts.reserve(users.size());
  for (const UserStreams& user : users) counts.push_back(std::to_string(user.second));
  std::vector<std::string_view> words{keys_.users, keys_.members, keys_.origins, keys_.streams,
                                      keys_.node,  origin_,       lease_,        streams};
  for (std::size_t i = 0; i < users.size(); ++i) {
    words.emplace_back(users[i].first);
    words.emplace_back(counts[i]);
  }
  busy_ = true;
  session_->eval(RedisScript::presence, 4, words, [this](const redisReply& reply) {
    busy_ = false;
    if (failed(reply)) return;
    users_told_ = reply.integer;
    go_on();
  });
}

SPATE_DECL void RedisPresence::note(bool noting) {
  std::map<std::string, std::size_t> dropped;  // destroyed after the lock
  const Lock lock(mutex_);
  noting_ = noting;
  dropped.swap(changed_);
}

SPATE_DECL bool RedisPresence::failed(const redisReply& reply, const char* what) {
  if (!session_) return true;
  if (reply.type != REDIS_REPLY_ERROR) return false;
  if (RedisServerInfo::takes_no_writes(text_of(reply))) {
    wait_for(RedisServerInfo::explained(text_of(reply)));
    if (!session_) return true;
    if (text_of(reply).starts_with("OOM ") && events_.make_room()) {
      renew();
    } else {
      look_later();
    }
    return true;
  }
  refuse(what + std::string(text_of(reply)));
  return true;
}

}  // namespace spate::detail
