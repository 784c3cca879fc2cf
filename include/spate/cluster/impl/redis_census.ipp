// The functions of redis_census.hpp.
#pragma once

#include <spate/cluster/detail/redis_census.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL void RedisCensus::end() {
  session_ = nullptr;
  sweeping_ = false;
  const auto dropped = std::exchange(counting_, {});
}

SPATE_DECL void RedisCensus::sweep() {
  if (!session_ || std::exchange(sweeping_, true)) return;
  sweep_some();
}

SPATE_DECL void RedisCensus::count(std::shared_ptr<RedisAnswer<UserCounts>> answer) {
  if (!session_) return;
  counting_.push_back(std::move(answer));
  sweep();
}

SPATE_DECL void RedisCensus::list(std::shared_ptr<RedisAnswer<std::vector<UserStreams>>> answer) {
  if (!session_) return;
  auto listing = std::make_shared<Listing>(std::move(answer));
  session_->eval(RedisScript::others, 2, {keys_.nodes, keys_.origins, origin_},
                 [this, listing = std::move(listing)](const redisReply& reply) {
                   if (reply.type != REDIS_REPLY_ARRAY) return;
                   for (std::size_t i = 0; i < reply.elements; ++i) {
                     listing->nodes.emplace_back(text_of(*reply.element[i]));
                   }
                   read_page(listing);
                 });
}

SPATE_DECL void RedisCensus::sweep_some() {
  session_->eval(RedisScript::forget, 5,
                 {keys_.nodes, keys_.origins, keys_.streams, keys_.left, keys_.members, keys_.prefix, at_a_time},
                 [this](const redisReply& reply) {
                   if (!session_) return;
                   const bool refused = reply.type == REDIS_REPLY_ERROR;
                   // One that takes no writes is left as it is for now.
                   if (refused && !RedisServerInfo::takes_no_writes(text_of(reply))) {
                     return session_->fail(Errc::bus_refused, std::string(text_of(reply)));
                   }
                   if (!refused && reply.integer > 0) return sweep_some();
                   sweeping_ = false;
                   count_now();
                 });
}

SPATE_DECL void RedisCensus::count_now() {
  if (counting_.empty()) return;
  session_->eval(RedisScript::counts, 3, {keys_.nodes, keys_.streams, keys_.members, keys_.prefix},
                 [answers = std::exchange(counting_, {})](const redisReply& reply) {
                   if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 2) return;
                   const UserCounts counts{static_cast<std::size_t>(reply.element[0]->integer),
                                           static_cast<std::size_t>(reply.element[1]->integer)};
                   for (const auto& answer : answers) answer->give(counts);
                 });
}

SPATE_DECL void RedisCensus::read_page(const std::shared_ptr<Listing>& listing) {
  if (!session_) return;
  if (listing->node == listing->nodes.size()) {
    std::vector<UserStreams> users;
    users.reserve(listing->found.size());
    for (const auto& [user, found] : listing->found) users.emplace_back(user, found.streams);
    return listing->answer->give(std::move(users));
  }
  const std::string table = keys_.prefix + "node:" + listing->nodes[listing->node];
  session_->commands().command({"HSCAN", table, listing->cursor, "COUNT", at_a_time},
                               [this, listing](const redisReply& reply) { took_page(listing, reply); });
}

SPATE_DECL void RedisCensus::took_page(const std::shared_ptr<Listing>& listing, const redisReply& reply) {
  // page = [ cursor, [ *( user, streams ) ] ]
  if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 2) return;
  listing->cursor = text_of(*reply.element[0]);
  const redisReply& users = *reply.element[1];
  for (std::size_t i = 0; i + 1 < users.elements; i += 2) {
    const std::string_view user = text_of(*users.element[i]), count = text_of(*users.element[i + 1]);
    std::size_t streams = 0;
    std::from_chars(count.data(), count.data() + count.size(), streams);
    Found& found = listing->found[std::string(user)];
    // A scan may give one twice.
    if (found.node == listing->node + 1) found.streams -= found.from_node;
    found.node = listing->node + 1;
    found.from_node = streams;
    found.streams += streams;
  }
  if (listing->cursor == "0") ++listing->node;
  read_page(listing);
}

}  // namespace spate::detail
