// Random names that nobody can guess.
#pragma once

#include <cstddef>
#include <random>
#include <string>

namespace examples {

/// `bytes` random bytes of the system's, two digits each.
inline std::string random_hex(std::size_t bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::random_device random;
  std::uniform_int_distribution<unsigned> byte(0, 255);
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) {
    const unsigned value = byte(random);
    text += digits[value >> 4];
    text += digits[value & 15];
  }
  return text;
}

}  // namespace examples
