// BlockQueue: a queue in which no step takes long, however many elements there are, and which costs little for few.
// What stands in its middle can be taken out, too.
//
// The newest elements are in an array that grows up to `block_size` of them; those before are in blocks of that size.
// So none is moved once its block is full, unless its neighbours go: blocks that hold few are put together. `push`
// throws for want of memory, and then has changed nothing.
//
// Each block of those before has a mark, the greatest of what was said of its elements when it became full.
//
// It has no lock: whoever owns it has one. A reference or position holds until the next push or pop.
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
template <typename T, std::size_t elements_in_block, typename Mark = int>
class BlockQueue {
  using Index = std::uint8_t;

 public:
  static constexpr std::size_t block_size = elements_in_block;
  static_assert(block_size > 0 && block_size <= UINT8_MAX);

  struct Position {
    std::size_t block = 0;
    std::size_t at = 0;
    friend bool operator==(const Position&, const Position&) = default;
  };

  BlockQueue() = default;
  BlockQueue(BlockQueue&& other) noexcept { swap(other); }
  BlockQueue& operator=(BlockQueue&& other) noexcept {
    BlockQueue taken(std::move(other));
    swap(taken);
    return *this;
  }

  std::size_t size() const noexcept { return count_; }
  bool empty() const noexcept { return count_ == 0; }

  /// What a block before the newest elements costs besides these.
  static constexpr std::size_t cost_of_block() noexcept { return sizeof(Block); }
  /// Blocks before the newest elements; and elements that there is room for in the array of these.
  std::size_t blocks() const noexcept { return older_ == nullptr ? 0 : older_->count(); }
  std::size_t capacity() const noexcept { return capacity_; }

  // ---- positions, from the oldest element to behind the newest ----

  Position begin() const noexcept { return {0, begin_of(0)}; }
  Position end() const noexcept { return {blocks(), end_}; }
  /// Not behind the newest.
  Position after(Position position) const noexcept {
    ++position.at;
    if (position.block == blocks() || position.at < (*older_)[position.block].end) return position;
    return {position.block + 1, begin_of(position.block + 1)};
  }
  /// Not before the oldest.
  Position before(Position position) const noexcept {
    if (position.at > begin_of(position.block)) return {position.block, position.at - 1};
    return {position.block - 1, (*older_)[position.block - 1].end - std::size_t{1}};
  }
  /// The first of the block at `position`, and of the one after it, which there must be.
  Position block_begin(Position position) const noexcept { return {position.block, begin_of(position.block)}; }
  Position block_after(Position position) const noexcept { return {position.block + 1, begin_of(position.block + 1)}; }
  /// The mark of the block at `position`; null when that is in the newest array, which has none.
  const Mark* mark(Position position) const noexcept {
    return position.block == blocks() ? nullptr : &(*older_)[position.block].mark;
  }

  /// The first element that is not `before`; those that are stand before all that are not.
  template <typename Predicate>
  Position first_not(Predicate&& before) const {
    std::size_t block = 0;
    for (std::size_t end = blocks(); block < end;) {
      const std::size_t middle = (block + end) / 2;
      const Block& each = (*older_)[middle];
      if (before(each.elements[each.end - 1])) {
        block = middle + 1;
      } else {
        end = middle;
      }
    }
    const bool is_newest = block == blocks();
    const T* const elements = is_newest ? newest_.get() : (*older_)[block].elements.get();
    const std::size_t end = is_newest ? end_ : (*older_)[block].end;
    const T* const found = std::partition_point(elements + begin_of(block), elements + end, before);
    return {block, static_cast<std::size_t>(found - elements)};
  }

  // ---- elements ----

  T& operator[](Position position) noexcept { return const_cast<T&>(std::as_const(*this)[position]); }
  const T& operator[](Position position) const noexcept {
    return (position.block == blocks() ? newest_ : (*older_)[position.block].elements)[position.at];
  }
  T& front() noexcept { return (*this)[begin()]; }
  const T& front() const noexcept { return (*this)[begin()]; }
  T& back() noexcept { return newest_[end_ - 1]; }
  const T& back() const noexcept { return newest_[end_ - 1]; }

  // ---- changes ----

  /// Whether the next push needs memory.
  bool is_full() const noexcept { return end_ == capacity_; }
  /// Appends the default, to be filled. `mark_of` an element is asked when a block has become full.
  template <typename MarkOf>
  T& push(MarkOf&& mark_of) {
    if (is_full()) make_room(mark_of);
    ++count_;
    return newest_[end_++];
  }

  void pop_back() noexcept { erase({blocks(), end_ - std::size_t{1}}); }

  void pop_front() noexcept {
    if (older_ == nullptr) {
      newest_[begin_++] = T();
      --count_;
      tidy_newest();
      return;
    }
    Block& oldest = (*older_)[0];
    oldest.elements[oldest.begin++] = T();
    --count_;
    if (oldest.begin == oldest.end) drop(0);
  }

  /// Takes out one element. Returns whether it has moved blocks, which takes longer.
  bool erase(Position position) noexcept {
    --count_;
    if (position.block == blocks()) {
      erase_in(newest_.get(), begin_, end_, position.at);
      return tidy_newest();
    }
    Block& block = (*older_)[position.block];
    erase_in(block.elements.get(), block.begin, block.end, position.at);
    if (block.begin == block.end) {
      drop(position.block);
      return true;
    }
    return (position.block + 1 < blocks() && join(position.block)) || (position.block > 0 && join(position.block - 1));
  }

  void clear() noexcept { *this = BlockQueue(); }

 private:
  using Elements = std::unique_ptr<T[]>;

  // Of the array behind a block that has become full: many queues may come to that with one event.
  static constexpr std::size_t first_capacity = std::max<std::size_t>(1, block_size / 8);

  struct Block {
    Elements elements;
    Mark mark{};
    Index begin = 0;  // what is here: [begin, end), never nothing
    Index end = 0;

    std::size_t size() const noexcept { return static_cast<std::size_t>(end - begin); }
  };

  // The blocks before the newest elements, oldest first.
  class Blocks {
   public:
    std::size_t count() const noexcept { return all_.size() - gone_; }
    Block& operator[](std::size_t index) noexcept { return all_[gone_ + index]; }
    void reserve_one() {
      if (all_.size() == all_.capacity()) all_.reserve(std::max<std::size_t>(4, 2 * all_.size()));
    }
    void add(Block&& block) noexcept { all_.push_back(std::move(block)); }
    Block take_newest() noexcept {
      Block taken = std::move(all_.back());
      all_.pop_back();
      return taken;
    }
    // The shorter side makes up for it.
    void erase(std::size_t index) noexcept {
      const auto begin = all_.begin() + static_cast<std::ptrdiff_t>(gone_);
      const auto erased = begin + static_cast<std::ptrdiff_t>(index);
      if (index >= count() / 2) {
        all_.erase(erased);
        return;
      }
      std::move_backward(begin, erased, erased + 1);
      begin->elements.reset();
      if (++gone_ * 2 < all_.size()) return;
      all_.erase(all_.begin(), all_.begin() + static_cast<std::ptrdiff_t>(gone_));
      gone_ = 0;
    }

   private:
    std::vector<Block> all_;
    std::size_t gone_ = 0;
  };

  void swap(BlockQueue& other) noexcept {
    std::swap(newest_, other.newest_);
    std::swap(older_, other.older_);
    std::swap(count_, other.count_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(capacity_, other.capacity_);
  }

  std::size_t begin_of(std::size_t block) const noexcept { return block == blocks() ? begin_ : (*older_)[block].begin; }

  static Elements empty_block(std::size_t capacity) { return std::make_unique<T[]>(capacity); }

  // The nearer end makes up for it.
  static void erase_in(T* elements, Index& begin, Index& end, std::size_t at) noexcept {
    if (at - begin < end - at) {
      std::move_backward(elements + begin, elements + at, elements + at + 1);
      elements[begin++] = T();
    } else {
      std::move(elements + at + 1, elements + end, elements + at);
      elements[--end] = T();
    }
  }

  static void move_to_begin(T* elements, Index& begin, Index& end) noexcept {
    T* const rest = std::move(elements + begin, elements + end, elements);
    std::for_each(rest, elements + end, [](T& moved) { moved = T(); });
    end = static_cast<Index>(end - begin);
    begin = 0;
  }

  void drop(std::size_t block) noexcept {
    older_->erase(block);
    if (older_->count() == 0) older_.reset();
  }

  // Puts two blocks together that hold little; returns whether they do.
  bool join(std::size_t first) noexcept {
    Block &to = (*older_)[first], &from = (*older_)[first + 1];
    if (to.size() + from.size() > block_size / 2) return false;
    if (to.end + from.size() > block_size) move_to_begin(to.elements.get(), to.begin, to.end);
    std::move(from.elements.get() + from.begin, from.elements.get() + from.end, to.elements.get() + to.end);
    to.end = static_cast<Index>(to.end + from.size());
    to.mark = std::max(to.mark, from.mark);
    drop(first + 1);
    return true;
  }

  // After some of the newest have gone. Returns whether it has moved blocks.
  bool tidy_newest() noexcept {
    if (begin_ == end_ && older_ != nullptr) {
      Block last = older_->take_newest();
      newest_ = std::move(last.elements);
      begin_ = last.begin;
      end_ = last.end;
      capacity_ = block_size;
      if (older_->count() == 0) older_.reset();
      return true;
    }
    if (begin_ * 2 >= end_) move_to_begin(newest_.get(), begin_, end_);
    if (older_ == nullptr && (end_ - begin_) * 4 <= capacity_) shrink();
    return false;
  }

  template <typename MarkOf>
  void make_room(MarkOf& mark_of) {
    if (begin_ * 4 >= capacity_ && capacity_ > 0) return move_to_begin(newest_.get(), begin_, end_);
    if (capacity_ < block_size) return reallocate(std::min(block_size, std::max<std::size_t>(1, 2 * capacity_)));
    Elements fresh = empty_block(first_capacity);
    auto first = older_ == nullptr ? std::make_unique<Blocks>() : nullptr;
    (older_ == nullptr ? first : older_)->reserve_one();
    if (first) older_ = std::move(first);
    Mark mark = mark_of(newest_[begin_]);
    for (std::size_t at = begin_ + std::size_t{1}; at < end_; ++at) mark = std::max(mark, mark_of(newest_[at]));
    older_->add({std::exchange(newest_, std::move(fresh)), mark, begin_, end_});
    begin_ = end_ = 0;
    capacity_ = first_capacity;
  }

  void reallocate(std::size_t capacity) {
    Elements fresh = empty_block(capacity);
    std::move(newest_.get() + begin_, newest_.get() + end_, fresh.get());
    newest_ = std::move(fresh);
    end_ = static_cast<Index>(end_ - begin_);
    begin_ = 0;
    capacity_ = static_cast<Index>(capacity);
  }

  void shrink() noexcept {
    if (begin_ == end_) {
      newest_.reset();
      capacity_ = begin_ = end_ = 0;
      return;
    }
    try {
      reallocate(static_cast<std::size_t>(end_ - begin_));
    } catch (const std::bad_alloc&) {
      // It stays as large as it is.
    }
  }

  Elements newest_;
  std::unique_ptr<Blocks> older_;  // null when there are none
  std::uint32_t count_ = 0;        // of all elements
  Index begin_ = 0;                // the newest are in [begin_, end_) of their array
  Index end_ = 0;
  Index capacity_ = 0;
};

}  // namespace spate::detail
