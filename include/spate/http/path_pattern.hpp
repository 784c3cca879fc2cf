// A PathPattern matches the path of a request and takes parameters from it.
//
//   const spate::PathPattern pattern("/sse/subscribe/{user}");
//   std::vector<std::pair<std::string, std::string>> params;
//   pattern.match("/sse/subscribe/a%2Fb", params);  // PathMatch::yes, user = "a/b"
//
// Segments are compared one by one, after the path was split at its raw slashes, so an encoded slash is part of a
// value. A parameter takes one whole segment and never an empty one; `+` is itself; dot segments are nothing special.
// The last may be `{name...}`, which takes the rest of the path, slashes and all, also when nothing is left: of
// "/files/{path...}" it is "a/b.txt" for /files/a/b.txt, and empty for /files/. It may hold `..`: whoever opens files
// by it has to look.
//
// Immutable: any thread may match.
#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/http/detail/percent.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate {

/// Whether a path matches a pattern.
enum class PathMatch {
  no,
  yes,
  malformed,  // it would match, but for a broken escape in a parameter: answer 400
};

class PathPattern {
 public:
  /// Literal segments are written as they are in a path, and compared decoded.
  /// Throws `std::invalid_argument` when `pattern` does not begin with a slash, holds a query or a broken escape, or a
  /// parameter has no name, is named twice, is not closed or is not a whole segment, or something follows the rest.
  explicit PathPattern(std::string_view pattern);

  /// Matches `raw_path`, still encoded and without a query; on `yes` appends each parameter, decoded, to `params`.
  PathMatch match(std::string_view raw_path, std::vector<std::pair<std::string, std::string>>& params) const;

  /// Whether both match the same paths, whatever they call their parameters.
  bool same_paths(const PathPattern& other) const noexcept;

  /// Whether a path that both match is this one's: at the first segment where they differ in kind, a literal beats a
  /// parameter, and that beats the rest of the path.
  bool beats(const PathPattern& other) const noexcept;

  /// The pattern as it was written.
  const std::string& text() const noexcept { return text_; }

 private:
  enum class Kind : unsigned char { literal, parameter, rest };

  struct Segment {
    std::string text;  // a parameter's name, or the decoded literal
    Kind kind;
  };

  PathMatch match_segments(std::string_view rest, std::vector<std::pair<std::string, std::string>>& params) const;

  // path = 1*( "/" segment )
  static std::string_view take_segment(std::string_view& path) noexcept;

  static bool same(std::string_view raw, std::string_view decoded);

  // segment = literal / "{" name [ "..." ] "}"
  Segment parse_segment(std::string_view segment) const;

  [[noreturn]] void refuse(const char* why) const {
    throw std::invalid_argument(std::string("spate::PathPattern: the pattern ") + why + ": " + detail::quote(text_));
  }

  std::string text_;
  std::vector<Segment> segments_;
  std::string literal_prefix_;  // decoded: the segments in front of the first parameter, and its slash
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/path_pattern.ipp>
#endif
