// Respondent: who has a request that was not answered at once, and so is told what becomes of its client.
//
// A value: a session copies it before it closes, and tells the copy afterwards. Shard only.
#pragma once

#include <system_error>
#include <utility>

#include <spate/config.hpp>
#include <spate/error.hpp>
#include <spate/server/detail/authorization.hpp>
#include <spate/server/detail/pending_core.hpp>
#include <spate/server/detail/streamed_core.hpp>
#include <spate/stream/detail/stream_core.hpp>

namespace spate::detail {

/// One of them at most.
struct Respondent {
  Ref<Authorization> hook;   // until it has decided
  Ref<PendingCore> pending;  // until it answers
  Ref<StreamedCore> pieces;  // until the last one
  Ref<StreamCore> stream;    // until its head goes out

  /// Whether a stream may come.
  bool awaits_stream() const noexcept { return stream || (hook && hook->for_stream()); }

  /// The client has ended its side. It has left a stream that is still to begin, but may wait for any other answer.
  void input_ended() const {
    if (stream) stream->input_ended();
  }
  void connection_lost(std::error_code error) const;

  /// The server was told to end, or its time to do so has passed.
  void drain() const {
    if (stream) stream->on_drain();
  }
  void cut() const;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/respondent.ipp>
#endif
