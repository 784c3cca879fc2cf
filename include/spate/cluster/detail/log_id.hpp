// Ids of a stream of Redis, `milliseconds-number`, as sequence numbers that grow as they do.
#pragma once

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace spate::detail {

struct LogId {
  // Milliseconds in the upper 44 bits last until the year 2527. A log that comes near a million entries within one of
  // them goes on to the next: its script sees to it.
  static constexpr unsigned number_bits = 20;
  static constexpr std::uint64_t most = (std::uint64_t{1} << number_bits) - 1;

  /// When its entry was put into the log, since 1970 by the clock of Redis. That may have been set back meanwhile; ids
  /// never go back.
  static std::chrono::milliseconds time_of(std::uint64_t sequence) noexcept {
    return std::chrono::milliseconds(static_cast<std::int64_t>(sequence >> number_bits));
  }

  static std::string format(std::uint64_t sequence) {
    return std::to_string(sequence >> number_bits) + "-" + std::to_string(sequence & most);
  }

  /// Nothing when it is not written so, or is beyond what a sequence number can hold.
  static std::optional<std::uint64_t> parse(std::string_view id) noexcept {
    std::uint64_t milliseconds = 0, number = 0;
    const char* const end = id.data() + id.size();
    const auto [dash, error] = std::from_chars(id.data(), end, milliseconds);
    if (error != std::errc() || dash == end || *dash != '-') return std::nullopt;
    const auto [last, second_error] = std::from_chars(dash + 1, end, number);
    if (second_error != std::errc() || last != end) return std::nullopt;
    if (milliseconds > (~std::uint64_t{0} >> number_bits) || number > most) return std::nullopt;
    return milliseconds << number_bits | number;
  }
};

}  // namespace spate::detail
