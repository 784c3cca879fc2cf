// Events that a client has received, and whether one is the event that was sent.
//
//   spate::testing::Events events = client.events();
//   events.front().data;
//   spate::testing::matches(events.front(), spate::Event("x").name("note"));
//   std::cout << events;                                   // one a line
//
// Plain values; a framework that prints what can be written to a std::ostream prints them.
#pragma once

#include <iosfwd>
#include <vector>

#include <spate/config.hpp>
#include <spate/wire/decoder.hpp>
#include <spate/wire/event.hpp>

namespace spate {

/// `note "x", id "7", retry 2000 ms`
SPATE_DECL std::ostream& operator<<(std::ostream& out, const DecodedEvent& event);

namespace testing {

/// In the order in which they came.
class Events : public std::vector<DecodedEvent> {
 public:
  using vector::vector;
};

/// One a line, numbered; `none` when there are none.
SPATE_DECL std::ostream& operator<<(std::ostream& out, const Events& events);

/// Whether `received` is what a client makes of `sent`. The name has to be the same: a client takes an event without
/// one for "message". Data, id and reconnection time that `sent` does not have may be anything.
SPATE_DECL bool matches(const DecodedEvent& received, const Event& sent);

}  // namespace testing
}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/testing/impl/events.ipp>
#endif
