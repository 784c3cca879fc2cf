// Which transport a request asks for, and with what.
#pragma once

#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/http/cross_site.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/http/request.hpp>
#include <spate/stream/transport.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate::detail {

struct TransportChoice {
  Transport transport = Transport::sse;
  std::chrono::milliseconds timeout = std::chrono::seconds(25);  // poll: how long to wait for the first event
  std::string client;                                            // poll: tells apart the clients of one user
  std::string callback = "spate";                                // iframe: the parent's function
  bool gzip = false;                                             // whether it is to be compressed
};

/// One JavaScript name: nothing else may stand in the page's scripts unescaped. No path of names: by way of the
/// parent's objects it would lead to everything that its origin can do.
SPATE_DECL bool valid_callback(std::string_view name) noexcept;

/// A request for a transport that is refused; `what()` goes to the client.
struct TransportRefused : std::invalid_argument {
  explicit TransportRefused(const std::string& why, int answer = 400) : std::invalid_argument(why), status(answer) {}
  int status;
};

/// Throws TransportRefused when a parameter of the query is out of place, or the browser wants the answer for something
/// that the transport is not for.
SPATE_DECL TransportChoice choose_transport(const Request& request);

/// Whether the client of `request` asks for gzip.
SPATE_DECL bool admits_gzip(const Request& request);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/transport_choice.ipp>
#endif
