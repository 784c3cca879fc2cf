// The functions of events.hpp.
#pragma once

#include <cstddef>
#include <ostream>

#include <spate/config.hpp>
#include <spate/testing/events.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate {

SPATE_DECL std::ostream& operator<<(std::ostream& out, const DecodedEvent& event) {
  out << event.name << ' ' << detail::quote(event.data);
  if (event.id) out << ", id " << detail::quote(*event.id);
  if (event.retry) out << ", retry " << event.retry->count() << " ms";
  return out;
}

namespace testing {

SPATE_DECL std::ostream& operator<<(std::ostream& out, const Events& events) {
  if (events.empty()) return out << "none";
  for (std::size_t i = 0; i < events.size(); ++i) out << (i == 0 ? "" : "\n") << i + 1 << ". " << events[i];
  return out;
}

SPATE_DECL bool matches(const DecodedEvent& received, const Event& sent) {
  return received.name == (sent.name().empty() ? "message" : sent.name()) &&
         (!sent.data() || received.data == *sent.data()) && (!sent.id() || received.id == sent.id()) &&
         (!sent.retry() || received.retry == sent.retry());
}

}  // namespace testing
}  // namespace spate
