// The bearer token of a request: what `Authorization: Bearer TOKEN` carries. (RFC 6750 2.1)
#pragma once

#include <optional>
#include <string_view>

#include <spate/config.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/http/request.hpp>

namespace spate {

/// The token, not looked at; nothing when there is none, or more than one such field. A view into `request`.
SPATE_DECL std::optional<std::string_view> bearer_token(const Request& request) noexcept;

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/bearer_token.ipp>
#endif
