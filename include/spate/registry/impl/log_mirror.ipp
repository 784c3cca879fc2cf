// The functions of log_mirror.hpp.
#pragma once

#include <stdexcept>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/registry/detail/log_mirror.hpp>

namespace spate::detail {

SPATE_DECL LogMirror::LogMirror(History& history, bool keeps_log) : history_(history), keeps_log_(keeps_log) {
  if (!keeps_log) return;
  const Lock lock(history.mutex());
  if (!history.restart(std::string(history.epoch()))) {
    throw std::invalid_argument("spate::Emitter: this replay store cannot mirror the log of a bus");
  }
}

SPATE_DECL std::optional<std::uint64_t> LogMirror::ahead(const Cursor& cursor) const {
  if (!keeps_log_) return std::nullopt;
  switch (state_) {
    case State::blank: return cursor ? std::optional(the_end) : std::nullopt;
    case State::filling: return the_end;
    case State::complete: break;
  }
  const std::optional<std::uint64_t> sequence = history_.sequence_of(cursor);
  return sequence && is_news(*sequence) ? sequence : std::nullopt;
}

SPATE_DECL bool LogMirror::restarted(std::string_view epoch) {
  if (state_ != State::filling) {
    position_before_ = history_.id_of(history_.newest());
    first_ = state_ == State::blank;
  }
  state_ = State::filling;
  begins_at_ = 0;
  history_.restart(epoch);
  return !first_;
}

SPATE_DECL bool LogMirror::reached_end(std::uint64_t newest) {
  if (is_news(newest)) history_.skip(newest);
  if (state_ == State::complete) return false;
  state_ = State::complete;
  if (first_) begins_at_ = history_.newest();
  return true;
}

}  // namespace spate::detail
