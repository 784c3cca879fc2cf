// Ids of a stream of Redis, `milliseconds-number`, as sequence numbers that grow as they do.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <spate/config.hpp>

namespace spate::detail {

struct LogId {
  // Milliseconds in the upper 44 bits last until the year 2527. A log that comes near a million entries within one of
  // them goes on to the next: its script sees to it.
  static constexpr unsigned number_bits = 20;
  static constexpr std::uint64_t most = (std::uint64_t{1} << number_bits) - 1;

  static std::string format(std::uint64_t sequence) {
    return std::to_string(sequence >> number_bits) + "-" + std::to_string(sequence & most);
  }

  /// Nothing when it is not written so, or is beyond what a sequence number can hold.
  static std::optional<std::uint64_t> parse(std::string_view id) noexcept;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/log_id.ipp>
#endif
