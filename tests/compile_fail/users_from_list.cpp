// Two prefixes in braces would be taken for the two ends of one text.
// error: (use of deleted function|call to deleted|attempt to use a deleted function)
#include <spate/registry/emitter.hpp>

void list(const spate::Emitter& emitter) {
#ifdef MUST_NOT_COMPILE
  emitter.users({"ann", "bob"});
#else
  emitter.users({});
  emitter.users("ann");
#endif
}
