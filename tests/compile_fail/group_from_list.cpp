// Two names in braces would be taken for the two ends of one text: only `send` takes a list of users.
// error: (use of deleted function|call to deleted|attempt to use a deleted function)
#include <spate/registry/emitter.hpp>

void send(spate::Emitter& emitter, const spate::Event& event) {
#ifdef MUST_NOT_COMPILE
  emitter.send_group({"ann", "bob"}, event);
#else
  emitter.send({"ann", "bob"}, event);
#endif
}
