// The bytes of an encoded event are shared by every receiver and can't be changed.
// error: (read-only|cannot assign)
#include <spate/wire/encoded_event.hpp>

void change(const spate::EncodedEvent& encoded) {
#ifdef MUST_NOT_COMPILE
  encoded.bytes()[0] = 'x';
#else
  (void)encoded.bytes()[0];
#endif
}
