// An event is no aggregate: GCC 12 destroys an aggregate temporary twice when it stands inside a co_await expression.
// error: (designated initializer|no matching constructor)
#include <spate/wire/event.hpp>

spate::Event make() {
#ifdef MUST_NOT_COMPILE
  return spate::Event{.data = "text", .name = "note"};
#else
  return spate::Event("text").name("note");
#endif
}
