// What the fuzz targets share. Each target is one source that defines `fuzz(input)`; it throws nothing and calls
// `require` for what has to hold. Linked with search.cpp it searches, linked with replay.cpp it runs its corpus.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <spate/wire/detail/quote.hpp>
#include "support/pieces.hpp"

/// Runs `input`, which lies in a block of its exact size.
void fuzz(std::string_view input);

namespace spate::test {

/// Ends the process, with `what` and what it is about, unless `holds`.
inline void require(bool holds, const char* what, std::string_view about = {}) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s: %s\n", what, detail::quote(about).c_str());
  std::abort();
}

/// Ways to cut `input` that depend on nothing but itself: at one place, and at some, which are all when it is short.
inline std::vector<Pieces> some_cuts(std::string_view input) {
  std::vector<Pieces> ways;
  if (input.size() < 2) return ways;
  std::uint32_t hash = 2'166'136'261;  // FNV-1a
  for (const char c : input) hash = (hash ^ static_cast<unsigned char>(c)) * 16'777'619;
  ways.push_back(cut(input, {1 + hash % (input.size() - 1)}));
  std::vector<std::size_t> at;
  const std::size_t step = input.size() <= 64 ? 1 : hash % 7 + input.size() / 24;
  for (std::size_t next = step; next < input.size(); next += step) at.push_back(next);
  ways.push_back(cut(input, at));
  return ways;
}

/// Takes what stands before the next `mark`, and the mark; everything when there is none.
inline std::string_view take_until(std::string_view& rest, char mark) {
  const std::size_t end = rest.find(mark);
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return taken;
}

}  // namespace spate::test
