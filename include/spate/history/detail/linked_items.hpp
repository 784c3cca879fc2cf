// LinkedItems: a list of items that know their neighbours, so that it needs no memory of its own.
//
// It has no lock: whoever owns it has one.
#pragma once

namespace spate::detail {

/// An item has two members, `previous` and `next`, for the one list that it is in, and stays where it is in memory.
template <typename Item>
class LinkedItems {
 public:
  bool empty() const noexcept { return first_ == nullptr; }
  /// There must be one.
  Item& front() const noexcept { return *first_; }

  void push_back(Item& item) noexcept {
    item.previous = last_;
    item.next = nullptr;
    (last_ == nullptr ? first_ : last_->next) = &item;
    last_ = &item;
  }

  void remove(Item& item) noexcept {
    (item.previous == nullptr ? first_ : item.previous->next) = item.next;
    (item.next == nullptr ? last_ : item.next->previous) = item.previous;
  }

 private:
  Item* first_ = nullptr;
  Item* last_ = nullptr;
};

}  // namespace spate::detail
