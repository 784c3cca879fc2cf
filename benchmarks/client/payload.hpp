// The data of a benchmark event: who published it, its number, and when, in text that no server needs to escape.
//
//   payload = "@" publisher sequence time *"x"     ; 4, 8 and 16 letters
//   letter  = %x61-70                              ; a..p, four bits each, the highest first
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string_view>

namespace bench {

/// CLOCK_MONOTONIC in nanoseconds.
inline std::uint64_t now_ns() noexcept {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(time.tv_nsec);
}

struct Payload {
  static constexpr std::size_t min_bytes = 1 + 4 + 8 + 16;

  std::uint16_t publisher = 0;
  std::uint32_t sequence = 0;
  std::uint64_t sent_at = 0;

  /// Writes `min_bytes` bytes; the rest of the data is padding, which stays as it is.
  void encode(char* out) const noexcept {
    *out++ = '@';
    out = put(out, publisher, 4);
    out = put(out, sequence, 8);
    put(out, sent_at, 16);
  }

  /// Reads what `encode` wrote; false when `data` is something else.
  static bool decode(std::string_view data, Payload& payload) noexcept {
    if (data.size() < min_bytes || data[0] != '@') return false;
    std::uint64_t first, second, third, bad = 0;
    const char* at = data.data() + 1;
    const std::uint64_t head = letters(at, bad);        // publisher and the upper half of the sequence
    const std::uint64_t middle = letters(at + 8, bad);  // the lower half and the first sixteen bits of the time
    const std::uint64_t tail = letters(at + 16, bad);
    first = head >> 16;
    second = (head & 0xFFFF) << 16 | middle >> 16;
    // Four letters of the time remain after the third group of eight.
    std::uint64_t last = 0;
    for (int i = 24; i < 28; ++i) {
      const auto letter = static_cast<unsigned char>(at[i] - 'a');
      bad |= letter & 0xF0u;
      last = last << 4 | letter;
    }
    third = (middle & 0xFFFF) << 48 | tail << 16 | last;
    payload.publisher = static_cast<std::uint16_t>(first);
    payload.sequence = static_cast<std::uint32_t>(second);
    payload.sent_at = third;
    return bad == 0;
  }

 private:
  static char* put(char* out, std::uint64_t value, int count) noexcept {
    for (int i = count; i-- > 0;) *out++ = static_cast<char>('a' + ((value >> (4 * i)) & 15));
    return out;
  }

  // Eight letters at once: each byte becomes four bits, then neighbours are folded together three times.
  static std::uint64_t letters(const char* at, std::uint64_t& bad) noexcept {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    word = __builtin_bswap64(word) - 0x6161616161616161u;
    bad |= word & 0xF0F0F0F0F0F0F0F0u;
    word = (word | word >> 4) & 0x00FF00FF00FF00FFu;
    word = (word | word >> 8) & 0x0000FFFF0000FFFFu;
    return (word | word >> 16) & 0xFFFFFFFFu;
  }
};

}  // namespace bench
