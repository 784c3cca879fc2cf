#include <string>
#include <string_view>

#include <spate/cluster/detail/redis_url.hpp>
#include <spate/cluster/redis_options.hpp>
#include "support/catch.hpp"
#include "support/refusal.hpp"

using Catch::Matchers::ContainsSubstring;
using spate::ClusterMode;
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
