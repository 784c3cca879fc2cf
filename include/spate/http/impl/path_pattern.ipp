// The functions of path_pattern.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http/path_pattern.hpp>

namespace spate {

SPATE_DECL PathPattern::PathPattern(std::string_view pattern) : text_(pattern) {
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

SPATE_DECL PathMatch PathPattern::match(std::string_view raw_path,
                                        std::vector<std::pair<std::string, std::string>>& params) const {
  // Most paths are another pattern's: they are told by one comparison. One with escapes may be spelt otherwise.
  if (!raw_path.starts_with(literal_prefix_) && raw_path.find('%') == std::string_view::npos) return PathMatch::no;
  const std::size_t before = params.size();
  const PathMatch matched = match_segments(raw_path, params);
  if (matched != PathMatch::yes) params.resize(before);
  return matched;
}

SPATE_DECL bool PathPattern::same_paths(const PathPattern& other) const noexcept {
  return std::equal(segments_.begin(), segments_.end(), other.segments_.begin(), other.segments_.end(),
                    [](const Segment& a, const Segment& b) {
                      return a.kind == b.kind && (a.kind != Kind::literal || a.text == b.text);
                    });
}

SPATE_DECL bool PathPattern::beats(const PathPattern& other) const noexcept {
  const std::size_t common = std::min(segments_.size(), other.segments_.size());
  for (std::size_t at = 0; at < common; ++at) {
    if (segments_[at].kind != other.segments_[at].kind) return segments_[at].kind < other.segments_[at].kind;
  }
  return false;
}

SPATE_DECL PathMatch PathPattern::match_segments(std::string_view rest,
                                                 std::vector<std::pair<std::string, std::string>>& params) const {
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

SPATE_DECL std::string_view PathPattern::take_segment(std::string_view& path) noexcept {
  path.remove_prefix(1);
  const std::size_t size = std::min(path.find('/'), path.size());
  const std::string_view segment = path.substr(0, size);
  path.remove_prefix(size);
  return segment;
}

SPATE_DECL bool PathPattern::same(std::string_view raw, std::string_view decoded) {
  if (raw.find('%') == std::string_view::npos) return raw == decoded;
  return detail::well_formed_percent(raw) && detail::percent_decode(raw, detail::Plus::literal) == decoded;
}

SPATE_DECL PathPattern::Segment PathPattern::parse_segment(std::string_view segment) const {
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

}  // namespace spate
