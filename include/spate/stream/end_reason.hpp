// Why a stream ended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spate {

enum class EndReason : std::uint8_t {
  client,         // the client closed the connection, or its network did
  completed,      // the program called complete(), or the coroutine returned
  closed,         // the registry was told to close the user's streams
  replaced,       // a newer stream of the same user took its place
  lifetime,       // StreamOptions::lifetime
  expired,        // EventStream::expire_at: a credential ran out
  shutdown,       // the server drains
  overflow,       // the queue was full and the policy is to close
  write_timeout,  // the client acknowledged less than StreamOptions::min_rate asks for, for write_timeout
  error,          // complete_with_error, or an exception in a handler
};

inline constexpr std::size_t end_reason_count = 10;

/// The enumerator's own name, as it stands in metrics and farewell events.
constexpr std::string_view to_string(EndReason reason) noexcept {
  constexpr std::string_view names[end_reason_count] = {"client",  "completed", "closed",   "replaced",      "lifetime",
                                                        "expired", "shutdown",  "overflow", "write_timeout", "error"};
  return names[static_cast<std::size_t>(reason)];
}

}  // namespace spate
