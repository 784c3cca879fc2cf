// StreamSources: what fills one stream besides what is sent to it directly. Shard only.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/held_sends.hpp>
#include <spate/stream/detail/stream_source.hpp>
#include <spate/stream/end_reason.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::detail {

class StreamSources {
 public:
  void add(Ref<StreamSource> source) noexcept;
  void remove(StreamSource& source) noexcept;

  /// Something is about to be queued: each queues first what it has accepted and not yet read.
  void queue_unread() const;

  /// Each queues more, of what belongs before `next`, or all of it when that is null.
  void pull(const SourcePosition* next) const;

  /// Whether one is still looking for what it owes.
  bool busy() const;
  /// Whether one waits for somebody else who reads what it owes.
  bool reads() const;
  /// Whether one goes on looking when it is pulled again.
  bool awaits_pull() const;
  /// Whether one owes something that comes before `position`.
  bool owe(const SourcePosition& position) const;

  /// The stream ends: each accepts nothing more. Returns whether one of them still owes something.
  bool leave() const;

  /// The stream takes nothing any more, for `reason`. Each is told, whatever memory that needs.
  void detach(EndReason reason);

 private:
  template <typename Predicate>
  bool any(Predicate&& holds) const {
    for (const StreamSource* source = first_.get(); source != nullptr; source = source->next_source.get()) {
      if (holds(*source)) return true;
    }
    return false;
  }

  Ref<StreamSource> first_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/stream_sources.ipp>
#endif
