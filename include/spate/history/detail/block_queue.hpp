// BlockQueue: a queue in which no step takes long, however many elements there are, and which costs little for few.
//
// The newest elements are in an array that grows up to `block_size` of them; those before are in blocks of that size.
// So none is moved once its block is full. `push` throws for want of memory, and then has changed nothing.
//
// It has no lock: whoever owns it has one. A reference to an element holds until the next push or pop.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace spate::detail {

/// `T` has a default, which holds nothing.
template <typename T, std::size_t block_size>
class BlockQueue {
  static_assert(block_size > 0 && block_size <= UINT16_MAX);

 public:
  BlockQueue() = default;
  BlockQueue(BlockQueue&& other) noexcept { swap(other); }
  BlockQueue& operator=(BlockQueue&& other) noexcept {
    BlockQueue taken(std::move(other));
    swap(taken);
    return *this;
  }

  std::size_t size() const noexcept { return full_blocks() * block_size + size_ - head_; }
  bool empty() const noexcept { return full_ == nullptr && head_ == size_; }

  /// Blocks that are full; and elements that there is room for after them.
  std::size_t full_blocks() const noexcept { return full_ == nullptr ? 0 : full_->count(); }
  std::size_t capacity() const noexcept { return capacity_; }

  T& operator[](std::size_t index) noexcept { return const_cast<T&>(std::as_const(*this)[index]); }
  const T& operator[](std::size_t index) const noexcept {
    const std::size_t at = index + head_, block = at / block_size;
    return (block < full_blocks() ? (*full_)[block] : newest_)[at % block_size];
  }
  const T& front() const noexcept { return (full_ != nullptr ? (*full_)[0] : newest_)[head_]; }
  T& back() noexcept { return newest_[size_ - 1]; }
  const T& back() const noexcept { return newest_[size_ - 1]; }

  /// Whether the next push needs memory.
  bool is_full() const noexcept { return size_ == capacity_; }
  /// Appends the default, to be filled.
  T& push() {
    if (is_full()) make_room();
    return newest_[size_++];
  }

  void pop_back() noexcept {
    newest_[--size_] = T();
    if (size_ > 0 && (full_ != nullptr || size_ > head_)) return;
    if (full_ == nullptr) {
      head_ = size_ = 0;
      return;
    }
    newest_ = full_->take_newest();
    size_ = block_size;
    if (full_->count() == 0) full_.reset();
  }

  void pop_front() noexcept {
    (full_ != nullptr ? (*full_)[0] : newest_)[head_++] = T();
    if (full_ != nullptr) {
      if (head_ < block_size) return;
      full_->drop_oldest();
      head_ = 0;
      if (full_->count() == 0) full_.reset();
    } else if (head_ * 2 >= size_) {
      T* const rest = std::move(newest_.get() + head_, newest_.get() + size_, newest_.get());
      std::for_each(rest, newest_.get() + size_, [](T& moved) { moved = T(); });
      size_ = static_cast<std::uint16_t>(size_ - head_);
      head_ = 0;
      if (size_ * 4 <= capacity_) shrink();
    }
  }

  void clear() noexcept { *this = BlockQueue(); }

  /// How many elements, from the front, are `before`; they stand before all that are not.
  template <typename Predicate>
  std::size_t count_before(Predicate&& before) const {
    std::size_t block = 0;
    for (std::size_t end = full_blocks(); block < end;) {
      const std::size_t middle = (block + end) / 2;
      if (before((*full_)[middle][block_size - 1])) {
        block = middle + 1;
      } else {
        end = middle;
      }
    }
    const bool is_full = block < full_blocks();
    const T* const elements = is_full ? (*full_)[block].get() : newest_.get();
    const std::size_t begin = block == 0 ? head_ : 0, end = is_full ? block_size : size_;
    const T* const found = std::partition_point(elements + begin, elements + end, before);
    return block * block_size + static_cast<std::size_t>(found - elements) - head_;
  }

 private:
  using Elements = std::unique_ptr<T[]>;

  // The blocks, oldest first.
  class Blocks {
   public:
    std::size_t count() const noexcept { return all_.size() - gone_; }
    const Elements& operator[](std::size_t index) const noexcept { return all_[gone_ + index]; }
    void reserve_one() {
      if (all_.size() == all_.capacity()) all_.reserve(std::max<std::size_t>(4, 2 * all_.size()));
    }
    void add(Elements&& elements) noexcept { all_.push_back(std::move(elements)); }
    Elements take_newest() noexcept {
      Elements taken = std::move(all_.back());
      all_.pop_back();
      return taken;
    }
    void drop_oldest() noexcept {
      all_[gone_++].reset();
      if (gone_ * 2 < all_.size()) return;
      all_.erase(all_.begin(), all_.begin() + static_cast<std::ptrdiff_t>(gone_));
      gone_ = 0;
    }

   private:
    std::vector<Elements> all_;
    std::size_t gone_ = 0;
  };

  void swap(BlockQueue& other) noexcept {
    std::swap(newest_, other.newest_);
    std::swap(full_, other.full_);
    std::swap(head_, other.head_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  static Elements empty_block(std::size_t capacity) { return std::make_unique<T[]>(capacity); }

  void make_room() {
    if (size_ < block_size) return reallocate(std::min<std::size_t>(block_size, std::max<std::size_t>(1, 2 * size_)));
    Elements fresh = empty_block(block_size);
    auto first = full_ == nullptr ? std::make_unique<Blocks>() : nullptr;
    (full_ == nullptr ? first : full_)->reserve_one();
    if (first) full_ = std::move(first);
    full_->add(std::exchange(newest_, std::move(fresh)));
    size_ = 0;
  }

  void reallocate(std::size_t capacity) {
    Elements fresh = empty_block(capacity);
    std::move(newest_.get(), newest_.get() + size_, fresh.get());
    newest_ = std::move(fresh);
    capacity_ = static_cast<std::uint16_t>(capacity);
  }

  void shrink() noexcept {
    if (size_ == 0) {
      newest_.reset();
      capacity_ = 0;
      return;
    }
    try {
      reallocate(size_);
    } catch (const std::bad_alloc&) {
      // It stays as large as it is.
    }
  }

  Elements newest_;
  std::unique_ptr<Blocks> full_;  // null when there are none
  std::uint16_t head_ = 0;        // elements of the oldest array that are gone
  std::uint16_t size_ = 0;        // of `newest_`, gone ones included
  std::uint16_t capacity_ = 0;    // of `newest_`
};

}  // namespace spate::detail
