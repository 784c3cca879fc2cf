// An encoder is used up by `finish`.
// error: (passing .* as .this. argument|no matching member function)
#include <utility>

#include <spate/wire/encoded_event.hpp>

spate::EncodedEvent finish(spate::EventEncoder encoder) {
#ifdef MUST_NOT_COMPILE
  return encoder.finish();
#else
  return std::move(encoder).finish();
#endif
}
