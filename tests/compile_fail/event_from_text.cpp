// Text does not turn into an event by itself: a name or an id given by mistake would be sent as data.
// error: (invalid initialization|no matching function)
#include <spate/wire/event.hpp>

void take(const spate::Event& event);

void give() {
#ifdef MUST_NOT_COMPILE
  take("text");
#else
  take(spate::Event("text"));
#endif
}
