// `pattern LF target LF field`: patterns, escapes, queries and lists read anything, and give back what was written.
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/http/detail/query.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/http/path_pattern.hpp>
#include <spate/http/request.hpp>
#include "fuzz/fuzz.hpp"

using namespace spate;
using test::require;
using test::take_until;

namespace {

std::string escaped(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    result.append("%").append(1, digits[byte / 16]).append(1, digits[byte % 16]);
  }
  return result;
}

void check_pattern(std::string_view text, std::string_view path) {
  std::vector<std::pair<std::string, std::string>> params;
  try {
    const PathPattern pattern(text);
    require(pattern.text() == text, "a pattern knows its text", text);
    if (pattern.match(path, params) != PathMatch::yes) {
      require(params.empty(), "parameters come with a match only", path);
      return;
    }
    // Each parameter, escaped from end to end, stands for itself.
    std::string built;
    std::string_view rest = text;
    std::size_t next = 0;
    while (!rest.empty()) {
      rest.remove_prefix(1);
      const std::string_view segment = rest.substr(0, rest.find('/'));
      rest.remove_prefix(segment.size());
      built += '/';
      if (segment.find('{') == std::string_view::npos) {
        built += segment;
      } else {
        require(next < params.size() && !params[next].second.empty(), "a parameter is never empty", path);
        built += escaped(params[next++].second);
      }
    }
    require(next == params.size(), "as many parameters as the pattern has", path);
    std::vector<std::pair<std::string, std::string>> again;
    require(pattern.match(built, again) == PathMatch::yes && again == params, "the same again", built);
  } catch (const std::invalid_argument&) {
    require(params.empty(), "only a pattern is refused", text);
  }
}

void check_query(std::string_view target) {
  try {
    const Request request("GET", target);
    require(request.target() == target, "a request knows its target", target);
    const bool well_formed = request.well_formed_query();
    std::size_t seen = 0;
    detail::visit_query(request.query_string(), [&](std::string_view name, std::string_view value) {
      ++seen;
      require(name.find_first_of("=&") == std::string_view::npos, "a name ends at =", name);
      const std::string decoded = detail::percent_decode(name, detail::Plus::space);
      const auto all = request.query_all(decoded);
      require(!all.empty() && request.query(decoded) == all.front(), "a parameter is found by its name", target);
      if (well_formed) {
        const std::string text = detail::percent_decode(value, detail::Plus::space);
        require(detail::percent_decode(escaped(text), detail::Plus::literal) == text, "an escape is undone", text);
        const auto escapes = static_cast<std::size_t>(std::count(value.begin(), value.end(), '%'));
        require(text.size() + 2 * escapes == value.size(), "each escape is one byte", value);
      }
      return false;
    });
    require(seen <= 1 + request.query_string().size(), "there are no more parameters than bytes", target);
    (void)request.path();
    (void)request.authority();
    (void)request.last_event_id();
  } catch (const std::invalid_argument&) {
    return;
  }
}

void check_list(std::string_view field) {
  std::size_t elements = 0;
  for (std::string_view rest = field; !rest.empty(); ++elements) {
    const std::size_t before = rest.size();
    const std::string_view element = detail::take_element(rest, ',');
    require(rest.size() < before, "a list comes to its end", field);
    require(element == detail::trim(element), "elements are trimmed", element);
    if (!element.empty()) require(detail::has_token(field, element), "an element is found", field);
  }
  require(elements <= field.size() + 1, "there are no more elements than bytes", field);
  (void)detail::accepts(field, "text/event-stream");
  (void)detail::accepts(field, "application/json");
}

}  // namespace

void fuzz(std::string_view input) {
  const std::string_view pattern = take_until(input, '\n');
  const std::string_view target = take_until(input, '\n');
  check_pattern(pattern, target.substr(0, target.find('?')));
  check_query(target);
  check_list(input);
}
