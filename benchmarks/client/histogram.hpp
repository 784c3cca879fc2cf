// A histogram of times: 128 steps to each power of two, so a percentile is right within 0.8 %.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace bench {

class Histogram {
 public:
  void add(std::uint64_t nanoseconds) noexcept {
    ++counts_[bucket(nanoseconds)];
    ++total_;
    sum_ += nanoseconds;
    if (nanoseconds > max_) max_ = nanoseconds;
  }

  void clear() noexcept { *this = Histogram(); }

  std::uint64_t count() const noexcept { return total_; }
  std::uint64_t max() const noexcept { return max_; }
  double mean() const noexcept { return total_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(total_); }

  /// The smallest recorded time (its bucket's lower edge) that at least `share` of all times do not exceed.
  std::uint64_t percentile(double share) const noexcept {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen != 0 && seen >= wanted) return lower_edge(i);
    }
    return max_;
  }

 private:
  static constexpr int step_bits = 7;

  static std::size_t bucket(std::uint64_t value) noexcept {
    if (value < (2u << step_bits)) return static_cast<std::size_t>(value);
    const int shift = std::bit_width(value) - 1 - step_bits;
    return (static_cast<std::size_t>(shift) << step_bits) + static_cast<std::size_t>(value >> shift);
  }
  static std::uint64_t lower_edge(std::size_t index) noexcept {
    if (index < (2u << step_bits)) return index;
    const std::size_t shift = (index >> step_bits) - 1;
    return static_cast<std::uint64_t>(index - (shift << step_bits)) << shift;
  }

  std::array<std::uint64_t, (64 - step_bits + 1) << step_bits> counts_{};
  std::uint64_t total_ = 0, sum_ = 0, max_ = 0;
};

}  // namespace bench
