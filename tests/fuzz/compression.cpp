// What many are broadcast, compressed once: two bytes for each step, of three receivers. One gets something of its own,
// misses an event, comes anew, or nothing; then an event is broadcast, which is made of what was broadcast before, now
// and then after a silence. Whatever came in between, each reads what it was sent. (RFC 1951)
#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <spate/registry/detail/broadcast_sequence.hpp>
#include <spate/zlib/zlib_src.hpp>
#include "fuzz/fuzz.hpp"
#include "support/inflating.hpp"

using namespace spate;
using namespace spate::detail;
using test::Inflating;
using test::require;

namespace {

struct Receiver {
  SequenceWindow window;
  std::unique_ptr<Inflating> body = std::make_unique<Inflating>(Inflating::Format::raw);

  void take(std::string_view piece, std::string_view text) {
    require(body->feed(piece) == text, "what was sent is what is read", text);
  }
};

// Words that come again and again, and what the input makes of it.
std::string text_of(unsigned char seed, std::string_view input) {
  static constexpr std::array<std::string_view, 6> words{"price: ",  "volume: 42 ", "{\"user\":\"anna\"}",
                                                         "aaaaaaaa", "\n",          "ö"};
  std::string text;
  for (unsigned rest = seed; rest > 0; rest /= 6) text += words[rest % words.size()];
  if (seed % 5 == 0) text += text + text + text;
  if (seed % 11 == 0) text += std::string(seed * 40U, 'x');
  for (const char c : input.substr(0, seed % 17)) text += static_cast<char>(' ' + static_cast<unsigned char>(c) % 95);
  return text;
}

}  // namespace

void fuzz(std::string_view input) {
  static const Gzip gzip;
  BroadcastSequence sequence(gzip);
  const auto alone = gzip.make(Compression::Use::alone);
  std::array<Receiver, 3> receivers;
  TimePoint now = TimePoint(std::chrono::hours(1));
  std::string piece, own;
  while (input.size() >= 2) {
    const auto what = static_cast<unsigned char>(input[0]), seed = static_cast<unsigned char>(input[1]);
    input.remove_prefix(2);
    Receiver& one = receivers[what % receivers.size()];
    bool misses = false;
    switch (what / 4 % 4) {
      case 0: break;
      case 1:
        own = text_of(what, input);
        piece.clear();
        alone->restart();
        alone->put(own, what % 2 == 0 ? Deflater::Codes::best : Deflater::Codes::fixed, piece);
        one.take(piece, own);
        one.window.insert(sequence.end(), own.size());
        break;
      case 2: misses = true; break;
      default: one = {{sequence.end(), {}}, std::make_unique<Inflating>(Inflating::Format::raw)};
    }
    if (what >= 250) now += std::chrono::seconds(10);
    const EncodedEvent event(Event(text_of(seed, input)));
    BroadcastSequence::Entry& entry = sequence.append(event, now);
    for (Receiver& each : receivers) {
      if (misses && &each == &one) {
        each.window = {sequence.end(), {}};  // nothing before it can be had any more
        continue;
      }
      each.window.forget_before(entry.key);
      if (each.window.since <= entry.key && each.window.insertions.empty()) {
        each.take(sequence.piece(), event.bytes());
      } else {
        own.clear();
        sequence.write_for(entry, each.window, own);
        each.take(own, event.bytes());
      }
    }
    while (sequence.entries().size() > 1) sequence.pop_front();
  }
}
