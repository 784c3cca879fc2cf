// SplitTable: a hash table that grows without ever moving all that it holds.
//
// A table of the standard library puts every element in a new place when it grows: at a million of them nobody else has
// the lock for a tenth of a second. Here no part holds more than some hundred. One that is full is split in two, by one
// more bit of the hash (extendible hashing); a directory leads from the first bits to the part. Elements stay where
// they are in memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace spate::detail {

/// The key of what lies in a table: a name, what has a name as its `id`, or what a map has under a name.
inline std::string_view name_of(std::string_view name) noexcept {
  return name;
}
template <typename T>
  requires requires(const T& item) { item.id; }
std::string_view name_of(const T& item) noexcept {
  return item.id;
}
template <typename T>
std::string_view name_of(const std::pair<const std::string, T>& item) noexcept {
  return item.first;
}

/// A name with its hash.
struct HashedName {
  explicit HashedName(std::string_view text) : name(text), hash(std::hash<std::string_view>()(text)) {}

  std::string_view name;
  std::size_t hash;
};
inline std::string_view name_of(const HashedName& hashed) noexcept {
  return hashed.name;
}

// For noexcept some libraries compute a hash again instead of keeping it beside its element: a name is hashed fast, and
// there may be a million.
struct NameHash {
  using is_transparent = void;
  std::size_t operator()(const HashedName& name) const noexcept { return name.hash; }
  template <typename T>
  std::size_t operator()(const T& item) const noexcept {
    return std::hash<std::string_view>()(name_of(item));
  }
};

struct SameName {
  using is_transparent = void;
  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const noexcept {
    return name_of(a) == name_of(b);
  }
};

/// `Table` is one of the standard library's, by NameHash and SameName.
template <typename Table>
class SplitTable {
 public:
  using Element = typename Table::value_type;

  std::size_t size() const noexcept { return size_; }

  void swap(SplitTable& other) noexcept {
    directory_.swap(other.directory_);
    std::swap(bits_, other.bits_);
    parts_.swap(other.parts_);
    std::swap(size_, other.size_);
    std::swap(emptied_, other.emptied_);
  }

  /// Null when there is none.
  auto find(std::string_view name) const { return find_in(*this, name); }
  auto find(std::string_view name) { return find_in(*this, name); }

  /// Any element; there must be one.
  const Element& any() const {
    while (parts_[emptied_].table.empty()) ++emptied_;
    return *parts_[emptied_].table.begin();
  }

  /// Makes the element `name`, of which there must be none, out of `arguments`. Throws before it changes anything.
  template <typename... Arguments>
  auto* emplace(std::string_view name, Arguments&&... arguments) {
    if (directory_.empty()) directory_.push_back(0);
    if (parts_.empty()) parts_.emplace_back();
    const HashedName hashed(name);
    const std::uint32_t index = part_of(hashed.hash);
    auto* const made = &*parts_[index].table.emplace(std::forward<Arguments>(arguments)...).first;
    ++size_;
    emptied_ = std::min(emptied_, index);
    if (parts_[index].table.size() > max_size && parts_[index].bits < max_bits) {
      try {
        split(index, hashed.hash);
      } catch (const std::bad_alloc&) {
        // It is split when the next one comes.
      }
    }
    return made;
  }

  /// Of an element that there is.
  void erase(std::string_view name) {
    const HashedName hashed(name);
    Table& table = parts_[part_of(hashed.hash)].table;
    table.erase(table.find(hashed));
    --size_;
  }

  /// What it is made of: so many parts, each of which holds no more than some hundred. What becomes too much for one
  /// goes to a new one, which is the last.
  std::size_t parts() const noexcept { return parts_.size(); }
  template <typename Visit>
  void for_each_in(std::size_t part, Visit&& visit) {
    for (Element& each : parts_[part].table) visit(each);
  }

  /// Destroys some of the elements, no more than a part has; returns whether there were any parts left. Then there is
  /// nothing to do with the others but to destroy them as well.
  bool erase_some() noexcept {
    if (parts_.empty()) return false;
    size_ -= parts_.back().table.size();
    parts_.pop_back();
    return true;
  }

 private:
  struct Part {
    Table table;
    unsigned bits = 0;  // of the hash, which all elements share
  };

  static constexpr std::size_t max_size = 256;  // in a part
  static constexpr unsigned max_bits = 16;      // whatever hashes there are, the directory stays small
  static constexpr unsigned hash_bits = std::numeric_limits<std::size_t>::digits;

  static std::size_t leading_bits(std::size_t hash, unsigned count) noexcept {
    return (hash >> 1) >> (hash_bits - 1 - count);
  }

  std::uint32_t part_of(std::size_t hash) const noexcept { return directory_[leading_bits(hash, bits_)]; }

  template <typename Self>
  static auto find_in(Self& self, std::string_view name) -> decltype(&*self.parts_.front().table.begin()) {
    if (self.size_ == 0) return nullptr;
    const HashedName hashed(name);
    auto& table = self.parts_[self.part_of(hashed.hash)].table;
    const auto found = table.find(hashed);
    return found == table.end() ? nullptr : &*found;
  }

  // What may fail comes before what changes something.
  void split(std::uint32_t index, std::size_t hash) {
    if (parts_[index].bits == bits_) double_directory();
    const auto upper_index = static_cast<std::uint32_t>(parts_.size());
    Table& upper = parts_.emplace_back().table;
    try {
      upper.reserve(std::max(max_size, parts_[index].table.size()));
    } catch (...) {
      parts_.pop_back();
      throw;
    }
    Part& lower = parts_[index];
    const unsigned bits = ++lower.bits;
    parts_.back().bits = bits;
    for (auto at = lower.table.begin(); at != lower.table.end();) {
      const auto each = at++;
      const std::size_t its_hash = lower.table.hash_function()(*each);
      if ((leading_bits(its_hash, bits) & 1U) != 0) upper.insert(lower.table.extract(each));
    }
    // The upper half of the places that led to the part.
    const std::size_t places = std::size_t(1) << (bits_ - bits);
    const std::size_t begin = (leading_bits(hash, bits) | 1U) * places;
    std::fill_n(directory_.begin() + static_cast<std::ptrdiff_t>(begin), places, upper_index);
  }

  void double_directory() {
    std::vector<std::uint32_t> twice;
    twice.reserve(directory_.size() * 2);
    for (const std::uint32_t part : directory_) {
      twice.push_back(part);
      twice.push_back(part);
    }
    directory_ = std::move(twice);
    ++bits_;
  }

  std::vector<std::uint32_t> directory_;  // by the first `bits_` bits of a hash
  unsigned bits_ = 0;
  std::deque<Part> parts_;
  std::size_t size_ = 0;
  mutable std::uint32_t emptied_ = 0;  // so many parts, from the first, hold nothing
};

}  // namespace spate::detail
