// The functions of query.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http/detail/query.hpp>

namespace spate::detail {

SPATE_DECL bool is_query_name(std::string_view name, std::string_view wanted) {
  if (name.find_first_of("%+") == std::string_view::npos) return name == wanted;
  return percent_decode(name, Plus::space) == wanted;
}

}  // namespace spate::detail
