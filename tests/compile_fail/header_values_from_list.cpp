// Two values in braces would be taken for the two ends of one text.
// error: (use of deleted function|call to deleted|attempt to use a deleted function)
#include <spate/http/response.hpp>

spate::Response answer() {
#ifdef MUST_NOT_COMPILE
  return spate::Response(405).header("Allow", {"GET", "HEAD"});
#else
  return spate::Response(405).header("Allow", "GET, HEAD");
#endif
}
