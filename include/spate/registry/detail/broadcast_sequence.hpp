// BroadcastSequence: what an emitter broadcasts on one shard, compressed once for all who get it compressed.
//
// Each event is a piece of deflate that refers to those before it. A stream that has had the same text since the
// sequence last began anew, at a *key*, is in step: it takes the piece as it is. Another one, which came later or got
// something else in between, takes the same piece written anew: its matches reach further back, over what came in
// between, and what it never had becomes literals (`DeflateTokens`). After the next key it is in step again. So
// everybody's bytes refer to what they themselves got, and to nothing else.
//
// A place in the sequence counts bytes of text from its beginning. Shard only. No I/O.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/connection/detail/compression.hpp>
#include <spate/connection/detail/deflate_tokens.hpp>
#include <spate/connection/detail/gzip_sum.hpp>
#include <spate/loop/detail/clock.hpp>
#include <spate/stream/detail/gzip_body.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

class BroadcastSequence {
 public:
  struct Entry {
    EncodedEvent event;
    std::uint64_t begin = 0;         // the place of its text
    std::uint64_t key = 0;           // it refers to nothing before that
    std::uint32_t sum_before = 0;    // of all text up to `begin`
    GzipSum sum;                     // of its own
    DeflateTokens tokens;            // none: then there is `alone`
    std::string alone;               // the piece of those who are not in step, made when one of them comes
    std::uint64_t ends[2] = {0, 0};  // where it ends in the logs of its lanes

    std::uint64_t end() const noexcept { return begin + sum.size; }
  };

  explicit BroadcastSequence(const Compression& compression) : compression_(compression) {}
  BroadcastSequence(const BroadcastSequence&) = delete;
  BroadcastSequence& operator=(const BroadcastSequence&) = delete;

  /// Compresses `event`, which is broadcast at `now`. The piece is `piece()`. Throws std::bad_alloc, and has not taken
  /// it then.
  Entry& append(const EncodedEvent& event, TimePoint now);
  std::string_view piece() const noexcept { return piece_; }

  /// Its place, and the sum of all text up to there.
  std::uint64_t end() const noexcept { return end_; }
  std::uint32_t end_sum() const noexcept { return end_sum_; }

  std::deque<Entry>& entries() noexcept { return entries_; }
  /// The oldest entry is nobody's any more.
  void pop_front() noexcept { entries_.pop_front(); }

  /// Appends the piece of `entry` for a stream that is not in step and has `window` of the sequence.
  void write_for(Entry& entry, const SequenceWindow& window, std::string& out);

  /// Lets the memory of its context go if nothing was broadcast for a while: the next event begins anew then. Returns
  /// whether it has.
  bool rest(TimePoint now) noexcept;

 private:
  // How many events come before it begins anew for those who are not in step, and how long it may have been silent.
  static constexpr unsigned events_per_key = 64;
  static constexpr std::chrono::seconds quiet{5};
  // A longer event has codes of its own: it gains more by them than others by reading it.
  static constexpr std::size_t longest_fixed = 2048;

  const Compression& compression_;
  std::unique_ptr<Deflater> deflater_;  // null: the next event is a key
  std::unique_ptr<Deflater> alone_;
  std::deque<Entry> entries_;
  std::string piece_;
  std::uint64_t end_ = 0;
  std::uint32_t end_sum_ = 0;
  std::uint64_t key_ = 0;
  unsigned since_key_ = 0;      // events
  bool key_is_wanted_ = false;  // by somebody who was not in step
  TimePoint newest_{};
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/broadcast_sequence.ipp>
#endif
