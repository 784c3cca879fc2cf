// HeaderFields: header fields of an answer, as pairs of name and value, in the order in which they are sent.
//
//   const spate::HeaderFields fields = {{"Set-Cookie", "theme=dark"}, {"Link", "</style.css>; rel=preload"}};
//
// A plain list; whoever takes one refuses what would break the message, or forge a field in it.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/config.hpp>

namespace spate {

using HeaderFields = std::vector<std::pair<std::string, std::string>>;

namespace detail {

/// Throws std::invalid_argument, in the name of `whose`, unless the field may stand in an answer: a token, a value
/// without controls, and none of those that the server writes itself.
SPATE_DECL void check_answer_field(const char* whose, std::string_view name, std::string_view value,
                                   std::initializer_list<std::string_view> more_of_the_server = {});

/// The value of the first field `name`, in any case; null when there is none.
SPATE_DECL const std::string* find_field(const HeaderFields& fields, std::string_view name) noexcept;

/// Adds what `fields` lack of `more`. What they have by the name is the program's own and stays as it is, but `Vary` is
/// a list, and has to name everything. (RFC 9110 12.5.5)
SPATE_DECL void add_missing_fields(HeaderFields& fields, const HeaderFields& more);

}  // namespace detail
}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/header_fields.ipp>
#endif
