// Two prefixes in braces would be taken for the two ends of one text.
// error: (use of deleted function|call to deleted|attempt to use a deleted function)
#include <string>
#include <system_error>
#include <vector>

#include <spate/registry/emitter.hpp>

void list(spate::Emitter& emitter) {
#ifdef MUST_NOT_COMPILE
  emitter.async_cluster_users({"ann", "bob"}, [](std::error_code, const std::vector<std::string>&) {});
#else
  emitter.async_cluster_users({}, [](std::error_code, const std::vector<std::string>&) {});
#endif
}
