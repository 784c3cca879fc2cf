// `compression bytes`: how many bytes an event becomes, and how long it takes to make them once, without sockets. Each
// piece is decoded again, as its receiver would, and compared.
#pragma once

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <zlib.h>

#include <spate/connection/detail/gzip_pieces.hpp>
#include <spate/registry/detail/broadcast_sequence.hpp>
#include <spate/wire/encoded_event.hpp>
#include <spate/zlib/gzip.hpp>
#include "compression_parts/inflater.hpp"
#include "compression_parts/samples.hpp"

namespace bench {

inline spate::EncodedEvent encoded(const Samples& samples, const std::string& data, std::size_t number) {
  const spate::Event event = samples.event(data);
  return spate::EventEncoder(event).finish("1764300000000-" + std::to_string(number));
}

/// What one way of compressing came to.
struct Outcome {
  double bytes = 0;         // for each event
  double microseconds = 0;  // to make them, once
  double raw = 0;           // what they were
};

/// Processor time of this thread, without what asking for it takes.
class Stopwatch {
 public:
  template <typename Function>
  void time(Function function) {
    const double begun = now();
    function();
    spent_ += now() - begun;
    ++times_;
  }
  double microseconds() const { return std::max(0.0, spent_ - static_cast<double>(times_) * of_asking()); }

 private:
  static double now() {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
  }
  static double of_asking() {
    static const double cost = [] {
      constexpr int times = 20'000;
      const double begun = now();
      for (int i = 0; i < times; ++i) now();
      return (now() - begun) / times;
    }();
    return cost;
  }

  double spent_ = 0;
  std::size_t times_ = 0;
};

/// One zlib state that begins anew before each event whose number `every` divides.
inline Outcome with_zlib(const std::vector<spate::EncodedEvent>& events, std::size_t every) {
  z_stream deflater{};
  if (deflateInit2(&deflater, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
  Inflater inflater(Inflater::Format::raw);
  Stopwatch watch;
  Outcome outcome;
  std::string out;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::string_view text = events[i].bytes();
    out.resize(text.size() * 2 + 64);
    watch.time([&] {
      if (i % every == 0) deflateReset(&deflater);
      deflater.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
      deflater.avail_in = static_cast<uInt>(text.size());
      deflater.next_out = reinterpret_cast<Bytef*>(out.data());
      deflater.avail_out = static_cast<uInt>(out.size());
      deflate(&deflater, Z_SYNC_FLUSH);
    });
    out.resize(out.size() - deflater.avail_out);
    inflater.expect(out, text);
    outcome.bytes += static_cast<double>(out.size());
    outcome.raw += static_cast<double>(text.size());
  }
  deflateEnd(&deflater);
  const auto count = static_cast<double>(events.size());
  return {outcome.bytes / count, watch.microseconds() / count, outcome.raw / count};
}

/// A stream beside the sequence of its loop.
class Receiver {
 public:
  explicit Receiver(std::uint64_t since) : window_{since, {}} {}

  void take_private(const spate::EncodedEvent& event, std::string_view piece, std::uint64_t at) {
    take(piece, event.bytes());
    window_.insert(at, event.bytes().size());
  }

  /// Whether it took the piece as all do.
  bool take_broadcast(spate::detail::BroadcastSequence& sequence, spate::detail::BroadcastSequence::Entry& entry) {
    window_.forget_before(entry.key);
    const bool in_step = window_.since <= entry.key && window_.insertions.empty();
    std::string own;
    if (!in_step) watch_.time([&] { sequence.write_for(entry, window_, own); });
    if (!in_step) ++rewritten_;
    take(in_step ? sequence.piece() : own, entry.event.bytes());
    return in_step;
  }

  Outcome outcome() const {
    const double count = events_;
    return {bytes_ / count, rewritten_ == 0 ? 0 : watch_.microseconds() / static_cast<double>(rewritten_),
            raw_ / count};
  }

 private:
  void take(std::string_view piece, std::string_view text) {
    inflater_.expect(piece, text);
    bytes_ += static_cast<double>(piece.size());
    raw_ += static_cast<double>(text.size());
    ++events_;
  }

  spate::detail::SequenceWindow window_;
  Inflater inflater_{Inflater::Format::raw};
  Stopwatch watch_;
  std::size_t rewritten_ = 0;
  double bytes_ = 0, raw_ = 0, events_ = 0;
};

/// The sequence of a loop, and one stream of it that gets `own` events of its own before each broadcast, on average.
class Sequence {
 public:
  explicit Sequence(std::shared_ptr<const spate::Gzip> gzip) : gzip_(gzip), sequence_(*gzip), pieces_(gzip) {}

  /// Broadcasts `event`; somebody who is never in step reads it as well if there is to be a key now and then.
  spate::detail::BroadcastSequence::Entry& broadcast(const spate::EncodedEvent& event, bool keys) {
    using namespace std::chrono_literals;
    spate::detail::BroadcastSequence::Entry* entry = nullptr;
    watch_.time([&] { entry = &sequence_.append(event, now_ += 10ms); });
    ++appended_;
    if (keys) {
      std::string unread;
      sequence_.write_for(*entry, {entry->begin, {}}, unread);
    }
    while (sequence_.entries().size() > 1) sequence_.pop_front();
    return *entry;
  }

  std::string private_piece(const spate::EncodedEvent& event) {
    return std::string(pieces_.of(event, spate::detail::Framing::plain).bytes);
  }

  spate::detail::BroadcastSequence& sequence() { return sequence_; }
  /// To append an event, on average.
  double microseconds() const { return watch_.microseconds() / static_cast<double>(appended_); }

 private:
  const std::shared_ptr<const spate::Gzip> gzip_;
  spate::detail::BroadcastSequence sequence_;
  spate::detail::GzipPieces pieces_;
  spate::detail::TimePoint now_ = spate::detail::TimePoint(std::chrono::hours(1));
  Stopwatch watch_;
  std::size_t appended_ = 0;
};

/// A stream that gets everything from the beginning on. With `keys` the sequence begins anew at times, for others.
inline Outcome in_step(const std::vector<spate::EncodedEvent>& events, bool keys) {
  Sequence loop(std::make_shared<spate::Gzip>());
  Receiver receiver(0);
  for (const spate::EncodedEvent& event : events) receiver.take_broadcast(loop.sequence(), loop.broadcast(event, keys));
  Outcome outcome = receiver.outcome();
  outcome.microseconds = loop.microseconds();
  return outcome;
}

/// A stream of whose events one in `one_in` is its own.
inline Outcome with_private(const std::vector<spate::EncodedEvent>& events, std::size_t one_in) {
  Sequence loop(std::make_shared<spate::Gzip>());
  Receiver receiver(0);
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (i % one_in == one_in / 2) {
      receiver.take_private(events[i], loop.private_piece(events[i]), loop.sequence().end());
    } else {
      receiver.take_broadcast(loop.sequence(), loop.broadcast(events[i], false));
    }
  }
  return receiver.outcome();
}

/// Streams that come in the middle between two keys, until they are in step.
inline Outcome newcomers(const std::vector<spate::EncodedEvent>& events) {
  Sequence loop(std::make_shared<spate::Gzip>());
  constexpr std::size_t middle = 32;
  std::unique_ptr<Receiver> newcomer;
  Outcome sum;
  std::size_t came = 0, since_key = 0;
  std::uint64_t key = 0;
  for (const spate::EncodedEvent& event : events) {
    auto& entry = loop.broadcast(event, true);
    if (entry.key != key) since_key = 0;
    key = entry.key;
    if (++since_key == middle) newcomer = std::make_unique<Receiver>(entry.begin);
    if (!newcomer || !newcomer->take_broadcast(loop.sequence(), entry)) continue;
    const Outcome outcome = newcomer->outcome();
    newcomer.reset();
    sum = {sum.bytes + outcome.bytes, sum.microseconds + outcome.microseconds, sum.raw + outcome.raw};
    ++came;
  }
  const auto count = static_cast<double>(came);
  return {sum.bytes / count, sum.microseconds / count, sum.raw / count};
}

/// Returns whether what must hold does.
inline bool print_bytes(std::size_t count) {
  bool held = true;
  const auto bar = [&](const char* what, double value, double most) {
    std::printf("    %-52s %5.2f, at most %.2f: %s\n", what, value, most, value <= most ? "holds" : "MISSED");
    held = held && value <= most;
  };
  for (const Kind kind : all_kinds) {
    Samples samples(kind);
    std::vector<spate::EncodedEvent> events;
    for (std::size_t i = 1; i <= count; ++i) events.push_back(encoded(samples, samples.next(), i));
    const auto row = [&](const char* what, const Outcome& outcome) {
      std::printf("  %-44s %6.1f bytes  %4.2f of raw  %6.2f us\n", what, outcome.bytes, outcome.bytes / outcome.raw,
                  outcome.microseconds);
      return outcome;
    };
    const Outcome classic = with_zlib(events, events.size());
    std::printf("%s, %.0f bytes\n", name_of(kind), classic.raw);
    row("one zlib state for each stream", classic);
    row("zlib, each event by itself", with_zlib(events, 1));
    const Outcome every_64 = row("zlib, begun anew every 64", with_zlib(events, 64));
    const Outcome keys = row("Spate, in step, a key every 64", in_step(events, true));
    const Outcome all_in_step = row("Spate, in step, everybody is", in_step(events, false));
    row("Spate, came in the middle, until in step", newcomers(events));
    row("Spate, a tenth is private", with_private(events, 10));
    const Outcome half = row("Spate, half is private", with_private(events, 2));
    bar("in step, a key every 64, to zlib every 64", keys.bytes / every_64.bytes, 1.1);
    bar("in step, everybody is, to zlib every 64", all_in_step.bytes / every_64.bytes, 1.1);
    bar("half private, to raw", half.bytes / half.raw, 0.75);
  }
  return held;
}

}  // namespace bench
