// A number is no text.
// error: (invalid conversion|no matching|ambiguous)
#include <string>

#include <spate/wire/event.hpp>

spate::Event make() {
#ifdef MUST_NOT_COMPILE
  return spate::Event(42);
#else
  return spate::Event(std::to_string(42));
#endif
}
