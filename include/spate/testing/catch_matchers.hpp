// Matchers for Catch2, version 2.13 or 3: what a client of a testing::Server has received.
//
//   #include <spate/testing/catch_matchers.hpp>              // includes what Catch2 needs for matchers
//
//   CHECK_THAT(client.events(), Received(Event("x").name("note")));          // among others
//   CHECK_THAT(client.events(), Received(Event("a"), Event("b")));           // in this order, perhaps with others
//   between CHECK_THAT(client.events(), ReceivedExactly(Event("a"), Event("b")));    // these and no other
//   CHECK_THAT(client.events(), ReceivedNothing());
//
// Which event is which, `matches` of <spate/testing/events.hpp> says. What fails prints all events that came, and what
// is missing or in the way. They are in the namespace spate::testing, and combine like other matchers: !, &&, ||.
#pragma once

#include <cstddef>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#if __has_include(<catch2/matchers/catch_matchers.hpp>)
#include <catch2/matchers/catch_matchers.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <spate/testing/events.hpp>
#include <spate/wire/detail/quote.hpp>
#include <spate/wire/event.hpp>

namespace spate {

namespace detail {

#if __has_include(<catch2/matchers/catch_matchers.hpp>)
using EventsMatcherBase = Catch::Matchers::MatcherBase<testing::Events>;
#else
using EventsMatcherBase = Catch::MatcherBase<testing::Events>;
#endif

/// `note "x", id "7"`, and `any` for data that may be anything.
inline std::string text_of(const Event& event) {
  std::ostringstream text;
  text << (event.name().empty() ? "message" : event.name()) << ' ';
  text << (event.data() ? quote(*event.data()) : "with any data");
  if (event.id()) text << ", id " << quote(*event.id());
  if (event.retry()) text << ", retry " << event.retry()->count() << " ms";
  return text.str();
}

/// Whether events came, in their order; `allows_others` tells whether others may lie among them.
class EventsMatcher final : public EventsMatcherBase {
 public:
  enum class Others { allowed, refused };

  EventsMatcher(Others others, std::vector<Event> wanted) : others_(others), wanted_(std::move(wanted)) {}

  bool match(const testing::Events& events) const override {
    std::size_t found = 0, at = 0;
    for (; at < events.size() && found < wanted_.size(); ++at) {
      if (testing::matches(events[at], wanted_[found])) {
        ++found;
      } else if (others_ == Others::refused) {
        break;
      }
    }
    difference_.clear();
    if (found < wanted_.size()) {
      difference_ = "\nmissing: " + text_of(wanted_[found]);
    } else if (others_ == Others::refused && at < events.size()) {
      difference_ = "\ntoo many";
    } else {
      return true;
    }
    if (others_ == Others::refused && at < events.size()) {
      std::ostringstream text;
      text << ": number " << at + 1 << " is " << events[at];
      difference_ += text.str();
    }
    return false;
  }

  std::string describe() const override {
    std::string text = "\nwanted";
    if (wanted_.size() > 1) text += ", in this order";
    if (others_ == Others::refused) text += wanted_.empty() ? ": none" : ", and nothing else";
    if (!wanted_.empty()) text += ":";
    for (const Event& event : wanted_) text += "\n  " + text_of(event);
    return text + difference_;
  }

 private:
  const Others others_;
  const std::vector<Event> wanted_;
  mutable std::string difference_;  // of the last match
};

}  // namespace detail

namespace testing {

// They are named as matchers of Catch2 are. NOLINTBEGIN(readability-identifier-naming)

/// The events came in this order; others may have come before, between and after them.
template <typename... Wanted>
detail::EventsMatcher Received(Event first, Wanted... more) {
  return {detail::EventsMatcher::Others::allowed, std::vector<Event>{std::move(first), std::move(more)...}};
}

/// These events came in this order, and no others.
template <typename... Wanted>
detail::EventsMatcher ReceivedExactly(Event first, Wanted... more) {
  return {detail::EventsMatcher::Others::refused, std::vector<Event>{std::move(first), std::move(more)...}};
}

/// No event came.
inline detail::EventsMatcher ReceivedNothing() {
  return {detail::EventsMatcher::Others::refused, {}};
}

// NOLINTEND(readability-identifier-naming)

}  // namespace testing
}  // namespace spate
