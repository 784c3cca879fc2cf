// The functions of half_closed.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/half_closed.hpp>

namespace spate::detail {

SPATE_DECL std::error_code say_go_on(Poller& poller, SocketId socket) {
  constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  const asio::const_buffer buffer(go_on.data(), go_on.size());
  std::error_code error;
  if (poller.write(socket, &buffer, 1, error) == go_on.size()) return {};
  return error ? error : asio::error::no_buffer_space;
}

}  // namespace spate::detail
