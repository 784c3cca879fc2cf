// The functions of gzip_sum.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/connection/detail/gzip_sum.hpp>

namespace spate::detail {

SPATE_DECL std::string gzip_end(const GzipSum& sum) {
  std::string end("\x03\0", 2);
  for (const std::uint32_t number : {sum.crc, sum.size}) {
    for (int shift = 0; shift < 32; shift += 8) end.push_back(static_cast<char>(number >> shift & 0xff));
  }
  return end;
}

}  // namespace spate::detail
