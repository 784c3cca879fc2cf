// SegmentedArray: an array that grows and shrinks at its end, and never moves what it holds.
//
// It has no lock: whoever owns it has one.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace spate::detail {

/// `T` is a value that holds no memory of its own.
template <typename T>
class SegmentedArray {
 public:
  SegmentedArray() = default;
  SegmentedArray(SegmentedArray&& other) noexcept { swap(other); }
  SegmentedArray& operator=(SegmentedArray&& other) noexcept {
    SegmentedArray taken(std::move(other));
    swap(taken);
    return *this;
  }

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }

  T& operator[](std::size_t index) noexcept { return segments_[index / segment_size][index % segment_size]; }
  const T& operator[](std::size_t index) const noexcept {
    return segments_[index / segment_size][index % segment_size];
  }
  T& back() noexcept { return (*this)[size_ - 1]; }

  /// Makes room for one more. Throws for want of memory.
  void reserve_one() {
    if (size_ == segments_.size() * segment_size) segments_.push_back(std::make_unique<T[]>(segment_size));
  }
  /// Needs room that was made.
  void push_back(const T& value) noexcept { (*this)[size_++] = value; }
  /// Room for some remains, so that one that comes and goes needs no memory each time.
  void pop_back() noexcept {
    --size_;
    if (size_ + 2 * segment_size <= segments_.size() * segment_size) segments_.pop_back();
  }

  /// Destroys some of the last elements; returns whether there were any left.
  bool erase_some() noexcept {
    if (segments_.empty()) return false;
    segments_.pop_back();
    size_ = segments_.size() * segment_size;
    return true;
  }

 private:
  static constexpr std::size_t segment_size = 64;

  void swap(SegmentedArray& other) noexcept {
    std::swap(segments_, other.segments_);
    std::swap(size_, other.size_);
  }

  std::vector<std::unique_ptr<T[]>> segments_;
  std::size_t size_ = 0;
};

}  // namespace spate::detail
