// HeaderFields: header fields of an answer, as pairs of name and value, in the order in which they are sent.
//
//   const spate::HeaderFields fields = {{"Set-Cookie", "theme=dark"}, {"Link", "</style.css>; rel=preload"}};
//
// A plain list; whoever takes one refuses what would break the message, or forge a field in it.
#pragma once

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/http/detail/tokens.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate {

using HeaderFields = std::vector<std::pair<std::string, std::string>>;

namespace detail {

/// Throws std::invalid_argument, in the name of `whose`, unless the field may stand in an answer: a token, a value
/// without controls, and none of those that the server writes itself.
inline void check_answer_field(const char* whose, std::string_view name, std::string_view value,
                               std::initializer_list<std::string_view> more_of_the_server = {}) {
  const auto refuse = [&](const char* why, const std::string& what) {
    throw std::invalid_argument(std::string(whose) + ": " + why + ": " + what);
  };
  if (!is_token(name) || !is_field_text(value)) refuse("bad header field", quote(name) + ": " + quote(value));
  const auto check = [&](std::string_view own) {
    if (iequals(name, own)) refuse("the server writes this field", quote(name));
  };
  for (const std::string_view own : {"Connection", "Content-Length", "Transfer-Encoding"}) check(own);
  for (const std::string_view own : more_of_the_server) check(own);
}

/// The value of the first field `name`, in any case; null when there is none.
inline const std::string* find_field(const HeaderFields& fields, std::string_view name) noexcept {
  for (const auto& [known, value] : fields) {
    if (iequals(known, name)) return &value;
  }
  return nullptr;
}

/// Adds what `fields` lack of `more`. What they have by the name is the program's own and stays as it is, but `Vary` is
/// a list, and has to name everything. (RFC 9110 12.5.5)
inline void add_missing_fields(HeaderFields& fields, const HeaderFields& more) {
  for (const auto& [name, value] : more) {
    const bool lists = iequals(name, "Vary");
    bool has = false;
    for (const auto& [known, own] : fields) {
      has = has || (iequals(known, name) && (!lists || has_token(own, value) || has_token(own, "*")));
    }
    if (!has) fields.emplace_back(name, value);
  }
}

}  // namespace detail
}  // namespace spate
