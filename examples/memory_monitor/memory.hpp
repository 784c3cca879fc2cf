// This process's memory, as the system and the C library see it. Linux and glibc.
#pragma once

#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

namespace memory_monitor {

struct Memory {
  std::uint64_t rss = 0;   // bytes in physical memory now
  std::uint64_t peak = 0;  // the most that ever were
  std::uint64_t heap = 0;  // bytes handed out by malloc and not freed
};

/// `text` begins with blanks and a number of KiB, as in "   5120 kB".
inline std::uint64_t kibibytes(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_of("0123456789"), text.size()));
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value * 1024;
}

inline Memory memory_now() {
  Memory memory;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    const std::string_view text = line;
    if (text.starts_with("VmRSS:")) memory.rss = kibibytes(text);
    if (text.starts_with("VmHWM:")) memory.peak = kibibytes(text);
  }
  // What malloc cut out of its arenas, and what it got from the system in one piece.
  const struct mallinfo2 heap = ::mallinfo2();
  memory.heap = heap.uordblks + heap.hblkhd;
  return memory;
}

}  // namespace memory_monitor
