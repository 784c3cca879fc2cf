// OrderedIndex: pointers in the order of their keys, for finding all that share a prefix.
//
// A sorted sequence cut into chunks of some hundred pointers: about ten bytes an entry, neighbours next to each other,
// and an insertion that moves one chunk only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace spate::detail {

/// T has a member `std::string id`; ids are unique in the index and compared by bytes.
template <typename T>
class OrderedIndex {
 public:
  /// When it throws, for want of memory, the index lists what it listed before.
  void insert(T* item) {
    if (chunks_.empty()) chunks_.emplace_back();
    if (const std::size_t index = chunk_of(item->id); chunks_[index].size() == max_size) split(index);
    Chunk& chunk = chunks_[chunk_of(item->id)];
    chunk.insert(std::lower_bound(chunk.begin(), chunk.end(), item->id, before), item);
  }

  void erase(T* item) {
    const std::size_t index = chunk_of(item->id);
    Chunk& chunk = chunks_[index];
    chunk.erase(std::lower_bound(chunk.begin(), chunk.end(), item->id, before));
    if (chunk.empty()) chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  /// Visits every item whose id begins with `prefix`, in order.
  template <typename Visit>
  void for_each(std::string_view prefix, Visit&& visit) const {
    if (chunks_.empty()) return;
    std::size_t index = chunk_of(prefix);
    auto at = std::lower_bound(chunks_[index].begin(), chunks_[index].end(), prefix, before);
    for (; index < chunks_.size(); at = ++index < chunks_.size() ? chunks_[index].begin() : at) {
      for (; at != chunks_[index].end(); ++at) {
        if (std::string_view((*at)->id).substr(0, prefix.size()) != prefix) return;
        visit(**at);
      }
    }
  }

  /// Visits the first `max_items` whose ids are greater than `after`, in order.
  template <typename Visit>
  void for_each_after(std::string_view after, std::size_t max_items, Visit&& visit) const {
    if (chunks_.empty()) return;
    std::size_t index = chunk_of(after);
    auto at = std::upper_bound(chunks_[index].begin(), chunks_[index].end(), after, follows);
    for (; index < chunks_.size(); at = ++index < chunks_.size() ? chunks_[index].begin() : at) {
      for (; at != chunks_[index].end(); ++at) {
        if (max_items-- == 0) return;
        visit(**at);
      }
    }
  }

 private:
  using Chunk = std::vector<T*>;
  static constexpr std::size_t max_size = 256;

  static bool before(const T* item, std::string_view id) noexcept { return std::string_view(item->id) < id; }
  static bool follows(std::string_view id, const T* item) noexcept { return id < std::string_view(item->id); }

  // The last chunk whose first id is not after `id`, else the first.
  std::size_t chunk_of(std::string_view id) const noexcept {
    const auto after =
        std::upper_bound(chunks_.begin(), chunks_.end(), id, [](std::string_view key, const Chunk& chunk) {
          return !chunk.empty() && key < std::string_view(chunk.front()->id);
        });
    return after == chunks_.begin() ? 0 : static_cast<std::size_t>(after - chunks_.begin()) - 1;
  }

  // What may fail comes before what changes something.
  void split(std::size_t index) {
    if (chunks_.size() == chunks_.capacity()) chunks_.reserve(2 * chunks_.size());
    Chunk& chunk = chunks_[index];
    Chunk lower(chunk.begin(), chunk.begin() + max_size / 2), upper(chunk.begin() + max_size / 2, chunk.end());
    chunk = std::move(lower);
    chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(index) + 1, std::move(upper));
  }

  std::vector<Chunk> chunks_;
};

}  // namespace spate::detail
