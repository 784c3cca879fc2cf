// Two names in braces would be taken for the two ends of one text.
// error: (use of deleted function|call to deleted|attempt to use a deleted function)
#include <spate/history/audience.hpp>

spate::Audience make() {
#ifdef MUST_NOT_COMPILE
  return spate::Audience::user({"ann", "bob"});
#else
  return spate::Audience::user("ann");
#endif
}
