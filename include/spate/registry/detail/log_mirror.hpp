// LogMirror: how far the history here is a copy of the log of a bus.
//
//   blank       nothing is known of a log
//   filling     a log has begun, and what it has is still coming
//   complete    all that the log has had has come; what comes now is new
//
// Another log may begin at any time: from complete, and from filling too, it goes back to filling. It takes what the
// bus tells and says what follows from it; streams it does not know. Guarded by the emitter's lock.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/history/detail/cursor.hpp>
#include <spate/history/detail/history.hpp>

namespace spate::detail {

class LogMirror {
 public:
  /// In place of a sequence number: when the copy is complete.
  static constexpr std::uint64_t the_end = std::numeric_limits<std::uint64_t>::max();

  /// `keeps_log` says whether there is a log: without one there is nothing to be told, and nothing to wait for. Throws
  /// std::invalid_argument when there is one and the store of `history` cannot mirror it.
  LogMirror(History& history, bool keeps_log);

  /// Whether there is a log.
  explicit operator bool() const noexcept { return keeps_log_; }

  /// Whether all that the log has is here.
  bool complete() const noexcept { return !keeps_log_ || state_ == State::complete; }

  /// Whether what comes now is older than the streams that are here: what the first log had when it was first seen is
  /// for those who resume.
  bool predates_streams() const noexcept { return state_ == State::filling && first_; }

  /// Whether there was no other log before.
  bool is_first() const noexcept { return first_; }

  /// Where in the log the streams go on that were here before it.
  std::uint64_t begins_at() const noexcept { return begins_at_; }

  /// The id of the newest event of what was before this log.
  const std::string& position_before() const noexcept { return position_before_; }

  /// What has to come before it can be said where `cursor` is; nothing when it can be said now.
  std::optional<std::uint64_t> ahead(const Cursor& cursor) const;

  /// The history is another emitter's from now on, and what it was a copy of is not known any more.
  void close() noexcept { closed_ = true; }
  bool closed() const noexcept { return closed_; }

  // ---- what the bus tells ----

  /// Returns whether streams that are here go on in the new log: all of it is newer than what they have been given.
  bool restarted(std::string_view epoch);

  /// Whether what the log tells of `sequence` is not here yet.
  bool is_news(std::uint64_t sequence) const { return sequence > history_.newest(); }

  /// Returns whether it is complete now and was not.
  bool reached_end(std::uint64_t newest);

 private:
  enum class State : std::uint8_t { blank, filling, complete };

  History& history_;
  const bool keeps_log_;
  State state_ = State::blank;
  bool first_ = true;
  bool closed_ = false;
  std::uint64_t begins_at_ = 0;
  std::string position_before_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/log_mirror.ipp>
#endif
