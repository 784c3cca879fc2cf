// The functions of gzip_body.hpp.
#pragma once

#include <algorithm>
#include <iterator>
#include <limits>

#include <spate/config.hpp>
#include <spate/stream/detail/gzip_body.hpp>
#include <spate/stream/detail/stream_source.hpp>

namespace spate::detail {

SPATE_DECL void GzipBody::about_to_queue() {
  if (sharer != nullptr) sharer->settle(*this);
}

SPATE_DECL SequenceWindow::Stretch SequenceWindow::stretch_at(std::uint64_t at) const noexcept {
  const auto after = std::upper_bound(insertions.begin(), insertions.end(), at,
                                      [](std::uint64_t place, const Insertion& each) { return place < each.at; });
  return {after == insertions.begin() ? 0 : std::prev(after)->total,
          after == insertions.end() ? std::numeric_limits<std::uint64_t>::max() : after->at};
}

SPATE_DECL void SequenceWindow::insert(std::uint64_t at, std::uint64_t size) {
  if (!insertions.empty() && insertions.back().at == at) {
    insertions.back().total += size;
  } else {
    insertions.push_back({at, (insertions.empty() ? 0 : insertions.back().total) + size});
  }
}

SPATE_DECL void SequenceWindow::forget_before(std::uint64_t at) noexcept {
  since = std::max(since, at);
  // One at the place itself lies in front of everything that is left.
  const auto first =
      std::find_if(insertions.begin(), insertions.end(), [&](const Insertion& each) { return each.at > at; });
  if (first == insertions.begin()) return;
  const std::uint64_t forgotten = std::prev(first)->total;
  insertions.erase(insertions.begin(), first);
  for (Insertion& each : insertions) each.total -= forgotten;
}

}  // namespace spate::detail
