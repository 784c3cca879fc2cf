// There is no text at a null pointer.
// error: .*deleted function
#include <spate/wire/event.hpp>

spate::Event make() {
#ifdef MUST_NOT_COMPILE
  return spate::Event(nullptr);
#else
  return spate::Event();
#endif
}
