// Two properties over random input with fixed seeds: what is encoded comes back, and the decoder agrees with a plain
// reading of the standard, wherever the stream is cut.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <spate/wire/decoder.hpp>
#include <spate/wire/detail/utf8.hpp>
#include <spate/wire/encoded_event.hpp>
#include "support/catch.hpp"
#include "support/decoded.hpp"
#include "support/pieces.hpp"

using namespace spate;
using test::decode;
using test::Decoded;
using test::Pieces;

namespace {

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}

  std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine_); }
  bool once_in(std::size_t times) { return below(times) == 0; }

  /// Up to `most` of the given pieces of text in a row.
  std::string text(const std::vector<std::string>& pieces, std::size_t most) {
    std::string result;
    for (std::size_t count = below(most + 1); count > 0; --count) result += pieces[below(pieces.size())];
    return result;
  }

  Pieces cuts(std::string_view bytes) {
    std::vector<std::size_t> at;
    for (std::size_t count = below(5); count > 0 && bytes.size() > 1; --count)
      at.push_back(1 + below(bytes.size() - 1));
    std::sort(at.begin(), at.end());
    at.erase(std::unique(at.begin(), at.end()), at.end());
    return test::cut(bytes, at);
  }

 private:
  std::mt19937 engine_;
};

// What could be mistaken for structure, every control character, and characters of each length.
std::vector<std::string> any_text() {
  std::vector<std::string> pieces = {"data:x\n\n", "\ndata",        "data",   ":",      " ",      "  ",
                                     "id: 9",      "event: forged", "retry:", "\r\n",   "\n\n",   "\r",
                                     "\n",         "\r\r\n",        "a",      "\u0085", "\u00E9", "\u2028",
                                     "\u2029",     "\uFEFF",        "\uFFFD", "\uFFFF", "\u200B", "\U0001F600",
                                     "\U0010FFFF", "\u0301"};
  for (char control = 0; control < 0x20; ++control) pieces.emplace_back(1, control);
  pieces.push_back("\x7F");
  return pieces;
}

std::string without(std::string text, std::string_view forbidden) {
  std::erase_if(text, [&](char c) { return forbidden.find(c) != std::string_view::npos; });
  return text;
}

// Line ends as the standard has them: CRLF, CR and LF are each one, and become LF. (WHATWG 9.2.5, 9.2.6)
std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines(1);
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\r' && at + 1 < text.size() && text[at + 1] == '\n') continue;
    if (text[at] == '\r' || text[at] == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += text[at];
    }
  }
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (std::size_t at = 0; at < lines.size(); ++at) text += (at == 0 ? "" : "\n") + lines[at];
  return text;
}

// WHATWG 9.2.6 in its own order and words: decode the whole stream, split it into lines, interpret each line.
Decoded as_the_standard_says(std::string_view stream) {
  Decoded result;
  std::string decoded = detail::repair_utf8(stream);
  if (decoded.starts_with("\uFEFF")) decoded.erase(0, 3);
  std::vector<std::string> lines = lines_of(decoded);
  lines.pop_back();  // has no end
  std::string data, type, id_buffer;
  std::optional<std::string> own_id;
  std::optional<std::chrono::milliseconds> own_retry;
  for (const std::string& line : lines) {
    if (line.empty()) {
      result.last_event_id = id_buffer;
      if (!data.empty()) {
        data.pop_back();
        result.events.push_back({data, type.empty() ? "message" : type, id_buffer, own_id, own_retry});
      }
      data.clear();
      type.clear();
      own_id.reset();
      own_retry.reset();
      continue;
    }
    const std::size_t colon = line.find(':');
    const std::string field = line.substr(0, colon);
    std::string value = colon == std::string::npos ? "" : line.substr(colon + 1);
    if (!value.empty() && value[0] == ' ') value.erase(0, 1);
    if (colon == 0) {
      result.comments.push_back(value);
    } else if (field == "event") {
      type = value;
    } else if (field == "data") {
      data += value + "\n";
    } else if (field == "id" && value.find('\0') == std::string::npos) {
      id_buffer = value;
      own_id = value;
    } else if (field == "retry" && !value.empty() && value.find_first_not_of("0123456789") == std::string::npos) {
      const bool large = value.size() > 9;
      own_retry = large ? EventDecoder::max_retry : std::chrono::milliseconds(std::stol(value));
      result.reconnection_time = own_retry;
    }
  }
  return result;
}

}  // namespace

TEST_CASE("what is encoded is decoded as exactly one event, wherever the stream is cut", "[wire][round-trip]") {
  const std::vector<std::string> pieces = any_text();
  Random random(20'240'901);
  std::size_t wrong = 0;
  for (int round = 0; round < 400; ++round) {
    const std::string data = random.text(pieces, 12);
    const std::string name = without(random.text(pieces, 4), "\r\n");
    const std::string id = without(random.text(pieces, 4), std::string_view("\r\n\0", 3));
    Event event(data);
    Decoded expected;
    DecodedEvent& only = expected.events.emplace_back();
    only.data = joined(lines_of(data));
    only.name = "message";
    if (random.once_in(2)) {
      event.name(name);
      if (!name.empty()) only.name = name;
    }
    if (random.once_in(2)) {
      event.id(id);
      expected.last_event_id = only.last_event_id = id;
      only.id = id;
    }
    if (random.once_in(3)) {
      const std::chrono::milliseconds retry(random.below(86'400'001));
      event.retry(retry);
      expected.reconnection_time = only.retry = retry;
    }
    if (random.once_in(3)) {
      const std::string comment = random.text(pieces, 6);
      event.comment(comment);
      expected.comments = lines_of(comment);
    }
    const EncodedEvent encoded(event);
    test::for_each_cut(encoded.bytes(), [&](const Pieces& cut) {
      if (const Decoded decoded = decode(cut); !(decoded == expected) && ++wrong == 1) CHECK(decoded == expected);
    });
  }
  CHECK(wrong == 0);
}

TEST_CASE("events in a row come back as so many events", "[wire][round-trip]") {
  const std::vector<std::string> pieces = any_text();
  Random random(7);
  for (int round = 0; round < 50; ++round) {
    std::string stream;
    std::vector<std::string> expected;
    for (std::size_t count = random.below(20); count > 0; --count) {
      const std::string data = random.text(pieces, 8);
      stream += EncodedEvent(Event(data)).bytes();
      expected.push_back(joined(lines_of(data)));
    }
    CHECK(decode(random.cuts(stream)).data() == expected);
  }
}

TEST_CASE("data with invalid UTF-8 that was repaired come back as browsers show them (WHATWG 9.2.5)",
          "[wire][round-trip]") {
  Random random(11);
  for (int round = 0; round < 500; ++round) {
    std::string bytes;
    for (std::size_t count = random.below(24); count > 0; --count) bytes += static_cast<char>(random.below(256));
    const EncodedEvent encoded(Event::repaired(bytes));
    CHECK(decode(encoded.bytes()).data() == std::vector{joined(lines_of(detail::repair_utf8(bytes)))});
  }
}

TEST_CASE("any stream is decoded as the standard reads it, wherever it is cut", "[wire][decoder][property]") {
  std::vector<std::string> pieces = {"data:x\n\n",
                                     "\ndata",
                                     "data",
                                     "data:",
                                     "data: ",
                                     "id",
                                     "id:",
                                     "id: ",
                                     "event",
                                     "event:",
                                     "retry:",
                                     "retry: 15",
                                     "99999999999",
                                     ":",
                                     "::",
                                     " ",
                                     "\n",
                                     "\n",
                                     "\n\n",
                                     "\r",
                                     "\r\n",
                                     "\r\n\r\n",
                                     "x",
                                     "\xEF\xBB\xBF",
                                     "\xEF",
                                     "\xBB",
                                     "\xC3\xA9",
                                     "\xC3",
                                     "\xF0\x9F\x98\x80",
                                     "\xFF"};
  pieces.emplace_back(1, '\0');
  Random random(42);
  std::size_t wrong = 0, dispatched = 0;
  for (int round = 0; round < 5'000; ++round) {
    const std::string stream = random.text(pieces, 30);
    const Decoded expected = as_the_standard_says(stream);
    dispatched += expected.events.size();
    for (int cut = 0; cut < 4; ++cut) {
      if (const Decoded decoded = decode(random.cuts(stream)); !(decoded == expected) && ++wrong == 1) {
        CAPTURE(stream);
        CHECK(decoded == expected);
      }
    }
  }
  CHECK(wrong == 0);
  CHECK(dispatched > 1'000);  // or the input was too wild to show anything
}
