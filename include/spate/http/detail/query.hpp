// The query of a target as a list of names and values, encoded as they were sent.
#pragma once

#include <cstddef>
#include <string_view>

#include <spate/config.hpp>
#include <spate/http/detail/percent.hpp>

namespace spate::detail {

/// Calls `visit(name, value)`, both still encoded, for each parameter until it returns true; returns whether it did.
/// A name without `=` has an empty value; nothing between two `&` is no parameter.
template <typename Visitor>
bool visit_query(std::string_view query, Visitor&& visit) {
  // query = [ parameter *( "&" parameter ) ],  parameter = name [ "=" value ]
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view parameter = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (parameter.empty()) continue;
    const std::size_t equals = parameter.find('=');
    const std::string_view value = equals == std::string_view::npos ? std::string_view() : parameter.substr(equals + 1);
    if (visit(parameter.substr(0, equals), value)) return true;
  }
  return false;
}

/// Whether the encoded `name` is `wanted`; almost always it needs no decoding.
SPATE_DECL bool is_query_name(std::string_view name, std::string_view wanted);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/query.ipp>
#endif
