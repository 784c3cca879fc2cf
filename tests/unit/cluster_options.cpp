#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/cluster/detail/checked_options.hpp>
#include <spate/cluster/detail/redis_url.hpp>
#include <spate/cluster/redis_options.hpp>
#include "support/catch.hpp"
#include "support/refusal.hpp"

using Catch::Matchers::ContainsSubstring;
using spate::ClusterMode;
using spate::RedisOptions;
using spate::detail::parse_redis_url;
using spate::detail::RedisUrl;

namespace {

std::string refusal(std::string_view url) {
  return spate::test::refusal([&] { parse_redis_url(url); });
}

}  // namespace

TEST_CASE("a URL names host, port, user, password and database", "[cluster][url]") {
  const RedisUrl least = parse_redis_url("redis://localhost");
  CHECK(least.host == "localhost");
  CHECK(least.port == 6379);
  CHECK(least.user.empty());
  CHECK(least.password.empty());
  CHECK(least.database == 0);

  const RedisUrl most = parse_redis_url("redis://app:s%40cr%2Ft%3A@redis.example:6380/12");
  CHECK(most.host == "redis.example");
  CHECK(most.port == 6380);
  CHECK(most.user == "app");
  CHECK(most.password == "s@cr/t:");
  CHECK(most.database == 12);

  const RedisUrl default_user = parse_redis_url("redis://:secret@127.0.0.1:1/");
  CHECK(default_user.user.empty());
  CHECK(default_user.password == "secret");
  CHECK(default_user.port == 1);

  const RedisUrl v6 = parse_redis_url("redis://[::1]:7000/2");
  CHECK(v6.host == "::1");
  CHECK(v6.port == 7000);
  CHECK(parse_redis_url("redis://[::1]").port == 6379);
}

TEST_CASE("a URL that cannot be used is refused with its reason and without its password", "[cluster][url]") {
  CHECK_THAT(refusal("rediss://:secret@h"), ContainsSubstring("TLS to Redis is not available"));
  for (const char* url : {"",
                          "redis:",
                          "http://h",
                          "redis://",
                          "redis://:6379",
                          "redis://h:0",
                          "redis://h:65536",
                          "redis://h:x",
                          "redis://h:",
                          "redis://h/x",
                          "redis://h/-1",
                          "redis://h?x=1",
                          "redis://user@h",
                          "redis://user:@h",
                          "redis://:secret@",
                          "redis://:sec%zzret@h",
                          "redis://:sec/ret@h",
                          "redis://:sec@ret@h",
                          "redis://[::1",
                          "redis://[::1]x"}) {
    CAPTURE(url);
    const std::string why = refusal(url);
    CHECK_THAT(why, ContainsSubstring("spate::RedisBus: "));
    CHECK(why.find("sec") == std::string::npos);
  }
}

TEST_CASE("modes are known by their names", "[cluster][options]") {
  for (const ClusterMode mode : {ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast}) {
    CHECK(spate::parse_cluster_mode(to_string(mode)) == mode);
  }
  CHECK_FALSE(spate::parse_cluster_mode("Durable"));
  CHECK_FALSE(spate::parse_cluster_mode(""));
}

TEST_CASE("a node takes the name it is given, or the one that was drawn for it", "[cluster][options]") {
  RedisOptions named;
  named.node = "a.b-1_C";
  CHECK(spate::detail::checked(named, "drawn").node == "a.b-1_C");
  CHECK(spate::detail::checked({}, "drawn").node == "drawn");
}

TEST_CASE("options that cannot be are refused by name and value", "[cluster][options]") {
  using namespace std::chrono_literals;
  const std::vector<std::pair<std::function<void(RedisOptions&)>, const char*>> mistakes = {
      {[](RedisOptions& o) { o.node = "a b"; }, R"(node is 1 to 64 of letters, digits, '.', '_' and '-', not "a b")"},
      {[](RedisOptions& o) { o.log_events = 0; }, "log_events must be positive: 0"},
      {[](RedisOptions& o) { o.log_bytes = 0; }, "log_bytes must be positive: 0"},
      {[](RedisOptions& o) { o.max_queued_events = 0; }, "max_queued_events must be positive: 0"},
      {[](RedisOptions& o) { o.max_queued_bytes = 0; }, "max_queued_bytes must be positive: 0"},
      {[](RedisOptions& o) { o.log_age = -1ms; }, "log_age must not be negative: -1 ms"},
      // Redis takes 0 for "as long as it takes".
      {[](RedisOptions& o) { o.wait_timeout = 0ms; }, "wait_timeout must be positive: 0 ms"},
      {[](RedisOptions& o) { o.lease = 0ms; }, "lease must be positive: 0 ms"},
      {[](RedisOptions& o) { o.lease = -10s; }, "lease must be positive: -10000 ms"},
      {[](RedisOptions& o) { o.reply_timeout = 0ms; }, "reply_timeout must be positive: 0 ms"},
      {[](RedisOptions& o) { o.min_retry = 0ms; }, "min_retry must be positive: 0 ms"},
      {[](RedisOptions& o) { o.max_retry = 99ms; }, "min_retry (100 ms) must not be above max_retry (99 ms)"},
  };
  for (const auto& [set, sentence] : mistakes) {
    RedisOptions options;
    set(options);
    CHECK(spate::test::refusal([&] { spate::detail::checked(options, "n"); }) ==
          std::string("spate::RedisOptions::") + sentence);
  }
}
