// The functions of decoder.hpp.
#pragma once

#include <algorithm>
#include <cstring>

#include <spate/config.hpp>
#include <spate/wire/decoder.hpp>

namespace spate {

SPATE_DECL void EventDecoder::restart() {
  line_.clear();
  clear_block();
  first_line_ = true;
  after_cr_ = false;
  error_ = {};
}

SPATE_DECL std::size_t EventDecoder::find(std::string_view bytes, char wanted, std::size_t from,
                                          std::size_t to) noexcept {
  if (from == to) return to;
  const void* found = std::memchr(bytes.data() + from, wanted, to - from);
  return found ? static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data()) : to;
}

SPATE_DECL void EventDecoder::take_retry(std::string_view value) {
  if (value.empty()) return;
  std::chrono::milliseconds retry{0};
  for (const char digit : value) {
    if (digit < '0' || digit > '9') return;
    if (retry < max_retry) retry = retry * 10 + std::chrono::milliseconds(digit - '0');
  }
  // Unlike an id, it counts at once and not only with the blank line.
  block_retry_ = reconnection_time_ = std::min(retry, max_retry);
}

SPATE_DECL void EventDecoder::clear_block() {
  data_.clear();
  name_.clear();
  block_id_.reset();
  block_retry_.reset();
  has_data_ = false;
}

}  // namespace spate
