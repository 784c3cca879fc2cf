#include <string>
#include <system_error>
#include <vector>

#include <spate/error.hpp>
#include <spate/stream/detail/held_sends.hpp>
#include "support/catch.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::detail;
using spate::test::Texts;

namespace {

EncodedEvent event(const std::string& text) {
  return EncodedEvent(Event(text));
}

struct Waiter final : SendWaiter {
  explicit Waiter(Texts& noted) : told(noted) {}
  void done(std::error_code error) override { told.push_back(error ? error.message() : "sent"); }
  Texts& told;
};

/// What comes out, with "|" before an event in front of which others were dropped.
Texts drained(HeldSends& sends) {
  Texts all;
  while (!sends.empty()) {
    const HeldSends::Entry entry = sends.pop();
    all.push_back((entry.after_gap ? "|" : "") + std::string(entry.event.bytes()));
  }
  return all;
}

}  // namespace

TEST_CASE("what is held comes out in its order, and is counted meanwhile", "[stream][held]") {
  HeldSends sends;
  CHECK(sends.empty());
  sends.push(event("a"), nullptr, {});
  sends.push(event("bb"), nullptr, {nullptr, 7});
  CHECK(sends.events() == 2);
  CHECK(sends.bytes() == event("a").chunk().size() + event("bb").chunk().size());
  CHECK(sends.front().after.position == 0);
  CHECK(sends.pop().event.bytes() == "data: a\n\n");
  CHECK(sends.front().after.position == 7);
  CHECK(drained(sends) == Texts{"data: bb\n\n"});
  CHECK(sends.events() == 0);
  CHECK(sends.bytes() == 0);
}

TEST_CASE("what is dropped of it leaves a gap where it stood", "[stream][held]") {
  HeldSends sends;
  for (const char* text : {"a", "b", "c"}) sends.push(event(text), nullptr, {});
  SECTION("the oldest first") {
    CHECK(sends.drop_oldest() == event("a").chunk().size());
    CHECK(drained(sends) == Texts{"|data: b\n\n", "data: c\n\n"});
  }
  SECTION("the newest, before what comes next") {
    sends.gap();
    CHECK(sends.gap_at_end());
    sends.push(event("e"), nullptr, {});
    CHECK_FALSE(sends.gap_at_end());
    CHECK(drained(sends) == Texts{"data: a\n\n", "data: b\n\n", "data: c\n\n", "|data: e\n\n"});
  }
  SECTION("all of them") {
    for (int i = 0; i < 3; ++i) CHECK(sends.drop_oldest() > 0);
    CHECK(sends.drop_oldest() == 0);
    CHECK(sends.empty());
    CHECK(sends.gap_at_end());
  }
}

TEST_CASE("what somebody awaits is neither counted nor dropped, and ends with an error", "[stream][held]") {
  Texts told;
  HeldSends sends;
  sends.push(event("awaited"), Ref<SendWaiter>(make_ref<Waiter>(told)), {});
  sends.push(EncodedEvent(), Ref<SendWaiter>(make_ref<Waiter>(told)), {});
  CHECK(sends.events() == 0);
  CHECK(sends.bytes() == 0);
  CHECK(sends.drop_oldest() == 0);
  CHECK_FALSE(sends.empty());
  sends.clear(Errc::stream_closed);
  CHECK(sends.empty());
  CHECK(told == Texts(2, make_error_code(Errc::stream_closed).message()));
}
