// Roster: members visited one after the other, in rounds during which any of them may leave.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace spate::detail {

/// A list without order whose visited members stand before the others. T has a member `std::uint32_t index`, its place.
template <typename T>
class Roster {
 public:
  bool empty() const noexcept { return list_.empty(); }
  std::size_t size() const noexcept { return list_.size(); }

  /// Who joins during a round is visited in it.
  void add(T& member) {
    member.index = static_cast<std::uint32_t>(list_.size());
    list_.push_back(&member);
  }

  void remove(T& member) noexcept {
    std::size_t hole = member.index;
    if (hole < visited_) {
      // The last one may not have been visited, so it must not come to stand among those who have.
      move(--visited_, hole);
      hole = visited_;
    }
    if (hole + 1 != list_.size()) move(list_.size() - 1, hole);
    list_.pop_back();
  }

  /// Begins a round.
  void restart() noexcept { visited_ = 0; }
  bool round_over() const noexcept { return visited_ == list_.size(); }
  /// The next one of the round, which counts as visited from now on.
  T& next() noexcept { return *list_[visited_++]; }
  /// The one that `next` returns after `places` others, or null when the round is over by then.
  T* ahead(std::size_t places) const noexcept {
    return visited_ + places < list_.size() ? list_[visited_ + places] : nullptr;
  }
  /// Any member; there must be one.
  T& any() const noexcept { return *list_.back(); }

 private:
  void move(std::size_t from, std::size_t to) noexcept {
    list_[to] = list_[from];
    list_[to]->index = static_cast<std::uint32_t>(to);
  }

  std::vector<T*> list_;
  std::size_t visited_ = 0;
};

}  // namespace spate::detail
