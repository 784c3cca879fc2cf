// GzipBody: what a compressed stream has to remember of its body: the sum and the length of its text, for the end, and
// where it stands in the sequence of events that it shares with others. No I/O.
//
// The pieces that wait in the stream's queue carry their own sums, which are added as they leave. What a source that
// shares a sequence (`BroadcastSequence`) has written past the queue is added later, in one step: it is asked to when
// something else is about to be queued.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <spate/config.hpp>
#include <spate/connection/detail/gzip_sum.hpp>

namespace spate::detail {

class StreamSource;

/// Where in a sequence a stream has got something else, and how many bytes of text until then altogether.
struct Insertion {
  std::uint64_t at = 0;
  std::uint64_t total = 0;
};

/// What a stream has of a sequence, of whose text it got everything from `since` on.
struct SequenceWindow {
  std::uint64_t since = 0;
  std::vector<Insertion> insertions;  // in their order

  /// Bytes of text that are not of the sequence, and came before the byte `at` of it.
  std::uint64_t inserted_before(std::uint64_t at) const noexcept { return stretch_at(at).inserted_before; }
  /// Text in which nothing was inserted.
  struct Stretch {
    std::uint64_t inserted_before;
    std::uint64_t end;  // where something was inserted; none: a place beyond everything
  };
  /// The one that the byte `at` lies in.
  Stretch stretch_at(std::uint64_t at) const noexcept;

  /// Notes that `size` bytes come in front of the byte `at`.
  void insert(std::uint64_t at, std::uint64_t size);
  /// What lies before `at` is not referred to any more.
  void forget_before(std::uint64_t at) noexcept;
};

class GzipBody {
 public:
  GzipSum sum;                     // of what has left
  std::uint32_t others = 0;        // bytes of text that the sharer has not seen: what was queued since it wrote
  std::uint32_t from_sum = 0;      // of the sequence up to `from`
  StreamSource* sharer = nullptr;  // whose place this is
  std::uint64_t from = 0;  // up to there its text is added, or waits in the queue; what came in between came here
  std::unique_ptr<SequenceWindow> window;  // null: what it has of the sequence begins at `from`, and has no insertions

  /// Something is about to be queued: its text is added to `others` when it has been.
  void about_to_queue();
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/gzip_body.ipp>
#endif
