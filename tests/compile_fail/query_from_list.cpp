// Two names in braces would be taken for the two ends of one text.
// error: (use of deleted function|call to deleted|attempt to use a deleted function)
#include <cstddef>

#include <spate/http/request.hpp>

std::size_t count(const spate::Request& request) {
#ifdef MUST_NOT_COMPILE
  return request.query_all({"event", "events"}).size();
#else
  return request.query_all("event").size();
#endif
}
