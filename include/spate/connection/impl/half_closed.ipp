// The functions of half_closed.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/connection/detail/half_closed.hpp>

namespace spate::detail {

SPATE_DECL std::error_code say_go_on(const Peer& peer) {
  constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  std::error_code error;
  if (peer.write(asio::const_buffer(go_on.data(), go_on.size()), error) == go_on.size()) return {};
  return error ? error : asio::error::no_buffer_space;
}

}  // namespace spate::detail
