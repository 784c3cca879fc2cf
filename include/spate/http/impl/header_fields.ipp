// The functions of header_fields.hpp.
#pragma once

#include <stdexcept>

#include <spate/config.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/http/header_fields.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate::detail {

SPATE_DECL void check_answer_field(const char* whose, std::string_view name, std::string_view value,
                                   std::initializer_list<std::string_view> more_of_the_server) {
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

SPATE_DECL const std::string* find_field(const HeaderFields& fields, std::string_view name) noexcept {
  for (const auto& [known, value] : fields) {
    if (iequals(known, name)) return &value;
  }
  return nullptr;
}

SPATE_DECL void add_missing_fields(HeaderFields& fields, const HeaderFields& more) {
  for (const auto& [name, value] : more) {
    const bool lists = iequals(name, "Vary");
    bool has = false;
    for (const auto& [known, own] : fields) {
      has = has || (iequals(known, name) && (!lists || has_token(own, value) || has_token(own, "*")));
    }
    if (!has) fields.emplace_back(name, value);
  }
}

}  // namespace spate::detail
