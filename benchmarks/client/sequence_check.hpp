// What each stream received, event by event: missing, doubled and out of order are told apart exactly.
//
// Events of one publisher to one destination are numbered without gaps. A number above the expected one opens a gap;
// one that fills a gap came out of order; any other below the expected one is a double.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_set>
#include <utility>
#include <vector>

namespace bench {

class SequenceCheck {
 public:
  SequenceCheck(std::size_t streams, std::size_t publishers)
      : publishers_(publishers), next_(streams * publishers), order_(streams) {}

  std::size_t publishers() const noexcept { return publishers_; }

  /// The first number that `stream` is to receive from `publisher`.
  void expect(std::size_t stream, std::size_t publisher, std::uint32_t next) {
    next_[stream * publishers_ + publisher] = next;
  }

  /// Whether this is the first time that the event arrived.
  bool received(std::size_t stream, std::size_t publisher, std::uint32_t sequence) {
    order_[stream] = (order_[stream] ^ (std::uint64_t{publisher} << 32 | sequence)) * 0x9E3779B97F4A7C15u;
    std::uint32_t& next = next_[stream * publishers_ + publisher];
    if (sequence == next) [[likely]] {
      ++next;
      return true;
    }
    return unexpected(stream * publishers_ + publisher, next, sequence);
  }

  /// Counts what never came, given how many events each publisher had for each stream.
  template <typename SentTo>
  std::uint64_t missing(std::size_t stream, SentTo&& sent_to) const {
    std::uint64_t missing = 0;
    for (std::size_t publisher = 0; publisher < publishers_; ++publisher) {
      const std::uint32_t sent = sent_to(publisher), next = next_[stream * publishers_ + publisher];
      if (sent > next) missing += sent - next;
    }
    return missing;
  }

  std::uint64_t gaps() const noexcept { return gaps_.size(); }
  std::uint64_t doubled() const noexcept { return doubled_; }
  std::uint64_t out_of_order() const noexcept { return out_of_order_; }
  /// Equal for streams that received the same events in the same order.
  std::uint64_t order(std::size_t stream) const noexcept { return order_[stream]; }

  void forget() {
    gaps_.clear();
    doubled_ = out_of_order_ = 0;
    for (auto& order : order_) order = 0;
  }

 private:
  bool unexpected(std::size_t lane, std::uint32_t& next, std::uint32_t sequence) {
    if (sequence > next) {
      for (std::uint32_t lost = next; lost < sequence; ++lost) gaps_.insert(key(lane, lost));
      next = sequence + 1;
      return true;
    }
    if (gaps_.erase(key(lane, sequence)) == 1) {
      ++out_of_order_;
      return true;
    }
    ++doubled_;
    return false;
  }

  static std::uint64_t key(std::size_t lane, std::uint32_t sequence) noexcept {
    return std::uint64_t{lane} << 32 | sequence;
  }

  std::size_t publishers_;
  std::vector<std::uint32_t> next_;
  std::vector<std::uint64_t> order_;
  std::unordered_set<std::uint64_t> gaps_;
  std::uint64_t doubled_ = 0, out_of_order_ = 0;
};

}  // namespace bench
