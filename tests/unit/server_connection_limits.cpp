#include <cstddef>
#include <string>
#include <vector>

#include <spate/server/detail/connection_limits.hpp>
#include "support/catch.hpp"

using namespace spate;
using namespace spate::detail;

using Verdict = ConnectionLimits::Verdict;

namespace {

struct Door {
  explicit Door(std::size_t in_all, std::size_t per_address)
      : limits(make_ref<ConnectionLimits>(in_all, per_address)) {}

  Verdict verdict_for(const std::string& address) {
    ConnectionLimits::Entry entry = limits->enter(asio::ip::make_address(address));
    if (entry.permit) inside.push_back(entry.permit);
    return entry.verdict;
  }

  Ref<ConnectionLimits> limits;
  std::vector<Ref<Resident>> inside;
};

}  // namespace

TEST_CASE("without limits everybody is served, and nothing is counted", "[server][limits]") {
  Door door(0, 0);
  for (int i = 0; i < 1000; ++i) CHECK(door.verdict_for("192.0.2.1") == Verdict::serve);
  CHECK(door.inside.empty());
}

TEST_CASE("connections are limited in all and from one address", "[server][limits]") {
  Door door(3, 2);
  CHECK(door.verdict_for("192.0.2.1") == Verdict::serve);
  CHECK(door.verdict_for("192.0.2.1") == Verdict::serve);
  CHECK(door.verdict_for("192.0.2.1") == Verdict::refuse);
  CHECK(door.verdict_for("192.0.2.2") == Verdict::serve);
  CHECK(door.verdict_for("192.0.2.3") == Verdict::refuse);
  // Whoever leaves makes room, for whom there was none.
  door.inside.erase(door.inside.begin());
  CHECK(door.verdict_for("192.0.2.3") == Verdict::serve);
  CHECK(door.verdict_for("192.0.2.1") == Verdict::refuse);
}

TEST_CASE("refused connections are counted while they close, and turned away beyond their bound", "[server][limits]") {
  Door door(0, 1);
  CHECK(door.verdict_for("192.0.2.1") == Verdict::serve);
  for (std::size_t i = 0; i < ConnectionLimits::max_refused; ++i) {
    CHECK(door.verdict_for("192.0.2.1") == Verdict::refuse);
  }
  for (int i = 0; i < 10; ++i) CHECK(door.verdict_for("192.0.2.1") == Verdict::turn_away);
  // They cost nobody else a place.
  CHECK(door.verdict_for("192.0.2.2") == Verdict::serve);
  CHECK(door.inside.size() == ConnectionLimits::max_refused + 2);
  // One of them has closed.
  door.inside.erase(door.inside.begin() + 1);
  CHECK(door.verdict_for("192.0.2.2") == Verdict::refuse);
  CHECK(door.verdict_for("192.0.2.2") == Verdict::turn_away);
  // When all have gone it is as in the beginning.
  door.inside.clear();
  CHECK(door.verdict_for("192.0.2.1") == Verdict::serve);
  CHECK(door.verdict_for("192.0.2.1") == Verdict::refuse);
}

TEST_CASE("of IPv6 a /64 counts as one address, and IPv4 within it as IPv4", "[server][limits]") {
  const auto counts_as_one = [](const char* one, const char* other) {
    Door door(0, 1);
    CHECK(door.verdict_for(one) == Verdict::serve);
    return door.verdict_for(other) == Verdict::refuse;
  };
  CHECK(counts_as_one("2001:db8:1:2::1", "2001:db8:1:2::1"));
  CHECK(counts_as_one("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
  CHECK(counts_as_one("2001:db8:1:2:8000::", "2001:db8:1:2::"));
  CHECK_FALSE(counts_as_one("2001:db8:1:2::1", "2001:db8:1:3::1"));
  CHECK_FALSE(counts_as_one("2001:db8:1:2::1", "2001:db9:1:2::1"));
  CHECK(counts_as_one("::ffff:192.0.2.1", "192.0.2.1"));
  CHECK(counts_as_one("192.0.2.1", "::ffff:192.0.2.1"));
  CHECK_FALSE(counts_as_one("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
  CHECK_FALSE(counts_as_one("::ffff:192.0.2.1", "::1"));
  CHECK_FALSE(counts_as_one("192.0.2.1", "192.0.2.2"));
}
