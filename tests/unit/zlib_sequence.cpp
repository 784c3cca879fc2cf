// What many streams are sent, compressed once, and written anew for those who got something else in between.
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <spate/connection/detail/deflate_tokens.hpp>
#include <spate/registry/detail/broadcast_sequence.hpp>
#include <spate/zlib/gzip.hpp>
#include "support/catch.hpp"
#include "support/inflating.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::detail;
using spate::test::Inflating;
using namespace std::chrono_literals;

namespace {

const Gzip gzip;

/// A piece of its own.
std::string piece_of(std::string_view text, Deflater::Codes codes = Deflater::Codes::fixed) {
  std::string piece;
  gzip.make(Compression::Use::alone)->put(text, codes, piece);
  return piece;
}

std::string text_of(std::string_view piece) {
  return Inflating(Inflating::Format::raw).feed(piece);
}

/// Written anew, from what it was read as.
std::string written(const DeflateTokens& tokens, std::string_view text) {
  std::string out;
  DeflateWriter writer(out, text.size());
  std::size_t at = 0;
  for (const DeflateTokens::Token token : tokens.all()) {
    if (token.distance == 0) {
      writer.literals(text.substr(at, token.length));
    } else {
      writer.match(token.length, token.distance);
    }
    at += token.length;
  }
  writer.end();
  return out;
}

/// What could be an event: words of few, so that there is much to find again.
std::string random_text(std::mt19937& random, std::size_t words) {
  static const std::vector<std::string> vocabulary{"price", "volume", "42", "\"symbol\":", "alice", "bob",
                                                   "{}",    "ö",      "x"};
  std::string text;
  while (words-- > 0)
    text += vocabulary[random() % vocabulary.size()] + (random() % 7 == 0 ? std::to_string(random()) : " ");
  return text;
}

/// One stream: what it got, and what it should have got.
struct Receiver {
  SequenceWindow window;
  Inflating body{Inflating::Format::raw};
  std::string text, expected;
  std::size_t bytes = 0;

  void take(std::string_view piece) {
    bytes += piece.size();
    text += body.feed(piece);
  }
};

}  // namespace

TEST_CASE("a piece with the fixed codes is read, and written again as it was") {
  const std::string text =
      GENERATE(std::string("data: hello, hello, hello\n\n"), std::string("x"), std::string(700, 'a'),
               std::string("\x00\xff\x80\x8f\x90", 5), "data: " + std::string(300, 'b') + "c" + std::string(300, 'b'));
  const std::string piece = piece_of(text);
  DeflateTokens tokens;
  REQUIRE(tokens.read(piece, text.size()));
  CHECK(text_of(written(tokens, text)) == text);
  CHECK(written(tokens, text).size() <= piece.size() + 5);
}

TEST_CASE("every length and every distance is written so that it is read") {
  std::string before;
  std::mt19937 random(1);
  while (before.size() < DeflateTokens::max_distance) before += static_cast<char>(random());
  for (std::size_t length = DeflateTokens::min_match; length <= DeflateTokens::max_match; ++length) {
    for (std::size_t distance :
         std::vector<std::size_t>{1, 2, 3, 4, 5, 257, 4096, 4097, 24577, 32767, 32768, 1 + random() % 32768}) {
      std::string piece;
      append_stored(piece, before);
      DeflateWriter writer(piece, length);
      writer.match(length, distance);
      writer.end();
      std::string expected = before;
      for (std::size_t i = 0; i < length; ++i) expected += expected[expected.size() - distance];
      CAPTURE(length, distance);
      REQUIRE(text_of(piece) == expected);
    }
  }
}

TEST_CASE("what is no piece with the fixed codes is refused") {
  DeflateTokens tokens;
  const std::string text = random_text(*std::make_unique<std::mt19937>(3), 4000);
  const std::string own_codes = piece_of(text, Deflater::Codes::best);
  CHECK_FALSE(tokens.read(own_codes, text.size()));
  CHECK(tokens.empty());
  const std::string piece = piece_of("data: hello, hello\n\n");
  CHECK_FALSE(tokens.read(piece, 5));
  for (std::size_t size = 1; size < piece.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(tokens.read(std::string_view(piece).substr(0, size), 20));
  }
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {  // it ends, and reads nothing that is not there
    std::string bytes(random() % 40, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    tokens.read(bytes, random() % 100);
  }
}

TEST_CASE("a stored piece is text with five bytes before it") {
  std::string out;
  append_stored(out, "hello");
  CHECK(out.size() == 10);
  CHECK(text_of(out) == "hello");
  out.clear();
  append_stored(out, std::string(max_stored, 'x'));
  CHECK(text_of(out) == std::string(max_stored, 'x'));
}

TEST_CASE("a window knows what came in between") {
  SequenceWindow window{100, {}};
  CHECK(window.inserted_before(500) == 0);
  window.insert(200, 30);
  window.insert(200, 5);
  window.insert(400, 7);
  CHECK(window.insertions.size() == 2);
  CHECK(window.inserted_before(199) == 0);
  CHECK(window.inserted_before(200) == 35);
  CHECK(window.inserted_before(400) == 42);
  CHECK(window.stretch_at(100).end == 200);
  CHECK(window.stretch_at(200).end == 400);
  CHECK(window.stretch_at(400).end > 1'000'000);
  window.forget_before(200);
  CHECK(window.since == 200);
  CHECK(window.inserted_before(399) == 0);
  CHECK(window.inserted_before(400) == 7);
}

TEST_CASE("whatever came in between, each receiver reads what it was sent") {
  const unsigned seed = GENERATE(range(1U, 25U));
  CAPTURE(seed);
  std::mt19937 random(seed);
  BroadcastSequence sequence(gzip);
  TimePoint now = TimePoint(1h);
  std::vector<std::unique_ptr<Receiver>> receivers;
  std::size_t shared = 0, rewritten = 0;
  for (int step = 0; step < 400; ++step) {
    if (receivers.empty() || random() % 40 == 0) {
      receivers.push_back(std::make_unique<Receiver>());
      receivers.back()->window.since = sequence.end();
    }
    for (const auto& receiver : receivers) {
      if (random() % 8 != 0) continue;
      // Something of its own, now and then so long that nothing before it can be reached.
      const std::string own = random_text(random, random() % 60 == 0 ? 9000 : random() % 30);
      if (own.empty()) continue;
      receiver->take(piece_of(own));
      receiver->expected += own;
      receiver->window.insert(sequence.end(), own.size());
    }
    now += random() % 90 == 0 ? 10s : 10ms;
    const EncodedEvent event(Event(random_text(random, random() % 50 == 0 ? 900 : random() % 40)));
    BroadcastSequence::Entry& entry = sequence.append(event, now);
    const std::string piece(sequence.piece());
    for (const auto& receiver : receivers) {
      SequenceWindow& window = receiver->window;
      window.forget_before(entry.key);
      std::string own;
      if (window.since <= entry.key && window.insertions.empty() && random() % 4 != 0) {
        own = piece;
        ++shared;
      } else {
        sequence.write_for(entry, window, own);
        ++rewritten;
      }
      receiver->take(own);
      receiver->expected += event.bytes();
    }
    while (sequence.entries().size() > 3) sequence.pop_front();
  }
  for (const auto& receiver : receivers) REQUIRE(receiver->text == receiver->expected);
  CHECK(shared > 0);
  CHECK(rewritten > 0);
}

TEST_CASE("who is in step after a key takes the piece of all, and refers to nothing before") {
  BroadcastSequence sequence(gzip);
  const EncodedEvent event(Event("what everybody is told, again and again"));
  TimePoint now = TimePoint(1h);
  const std::uint64_t first_key = sequence.append(event, now).key;
  std::string out;
  SequenceWindow late{sequence.end(), {}};
  sequence.write_for(sequence.append(event, now), late, out);
  CHECK(out.size() > sequence.piece().size() + 10);  // it has nothing to refer to
  unsigned events = 0;
  while (sequence.append(event, now).key == first_key) REQUIRE(++events < 100);
  Inflating fresh(Inflating::Format::raw);
  CHECK(fresh.feed(sequence.piece()) == event.bytes());
}

TEST_CASE("without anybody who is not in step a sequence goes on, and after a silence it begins anew") {
  BroadcastSequence sequence(gzip);
  const EncodedEvent event(Event("what everybody is told, again and again"));
  TimePoint now = TimePoint(1h);
  const std::uint64_t first_key = sequence.append(event, now).key;
  for (int i = 0; i < 500; ++i) REQUIRE(sequence.append(event, now += 1s).key == first_key);
  CHECK_FALSE(sequence.rest(now));
  CHECK(sequence.append(event, now += 6s).key != first_key);
  CHECK(sequence.rest(now + 6s));
  const BroadcastSequence::Entry& woken = sequence.append(event, now + 7s);
  CHECK(woken.key == woken.begin);
}

TEST_CASE("sums of texts that follow one another are added without the texts") {
  std::mt19937 random(5);
  std::string all;
  GzipSum sum;
  for (int i = 0; i < 50; ++i) {
    const std::string text = random_text(random, random() % 20);
    sum.add(gzip, {gzip.sum(0, text), static_cast<std::uint32_t>(text.size())});
    all += text;
  }
  CHECK(sum.crc == gzip.sum(0, all));
  CHECK(sum.size == all.size());
  CHECK(gzip.shifted(12345, 0) == 12345);
  CHECK(gzip.shifted(12345, (5ULL << 30) + 7) == gzip.shifted(gzip.shifted(12345, 5ULL << 30), 7));
}

TEST_CASE("options of gzip that zlib does not know are refused") {
  CHECK_THROWS_WITH(Gzip(GzipOptions{0, 15}), Catch::Matchers::ContainsSubstring("level must be 1 to 9, not 0"));
  CHECK_THROWS_WITH(Gzip(GzipOptions{6, 16}),
                    Catch::Matchers::ContainsSubstring("window_bits must be 9 to 15, not 16"));
  CHECK_NOTHROW(Gzip(GzipOptions{9, 9}).make(Compression::Use::sequence));
}
