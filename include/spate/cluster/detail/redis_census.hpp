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
#include <spate/config.hpp>
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
  void end();

  /// Takes the users of nodes that are gone out of what is counted.
  void sweep();

  /// How many users and streams there are on all nodes.
  void count(std::shared_ptr<RedisAnswer<UserCounts>> answer);

  /// The users of the other nodes, in the order of their bytes.
  void list(std::shared_ptr<RedisAnswer<std::vector<UserStreams>>> answer);

 private:
  /// Users in one piece.
  static constexpr std::string_view at_a_time = "500";

  struct Found {
    std::size_t streams = 0;
    std::size_t node = 0;       // the last that has them, counted from one
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

  void sweep_some();

  void count_now();

  void read_page(const std::shared_ptr<Listing>& listing);

  void took_page(const std::shared_ptr<Listing>& listing, const redisReply& reply);

  const RedisKeys& keys_;
  const std::string origin_;
  std::shared_ptr<RedisSession> session_;
  bool sweeping_ = false;
  std::vector<std::shared_ptr<RedisAnswer<UserCounts>>> counting_;  // questions that wait for the sweep's end
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/redis_census.ipp>
#endif
