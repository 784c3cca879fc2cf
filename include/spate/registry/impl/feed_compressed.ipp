// The functions of feed.hpp that give broadcasts to compressed streams: the bytes that all of them share to those in
// step, and each event written anew to the others.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/feed.hpp>

namespace spate::detail {

SPATE_DECL void Feed::append_compressed(const EncodedEvent& event) {
  if (!sequence_) sequence_ = std::make_unique<BroadcastSequence>(shard_->gzip()->compression());
  Entry& entry = sequence_->append(event, shard_->now());
  const std::string_view piece = sequence_->piece();
  for (std::size_t at = 0; at < 2; ++at) {
    Lane& lane = lanes_[first_compressed + at];
    if (!lane.members.empty()) {
      const Framing framing = at == 0 ? Framing::chunked : Framing::plain;
      rewritten_.clear();
      append_framed(rewritten_, piece, framing);
      lane.log.append(rewritten_, nullptr, event.chunk().size(), event.has_data());
    }
    entry.ends[at] = lane.log.end().byte;
  }
}

// Nobody needs it any more, nor to be told of silence: the feed is not to outlive its members for that.
SPATE_DECL void Feed::end_sequence() noexcept {
  sequence_.reset();
  if (!self_ || held_back_.load(std::memory_order_relaxed)) return;
  shard_->set_timer(*this, never);
  const Ref<Feed> alive = std::move(self_);
}

// Without a timer, for want of memory or because the shard stops, the sequence stays awake.
SPATE_DECL void Feed::watch_silence() {
  if (self_) return;
  try {
    shard_->set_timer(*this, shard_->now() + silence_look);
  } catch (const std::bad_alloc&) {
    return;
  }
  if (shard_->timer_at(*this) != never) self_ = Ref<Feed>(this);
}

SPATE_DECL Feed::Entries::iterator Feed::first_unread(const Subscription& member) const noexcept {
  const std::size_t at = index_of(member) - first_compressed;
  Entries& entries = sequence_->entries();
  auto entry = entries.end();  // nearly every reader is at the last one or the one before it
  while (entry != entries.begin() && std::prev(entry)->ends[at] > member.position.byte) --entry;
  return entry;
}

SPATE_DECL void Feed::keep_window(GzipBody& body) {
  if (!body.window) body.window = std::make_unique<SequenceWindow>(SequenceWindow{body.from, {}});
}

SPATE_DECL void Feed::settle(const Subscription& member, GzipBody& body) const {
  const auto entry = first_unread(member);
  const std::uint64_t place = entry == sequence_->entries().end() ? sequence_->end() : entry->begin;
  if (place == body.from) return;
  keep_window(body);
  add_sum(member, body);
}

SPATE_DECL void Feed::add_sum(const Subscription& member, GzipBody& body) const noexcept {
  const auto entry = first_unread(member);
  const bool all = entry == sequence_->entries().end();
  const std::uint64_t place = all ? sequence_->end() : entry->begin;
  const std::uint32_t sum = all ? sequence_->end_sum() : entry->sum_before;
  const std::uint64_t size = place - body.from;
  body.sum.crc = shard_->gzip()->compression().shifted(body.sum.crc ^ body.from_sum, size) ^ sum;
  body.sum.size += static_cast<std::uint32_t>(size);
  body.from = place;
  body.from_sum = sum;
}

SPATE_DECL bool Feed::find_place(Subscription& member, const Entry& entry) {
  StreamCore& stream = member.stream();
  GzipBody& body = *stream.gzip();
  if (member.in_step && !stream.has_others()) return true;
  if (body.sharer != &member) {
    if (body.sharer != nullptr) body.sharer->lose_place(body);
    body.sharer = &member;
    body.from = entry.begin;
    body.from_sum = entry.sum_before;
    body.window.reset();
  } else if (body.others > 0) {
    // It was settled when that was queued; nothing is before the beginning of what it has.
    if (body.window) body.window->insert(entry.begin, body.others);
  }
  body.others = 0;
  stream.forget_others();
  if (body.window) body.window->forget_before(entry.key);
  member.in_step =
      body.window ? body.window->since <= entry.key && body.window->insertions.empty() : body.from <= entry.key;
  if (member.in_step) body.window.reset();
  return member.in_step;
}

SPATE_DECL void Feed::rewrite(const Subscription& member, Entries::iterator from) {
  const GzipBody& body = *member.stream().gzip();
  const SequenceWindow fresh{body.from, {}};
  const Framing framing = member.stream().framing();
  rewritten_.clear();
  cuts_.clear();
  for (auto entry = from; entry != sequence_->entries().end(); ++entry) {
    piece_.clear();
    sequence_->write_for(*entry, body.window ? *body.window : fresh, piece_);
    append_framed(rewritten_, piece_, framing);
    cuts_.push_back(rewritten_.size());
  }
}

SPATE_DECL void Feed::give_compressed(Lane& lane, Subscription& member, int& budget) {
  const BroadcastLog& log = lane.log;
  if (member.position.byte == log.end().byte) return;
  StreamCore& stream = member.stream();
  const auto entry = first_unread(member);
  const bool in_step = find_place(member, *entry);
  if (!in_step) rewrite(member, entry);
  std::size_t written = 0;
  if (stream.queue_empty() && !stream.blocked()) {
    asio::const_buffer buffers[ByteTransport::max_buffers];
    std::size_t pieces = 0, size = 0;
    if (in_step) {
      log.read(member.position, [&](const BroadcastLog::Piece& piece) {
        buffers[pieces++] = asio::const_buffer(piece.bytes.data(), piece.bytes.size());
        size += piece.bytes.size();
        return pieces < ByteTransport::max_buffers;
      });
    } else {
      buffers[pieces++] = asio::buffer(rewritten_);
      size = rewritten_.size();
    }
    const std::size_t members = lane.members.size();
    written = stream.write_through(buffers, pieces, size, budget);
    if (lane.members.size() != members) return;  // its stream has ended, and `member` with it
    if (written == size && (!in_step || pieces < ByteTransport::max_buffers)) {
      count(lane, member);
      member.position = log.end();
      return;
    }
  }
  queue_compressed(lane, member, entry, in_step, written);
  stream.mark_dirty();
  if (stream.blocked()) stream.check_limits(log.newest_size());
}

SPATE_DECL void Feed::queue_compressed(Lane& lane, Subscription& member, Entries::iterator from, bool in_step,
                                       std::size_t written) {
  StreamCore& stream = member.stream();
  GzipBody& body = *stream.gzip();
  const std::size_t at = index_of(member) - first_compressed;
  const Framing framing = stream.framing();
  count(lane, member);
  // What has left as a whole is settled with all before it; what follows carries its own sum.
  auto entry = from;
  std::size_t begin = 0;  // of the entry, among the bytes of all that is unread
  const std::uint64_t unread_from = member.position.byte;
  const auto end_of = [&](Entries::iterator each) {
    return in_step ? static_cast<std::size_t>(each->ends[at] - unread_from)
                   : cuts_[static_cast<std::size_t>(each - from)];
  };
  for (; entry != sequence_->entries().end() && end_of(entry) <= written; ++entry) {
    begin = end_of(entry);
    member.position.byte = entry->ends[at];
  }
  settle(member, body);
  keep_window(body);
  const Ref<Block> block = in_step ? nullptr : make_block(std::string_view(rewritten_).substr(begin));
  const std::size_t block_begin = begin;
  BroadcastLog::Position position = member.position;
  lane.log.read(position, [&](const BroadcastLog::Piece& piece) {
    // Each piece of the log holds whole entries.
    const std::uint64_t piece_begin = position.byte;
    for (; entry != sequence_->entries().end() && entry->ends[at] <= piece_begin + piece.bytes.size(); ++entry) {
      const std::size_t end = end_of(entry), skipped = written > begin ? written - begin : 0;
      const std::string_view bytes =
          in_step ? piece.bytes.substr(static_cast<std::size_t>(position.byte - piece_begin), end - begin)
                  : std::string_view(block->data() + (begin - block_begin), end - begin);
      const EncodedEvent& event = entry->event;
      const std::size_t weight = framing == Framing::chunked ? event.chunk().size() : event.bytes().size();
      stream.deliver_shared(
          {bytes.substr(skipped), in_step ? *piece.block : block, static_cast<std::uint32_t>(weight), entry->sum},
          event.has_data() ? 1 : 0);
      position.byte = entry->ends[at];
      begin = end;
    }
    return true;
  });
  member.position = lane.log.end();
  body.from = sequence_->end();
  body.from_sum = sequence_->end_sum();
}

SPATE_DECL void Feed::trim_sequence() noexcept {
  const auto had = [&](std::size_t at) {
    const Lane& lane = lanes_[first_compressed + at];
    return lane.members.empty() || sequence_->entries().front().ends[at] <= lane.given;
  };
  while (!sequence_->entries().empty() && had(0) && had(1)) sequence_->pop_front();
}

SPATE_DECL Rendition::Piece Feed::compressed(ReplayPacker::Piece& piece, Framing framing) {
  PackedChunks& made = piece.compressed[framing == Framing::chunked ? 0 : 1];
  GzipPieces& gzip = *shard_->gzip();
  if (!made.block) {
    piece_.clear();
    std::unique_ptr<Deflater> together;
    std::string text;
    GzipSum sum;
    for (auto event = piece.events.begin(); event != piece.events.end();) {
      // What was broadcast may refer to what was broadcast before it; anything else is for some only.
      text.clear();
      const bool for_everybody = event->for_everybody;
      do {
        text += event->event.bytes();
        ++event;
      } while (for_everybody && event != piece.events.end() && event->for_everybody);
      if (for_everybody) {
        if (!together) together = gzip.compression().make(Compression::Use::once);
        together->restart();
        together->put(text, Deflater::Codes::best, piece_);
      } else {
        gzip.append_short(piece_, text);
      }
      sum.add(gzip.compression(), {gzip.compression().sum(0, text), static_cast<std::uint32_t>(text.size())});
    }
    const Rendition::Piece whole = GzipPieces::framed(piece_, framing, sum);
    made = {whole.block, whole.bytes.size()};
    piece.crc = sum.crc;
    piece.size = sum.size;
  }
  return {made.bytes(), made.block, piece.size, {piece.crc, piece.size}};
}

}  // namespace spate::detail
