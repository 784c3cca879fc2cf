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

#include <spate/http/detail/percent.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate {

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
  explicit PathPattern(std::string_view pattern) : text_(pattern) {
    if (pattern.empty() || pattern.front() != '/') refuse("must begin with a slash");
    if (pattern.find_first_of("?#") != std::string_view::npos) refuse("must be a path alone");
    std::string_view rest = pattern;
    while (!rest.empty()) segments_.push_back(parse_segment(take_segment(rest)));
    for (const Segment& segment : segments_) {
      if (segment.kind == Kind::rest && &segment != &segments_.back()) refuse("goes on behind the rest of the path");
    }
    for (const Segment& segment : segments_) {
      literal_prefix_ += '/';
      if (segment.kind != Kind::literal) break;
      literal_prefix_ += segment.text;
    }
  }

  /// Matches `raw_path`, still encoded and without a query; on `yes` appends each parameter, decoded, to `params`.
  PathMatch match(std::string_view raw_path, std::vector<std::pair<std::string, std::string>>& params) const {
    // Most paths are another pattern's: they are told by one comparison. One with escapes may be spelt otherwise.
    if (!raw_path.starts_with(literal_prefix_) && raw_path.find('%') == std::string_view::npos) return PathMatch::no;
    const std::size_t before = params.size();
    const PathMatch matched = match_segments(raw_path, params);
    if (matched != PathMatch::yes) params.resize(before);
    return matched;
  }

  /// Whether both match the same paths, whatever they call their parameters.
  bool same_paths(const PathPattern& other) const noexcept {
    return std::equal(segments_.begin(), segments_.end(), other.segments_.begin(), other.segments_.end(),
                      [](const Segment& a, const Segment& b) {
                        return a.kind == b.kind && (a.kind != Kind::literal || a.text == b.text);
                      });
  }

  /// Whether a path that both match is this one's: at the first segment where they differ in kind, a literal beats a
  /// parameter, and that beats the rest of the path.
  bool beats(const PathPattern& other) const noexcept {
    const std::size_t common = std::min(segments_.size(), other.segments_.size());
    for (std::size_t at = 0; at < common; ++at) {
      if (segments_[at].kind != other.segments_[at].kind) return segments_[at].kind < other.segments_[at].kind;
    }
    return false;
  }

  /// The pattern as it was written.
  const std::string& text() const noexcept { return text_; }

 private:
  enum class Kind : unsigned char { literal, parameter, rest };

  struct Segment {
    std::string text;  // a parameter's name, or the decoded literal
    Kind kind;
  };

  PathMatch match_segments(std::string_view rest, std::vector<std::pair<std::string, std::string>>& params) const {
    bool malformed = false;
    for (const Segment& segment : segments_) {
      if (rest.empty() || rest.front() != '/') return PathMatch::no;
      const std::string_view raw = segment.kind == Kind::rest ? std::exchange(rest, {}).substr(1) : take_segment(rest);
      if (segment.kind != Kind::literal) {
        if (raw.empty() && segment.kind == Kind::parameter) return PathMatch::no;
        malformed = malformed || !detail::well_formed_percent(raw);
        params.emplace_back(segment.text, detail::percent_decode(raw, detail::Plus::literal));
      } else if (!same(raw, segment.text)) {
        return PathMatch::no;
      }
    }
    if (!rest.empty()) return PathMatch::no;
    return malformed ? PathMatch::malformed : PathMatch::yes;
  }

  // path = 1*( "/" segment )
  static std::string_view take_segment(std::string_view& path) noexcept {
    path.remove_prefix(1);
    const std::size_t size = std::min(path.find('/'), path.size());
    const std::string_view segment = path.substr(0, size);
    path.remove_prefix(size);
    return segment;
  }

  static bool same(std::string_view raw, std::string_view decoded) {
    if (raw.find('%') == std::string_view::npos) return raw == decoded;
    return detail::well_formed_percent(raw) && detail::percent_decode(raw, detail::Plus::literal) == decoded;
  }

  // segment = literal / "{" name [ "..." ] "}"
  Segment parse_segment(std::string_view segment) const {
    if (segment.find_first_of("{}") == std::string_view::npos) {
      if (!detail::well_formed_percent(segment)) refuse("has a broken escape");
      return {detail::percent_decode(segment, detail::Plus::literal), Kind::literal};
    }
    std::string_view name = segment.size() < 2 ? std::string_view() : segment.substr(1, segment.size() - 2);
    if (segment.front() != '{' || segment.back() != '}' || name.find_first_of("{}") != std::string_view::npos) {
      refuse("has a parameter that is not closed or not a whole segment");
    }
    const bool rest = name.ends_with("...");
    if (rest) name.remove_suffix(3);
    if (name.empty()) refuse("has a parameter without a name");
    for (const Segment& other : segments_) {
      if (other.kind != Kind::literal && other.text == name) refuse("names a parameter twice");
    }
    return {std::string(name), rest ? Kind::rest : Kind::parameter};
  }

  [[noreturn]] void refuse(const char* why) const {
    throw std::invalid_argument(std::string("spate::PathPattern: the pattern ") + why + ": " + detail::quote(text_));
  }

  std::string text_;
  std::vector<Segment> segments_;
  std::string literal_prefix_;  // decoded: the segments in front of the first parameter, and its slash
};

}  // namespace spate
