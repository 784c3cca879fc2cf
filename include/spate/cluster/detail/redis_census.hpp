// RedisCensus: asks Redis who is in the cluster, and takes out who is gone.
//
// Counting costs the same whatever there are. A list of users is read a page at a time, so that nobody else waits long
// for Redis. All of it on the strand; a question whose session ends is answered with Errc::bus_lost.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/cluster/bus.hpp>
#include <spate/cluster/detail/redis_keys.hpp>
#include <spate/cluster/detail/redis_server_info.hpp>
#include <spate/cluster/detail/redis_session.hpp>
#include <spate/error.hpp>

namespace spate::detail {

/// A question's answer, or Errc::bus_lost when the question is dropped.
template <typename Result>
class RedisAnswer {
 public:
  explicit RedisAnswer(std::function<void(std::error_code, Result)> done) : done_(std::move(done)) {}
  RedisAnswer(const RedisAnswer&) = delete;
  RedisAnswer& operator=(const RedisAnswer&) = delete;
  ~RedisAnswer() {
    if (done_) done_(Errc::bus_lost, {});
  }
  void give(Result result) { std::exchange(done_, {})({}, std::move(result)); }

 private:
  std::function<void(std::error_code, Result)> done_;
};

class RedisCensus {
 public:
  /// `origin` tells this process from all others.
  RedisCensus(const RedisKeys& keys, std::string origin) : keys_(keys), origin_(std::move(origin)) {}

  void begin(std::shared_ptr<RedisSession> session) { session_ = std::move(session); }
  void end() {
    session_ = nullptr;
    sweeping_ = false;
    const auto dropped = std::exchange(counting_, {});
  }

  /// Takes the users of nodes that are gone out of what is counted.
  void sweep() {
    if (!session_ || std::exchange(sweeping_, true)) return;
    sweep_some();
  }

  /// How many users and streams there are on all nodes.
  void count(std::shared_ptr<RedisAnswer<UserCounts>> answer) {
    if (!session_) return;
    counting_.push_back(std::move(answer));
    sweep();
  }

  /// The users of the other nodes, in the order of their bytes.
  void list(std::shared_ptr<RedisAnswer<std::vector<UserStreams>>> answer) {
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

 private:
  /// Users in one piece.
  static constexpr std::string_view at_a_time = "500";

  struct Found {
    std::size_t streams = 0;
    std::size_t node = 0;       // the last that has him, counted from one
    std::size_t from_node = 0;  // the streams of that
  };

  struct Listing {
    explicit Listing(std::shared_ptr<RedisAnswer<std::vector<UserStreams>>> to) : answer(std::move(to)) {}
    const std::shared_ptr<RedisAnswer<std::vector<UserStreams>>> answer;
    std::vector<std::string> nodes;
    std::size_t node = 0;
    std::string cursor = "0";
    std::map<std::string, Found, std::less<>> found;
  };

  void sweep_some() {
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

  void count_now() {
    if (counting_.empty()) return;
    session_->eval(RedisScript::counts, 3, {keys_.nodes, keys_.streams, keys_.members, keys_.prefix},
                   [answers = std::exchange(counting_, {})](const redisReply& reply) {
                     if (reply.type != REDIS_REPLY_ARRAY || reply.elements != 2) return;
                     const UserCounts counts{static_cast<std::size_t>(reply.element[0]->integer),
                                             static_cast<std::size_t>(reply.element[1]->integer)};
                     for (const auto& answer : answers) answer->give(counts);
                   });
  }

  void read_page(const std::shared_ptr<Listing>& listing) {
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

  void took_page(const std::shared_ptr<Listing>& listing, const redisReply& reply) {
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

  const RedisKeys& keys_;
  const std::string origin_;
  std::shared_ptr<RedisSession> session_;
  bool sweeping_ = false;
  std::vector<std::shared_ptr<RedisAnswer<UserCounts>>> counting_;  // questions that wait for the sweep's end
};

}  // namespace spate::detail
