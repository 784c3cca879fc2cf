// What a node keeps of the log of its cluster: its newest entries, the sizes of all, and what its Redis says of itself.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <spate/cluster/detail/redis_log_sizes.hpp>
#include <spate/cluster/detail/redis_log_tail.hpp>
#include <spate/cluster/detail/redis_server_info.hpp>
#include "support/catch.hpp"

using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using spate::detail::RedisLogSizes;
using spate::detail::RedisLogTail;
using spate::detail::RedisServerInfo;

namespace {

const RedisLogTail::Clock::time_point t0{};

std::vector<std::uint64_t> kept_after(const RedisLogTail& tail, std::uint64_t sequence) {
  std::vector<std::uint64_t> kept;
  tail.for_each_after(sequence, [&](std::uint64_t each, const std::string&) { kept.push_back(each); });
  return kept;
}

constexpr std::size_t overhead = RedisLogSizes::overhead;

}  // namespace

TEST_CASE("a tail has the newest entries in order, however they came", "[cluster][tail]") {
  RedisLogTail tail;
  CHECK(tail.newest() == 0);
  for (const std::uint64_t sequence : {10U, 30U, 20U, 30U}) tail.add(sequence, "message", t0);
  CHECK(kept_after(tail, 0) == std::vector<std::uint64_t>{10, 20, 30});
  CHECK(kept_after(tail, 10) == std::vector<std::uint64_t>{20, 30});
  CHECK(tail.newest() == 30);
  CHECK(tail.bytes() == 21);
  CHECK(tail.reaches_back_to(0));
}

TEST_CASE("a tail forgets what is old or too much, and knows that it has", "[cluster][tail]") {
  RedisLogTail tail;
  tail.add(1, "old", t0);
  tail.add(2, "new", t0 + 11s);
  CHECK(kept_after(tail, 0) == std::vector<std::uint64_t>{2});
  CHECK_FALSE(tail.reaches_back_to(0));
  CHECK(tail.reaches_back_to(1));
  const std::string large(RedisLogTail::max_bytes / 2, 'x');
  tail.add(3, large, t0 + 11s);
  tail.add(4, large, t0 + 11s);
  CHECK(kept_after(tail, 0) == std::vector<std::uint64_t>{3, 4});
  CHECK_FALSE(tail.reaches_back_to(1));
  // The newest is known although nothing is left of it.
  tail.drop_older_than(t0 + 1h);
  CHECK(kept_after(tail, 0).empty());
  CHECK(tail.bytes() == 0);
  CHECK(tail.newest() == 4);
  CHECK_FALSE(tail.stamp().empty());
  tail.clear();
  CHECK(tail.newest() == 0);
  CHECK(tail.reaches_back_to(0));
}

TEST_CASE("a log that ends in what a tail does not have, or lacks what it has, is not the log of that tail",
          "[cluster][tail]") {
  using End = RedisLogTail::LogEnd;
  RedisLogTail tail;
  const std::string stamp(17, 's'), other(17, 'o');
  for (const std::uint64_t sequence : {10U, 20U, 30U}) tail.add(sequence, stamp + "message", t0);
  // It may be shorter, or longer.
  CHECK(tail.agrees_with(End{0, 0, "", 0}, 30));
  CHECK(tail.agrees_with(End{20, 20, stamp, 0}, 30));
  CHECK(tail.agrees_with(End{30, 30, stamp, 0}, 30));
  CHECK(tail.agrees_with(End{40, 40, other, 0}, 30));
  // Of what was confirmed before it was read, others may have come in between.
  CHECK(tail.agrees_with(End{25, 25, other, 0}, 20));
  // Another entry took a place, or one that was here.
  CHECK_FALSE(tail.agrees_with(End{25, 25, other, 0}, 30));
  CHECK_FALSE(tail.agrees_with(End{20, 20, other, 0}, 30));
  // Numbers that were given out are not given out again, so that what had them cannot be put there.
  CHECK_FALSE(tail.agrees_with(End{30, 20, stamp, 0}, 30));
  CHECK(tail.agrees_with(End{29, 20, stamp, 0}, 30));
  // Marks are no entries of a tail.
  CHECK(tail.agrees_with(End{25, 25, "", 25}, 30));
  tail.drop_older_than(t0 + 1h);
  CHECK(tail.agrees_with(End{30, 30, stamp, 0}, 30));
  CHECK_FALSE(tail.agrees_with(End{20, 20, stamp, 0}, 30));
  CHECK_FALSE(tail.agrees_with(End{35, 25, other, 0}, 35));
}

TEST_CASE("a log over its bytes loses its oldest entries, and never its newest", "[cluster][sizes]") {
  RedisLogSizes sizes(100);
  CHECK(sizes.trim_to(0) == std::nullopt);
  for (std::uint64_t sequence = 1; sequence <= 4; ++sequence) sizes.add(sequence, 1'000);
  CHECK(sizes.bytes() == 4 * (1'000 + overhead));
  CHECK(sizes.trim_to(4 * (1'000 + overhead)) == std::nullopt);
  CHECK(sizes.trim_to(4 * (1'000 + overhead) - 1) == 2);
  CHECK(sizes.trim_to(2 * (1'000 + overhead)) == 3);
  CHECK(sizes.trim_to(10) == 4);
  CHECK(sizes.trim_to(10) == std::nullopt);
  CHECK(sizes.entries() == 1);
}

TEST_CASE("sizes follow what Redis trims by itself", "[cluster][sizes]") {
  RedisLogSizes sizes(3);
  for (std::uint64_t sequence = 10; sequence <= 50; sequence += 10) sizes.add(sequence, 0);
  CHECK(sizes.entries() == 3);
  CHECK(sizes.bytes() == 3 * overhead);
  sizes.trimmed(35);
  CHECK(sizes.entries() == 2);
  sizes.trimmed(50);
  CHECK(sizes.entries() == 0);
  CHECK(sizes.bytes() == 0);
}

TEST_CASE("a Redis that cannot be used is told from one that can, with what to do", "[cluster][info]") {
  const std::string healthy =
      "# Server\r\nrun_id:run\r\n# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n\r\n# "
      "Replication\r\nrole:master\r\n"
      "master_replid:abc\r\nmaster_replid2:0000000000\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n";
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = healthy;
    text.replace(text.find(from), from.size(), to);
    return RedisServerInfo::parse(text);
  };
  const RedisServerInfo info = RedisServerInfo::parse(healthy);
  CHECK(info.replication_id == "abc");
  CHECK(info.lineage() == "run abc");
  CHECK_FALSE(info.took_over);
  CHECK(info.unusable.empty());
  CHECK(info.warning.empty());
  CHECK(with("replid2:0000000000", "replid2:00def00000").took_over);
  CHECK_THAT(with("role:master", "role:slave").unusable, ContainsSubstring("name its master"));
  CHECK_THAT(with("cluster_enabled:0", "cluster_enabled:1").unusable,
             ContainsSubstring("Redis Cluster is not supported"));
  for (const char* policy : {"allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-ttl"}) {
    CHECK_THAT(with("noeviction", policy).warning, ContainsSubstring(policy) && ContainsSubstring("noeviction"));
  }
  // What it does not say counts as well.
  for (const char* text : {"", "\r\n", "role", "role:", "# Replication\r\n"}) {
    CHECK(RedisServerInfo::parse(text).unusable.empty());
    CHECK(RedisServerInfo::parse(text).warning.empty());
    CHECK(RedisServerInfo::parse(text).lineage().empty());
  }
}

TEST_CASE("errors whose words do not say what to do are explained", "[cluster][info]") {
  CHECK_THAT(RedisServerInfo::explained("READONLY You can't write against a read only replica."),
             ContainsSubstring("name its master"));
  for (const char* error : {"MOVED 1 h:1", "CROSSSLOT Keys don't hash", "CLUSTERDOWN Hash slot not served"}) {
    CHECK_THAT(RedisServerInfo::explained(error), ContainsSubstring("Redis Cluster is not supported"));
  }
  CHECK(RedisServerInfo::explained("OOM no memory") == "OOM no memory");
}
