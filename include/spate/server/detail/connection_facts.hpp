// ConnectionFacts: what a connection is, beside its bytes.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <asio/ip/tcp.hpp>

namespace spate::detail {

struct ConnectionFacts {
  bool encrypted = false;
  std::shared_ptr<const std::string> client_subject = nullptr;      // of the client's certificate; null without one
  std::shared_ptr<const asio::ip::tcp::endpoint> remote = nullptr;  // for the access log; null over a Unix socket
  std::string_view refusal = {};  // why every request is answered with 503; lives for ever; empty: none is
};

}  // namespace spate::detail
