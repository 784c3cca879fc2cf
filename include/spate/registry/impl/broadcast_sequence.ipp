// The functions of broadcast_sequence.hpp.
#pragma once

#include <algorithm>
#include <utility>

#include <spate/config.hpp>
#include <spate/registry/detail/broadcast_sequence.hpp>

namespace spate::detail {

SPATE_DECL BroadcastSequence::Entry& BroadcastSequence::append(const EncodedEvent& event, TimePoint now) {
  const std::string_view text = event.bytes();
  const bool anew = !deflater_ || now - newest_ > quiet || (key_is_wanted_ && since_key_ >= events_per_key);
  if (!deflater_) deflater_ = compression_.make(Compression::Use::sequence);
  Entry entry;
  entry.event = event;
  entry.begin = end_;
  entry.sum_before = end_sum_;
  entry.sum = {compression_.sum(0, text), static_cast<std::uint32_t>(text.size())};
  entry.key = anew ? end_ : key_;
  try {
    if (anew) deflater_->restart();
    const bool fixed = text.size() <= longest_fixed;
    piece_.clear();
    deflater_->put(text, fixed ? Deflater::Codes::fixed : Deflater::Codes::best, piece_);
    if (fixed) entry.tokens.read(piece_, text.size());
    entries_.push_back(std::move(entry));
  } catch (...) {
    deflater_.reset();  // which may have been given what nobody gets
    throw;
  }
  if (anew) {
    key_ = end_;
    since_key_ = 0;
    key_is_wanted_ = false;
  }
  ++since_key_;
  newest_ = now;
  end_ = entries_.back().end();
  end_sum_ = compression_.shifted(end_sum_, text.size()) ^ entries_.back().sum.crc;
  return entries_.back();
}

SPATE_DECL void BroadcastSequence::write_for(Entry& entry, const SequenceWindow& window, std::string& out) {
  key_is_wanted_ = true;
  const std::string_view text = entry.event.bytes();
  if (entry.tokens.empty()) {
    if (entry.alone.empty()) {
      if (!alone_) alone_ = compression_.make(Compression::Use::alone);
      alone_->restart();
      std::string piece;
      alone_->put(text, Deflater::Codes::best, piece);
      entry.alone = std::move(piece);
    }
    out += entry.alone;
    return;
  }
  DeflateWriter writer(out, text.size());
  std::size_t at = 0;  // in the text
  // Nothing comes in between inside of an event.
  const std::uint64_t inserted = window.inserted_before(entry.begin);
  for (const DeflateTokens::Token token : entry.tokens.all()) {
    if (token.distance == 0) {
      writer.literals(text.substr(at, token.length));
      at += token.length;
      continue;
    }
    for (std::size_t left = token.length; left > 0;) {
      const std::uint64_t source = entry.begin + at - token.distance;
      // Up to where it begins, or else up to where something else came in between, and over what has come since.
      std::uint64_t end = window.since, distance = DeflateTokens::max_distance + 1;
      if (source >= window.since) {
        const SequenceWindow::Stretch stretch = window.stretch_at(source);
        end = stretch.end;
        distance = token.distance + inserted - stretch.inserted_before;
      }
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, end - source));
      if (size < DeflateTokens::min_match || distance > DeflateTokens::max_distance) {
        writer.literals(text.substr(at, size));
      } else {
        writer.match(size, static_cast<std::size_t>(distance));
      }
      at += size;
      left -= size;
    }
  }
  writer.end();
}

SPATE_DECL bool BroadcastSequence::rest(TimePoint now) noexcept {
  if (now - newest_ <= quiet) return false;
  deflater_.reset();
  alone_.reset();
  return true;
}

}  // namespace spate::detail
