// The functions of deflate_tokens.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include <spate/config.hpp>
#include <spate/connection/detail/deflate_tokens.hpp>

namespace spate::detail {

/// The tables of RFC 1951 3.2.5 and 3.2.6. Codes stand as they are sent: the first bit lowest.
struct DeflateTables {
  static constexpr unsigned symbols = 288, distances = 30, end_of_block = 256, first_length = 257;

  struct Code {
    std::uint16_t bits = 0;
    std::uint8_t count = 0;
  };
  struct Decoded {
    std::uint16_t symbol = 0;
    std::uint8_t count = 0;
  };

  std::array<Code, symbols> codes{};
  std::array<Decoded, 512> decoded{};             // by the next nine bits
  std::array<std::uint8_t, 259> length_symbol{};  // by the length; less 257
  std::array<std::uint16_t, 29> length_base{};
  std::array<std::uint8_t, 29> length_extra{};
  std::array<std::uint16_t, distances> distance_base{};  // less one, so that it fits
  std::array<std::uint8_t, distances> distance_extra{};
  std::array<std::uint8_t, 32> distance_code{};  // of five bits, reversed

  static constexpr unsigned reversed(unsigned value, unsigned count) noexcept {
    unsigned result = 0;
    for (unsigned i = 0; i < count; ++i) result |= (value >> i & 1U) << (count - 1 - i);
    return result;
  }

  constexpr DeflateTables() noexcept {
    for (unsigned symbol = 0; symbol < symbols; ++symbol) {
      // 0-143: 8 bits from 00110000; 144-255: 9 from 110010000; 256-279: 7 from 0000000; 280-287: 8 from 11000000
      unsigned code = 0, count = 8;
      if (symbol < 144) {
        code = 0x30 + symbol;
      } else if (symbol < 256) {
        code = 0x190 + symbol - 144;
        count = 9;
      } else if (symbol < 280) {
        code = symbol - 256;
        count = 7;
      } else {
        code = 0xC0 + symbol - 280;
      }
      const unsigned bits = reversed(code, count);
      codes[symbol] = {static_cast<std::uint16_t>(bits), static_cast<std::uint8_t>(count)};
      for (unsigned rest = 0; rest < 1U << (9 - count); ++rest) {
        decoded[bits | rest << count] = {static_cast<std::uint16_t>(symbol), static_cast<std::uint8_t>(count)};
      }
    }
    unsigned base = 3;
    for (unsigned symbol = 0; symbol < 28; ++symbol) {
      const unsigned extra = symbol < 8 ? 0 : symbol / 4 - 1;
      length_base[symbol] = static_cast<std::uint16_t>(base);
      length_extra[symbol] = static_cast<std::uint8_t>(extra);
      for (unsigned length = base; length < base + (1U << extra) && length < 258; ++length)
        length_symbol[length] = static_cast<std::uint8_t>(symbol);
      base += 1U << extra;
    }
    length_base[28] = 258;
    length_symbol[258] = 28;
    base = 0;
    for (unsigned symbol = 0; symbol < distances; ++symbol) {
      const unsigned extra = symbol < 4 ? 0 : symbol / 2 - 1;
      distance_base[symbol] = static_cast<std::uint16_t>(base);
      distance_extra[symbol] = static_cast<std::uint8_t>(extra);
      base += 1U << extra;
    }
    for (unsigned code = 0; code < 32; ++code) distance_code[code] = static_cast<std::uint8_t>(reversed(code, 5));
  }
};

inline constexpr DeflateTables deflate_tables;

/// Bits, the first one lowest in its byte. (RFC 1951 3.1.1)
class DeflateBits {
 public:
  explicit DeflateBits(std::string_view bytes) noexcept : bytes_(bytes) {}

  bool done() const noexcept { return at_ == bytes_.size() && held_ == 0; }
  /// The next `count` bits, at most 16, without taking them; zeros follow the last one.
  unsigned peek(unsigned count) noexcept {
    while (held_ < count && at_ < bytes_.size()) {
      bits_ |= std::uint32_t{static_cast<unsigned char>(bytes_[at_++])} << held_;
      held_ += 8;
    }
    return bits_ & ((1U << count) - 1U);
  }
  /// Takes them; false when there are not so many.
  bool skip(unsigned count) noexcept {
    peek(count);
    if (held_ < count) return false;
    bits_ >>= count;
    held_ -= count;
    return true;
  }
  bool take(unsigned count, unsigned& value) noexcept {
    value = peek(count);
    return skip(count);
  }
  /// Goes to the next whole byte.
  void align() noexcept {
    bits_ >>= held_ % 8;
    held_ -= held_ % 8;
  }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
  std::uint32_t bits_ = 0;
  unsigned held_ = 0;
};

SPATE_DECL void DeflateTokens::add_literals(std::size_t count) {
  constexpr std::size_t most = 0xffff;
  if (count > 0 && !tokens_.empty() && tokens_.back().distance == 0 && tokens_.back().length + count <= most) {
    tokens_.back().length = static_cast<std::uint16_t>(tokens_.back().length + count);
    return;
  }
  for (; count > 0; count -= std::min(count, most))
    tokens_.push_back({static_cast<std::uint16_t>(std::min(count, most)), 0});
}

SPATE_DECL bool DeflateTokens::read(std::string_view piece, std::size_t size) {
  const DeflateTables& tables = deflate_tables;
  tokens_.clear();
  DeflateBits bits(piece);
  std::size_t text = 0;
  const auto refuse = [&] {
    tokens_.clear();
    return false;
  };
  while (!bits.done()) {
    unsigned last = 0, type = 0, value = 0;
    if (!bits.take(1, last) || !bits.take(2, type) || last != 0 || type > 1) return refuse();
    if (type == 0) {
      bits.align();
      unsigned length = 0, inverted = 0;
      if (!bits.take(16, length) || !bits.take(16, inverted) || (length ^ inverted) != 0xffff) return refuse();
      for (unsigned i = 0; i < length; ++i) {
        if (!bits.skip(8)) return refuse();
      }
      add_literals(length);
      text += length;
      continue;
    }
    for (;;) {
      const DeflateTables::Decoded next = tables.decoded[bits.peek(9)];
      if (!bits.skip(next.count)) return refuse();
      if (next.symbol == DeflateTables::end_of_block) break;
      if (next.symbol < DeflateTables::end_of_block) {
        add_literals(1);
        ++text;
        continue;
      }
      const unsigned length_symbol = next.symbol - DeflateTables::first_length;
      if (length_symbol >= tables.length_base.size()) return refuse();
      if (!bits.take(tables.length_extra[length_symbol], value)) return refuse();
      const unsigned length = tables.length_base[length_symbol] + value;
      if (!bits.take(5, value)) return refuse();
      const unsigned distance_symbol = DeflateTables::reversed(value, 5);
      if (distance_symbol >= DeflateTables::distances) return refuse();
      if (!bits.take(tables.distance_extra[distance_symbol], value)) return refuse();
      const unsigned distance = tables.distance_base[distance_symbol] + value + 1U;
      tokens_.push_back({static_cast<std::uint16_t>(length), static_cast<std::uint16_t>(distance)});
      text += length;
    }
  }
  return text == size || refuse();
}

// A literal takes nine bits at the most, and a match never more than its literals would: with the block around them.
SPATE_DECL DeflateWriter::DeflateWriter(std::string& out, std::size_t text_size) : out_(out) {
  const std::size_t before = out.size();
  out.resize(before + text_size + text_size * 2 / 5 + 24);
  at_ = out.data() + before;
  put(0b010, 3);  // not the last block; the fixed codes
}

// At most 31 bits were held before, and four whole bytes leave at once.
SPATE_DECL void DeflateWriter::put(std::uint32_t bits, unsigned count) noexcept {
  bits_ |= std::uint64_t{bits} << held_;
  held_ += count;
  if (held_ < 32) return;
  for (unsigned i = 0; i < 4; ++i) at_[i] = static_cast<char>(bits_ >> (8 * i) & 0xff);
  at_ += 4;
  bits_ >>= 32;
  held_ -= 32;
}

SPATE_DECL void DeflateWriter::literals(std::string_view text) {
  const auto code_of = [](char c) { return deflate_tables.codes[static_cast<unsigned char>(c)]; };
  for (; text.size() >= 2; text.remove_prefix(2)) {
    const DeflateTables::Code first = code_of(text[0]), second = code_of(text[1]);
    put(first.bits | std::uint32_t{second.bits} << first.count, first.count + second.count);
  }
  if (!text.empty()) put(code_of(text[0]).bits, code_of(text[0]).count);
}

SPATE_DECL void DeflateWriter::match(std::size_t length, std::size_t distance) {
  const DeflateTables& tables = deflate_tables;
  const unsigned symbol = tables.length_symbol[length];
  const DeflateTables::Code code = tables.codes[DeflateTables::first_length + symbol];
  put(code.bits | static_cast<std::uint32_t>(length - tables.length_base[symbol]) << code.count,
      code.count + tables.length_extra[symbol]);
  // From 4 on, two symbols share each highest bit.
  const auto back = static_cast<std::uint32_t>(distance - 1);
  unsigned reach = back;
  if (back >= 4) {
    const auto highest = static_cast<unsigned>(std::bit_width(back)) - 1;
    reach = 2 * highest + (back >> (highest - 1) & 1);
  }
  put(tables.distance_code[reach] | (back - tables.distance_base[reach]) << 5, 5U + tables.distance_extra[reach]);
}

SPATE_DECL void DeflateWriter::end() {
  const DeflateTables::Code code = deflate_tables.codes[DeflateTables::end_of_block];
  put(code.bits, code.count + 3U);  // and an empty stored block
  for (unsigned left = (held_ + 7) / 8; left > 0; --left, bits_ >>= 8) *at_++ = static_cast<char>(bits_ & 0xff);
  held_ = 0;
  static constexpr char sizes[] = {'\0', '\0', '\xff', '\xff'};
  at_ = std::copy(sizes, sizes + sizeof sizes, at_);
  out_.resize(static_cast<std::size_t>(at_ - out_.data()));
}

SPATE_DECL void append_stored(std::string& out, std::string_view text) {
  const auto size = static_cast<unsigned>(text.size());
  const char head[stored_overhead] = {0, static_cast<char>(size & 0xff), static_cast<char>(size >> 8 & 0xff),
                                      static_cast<char>(~size & 0xff), static_cast<char>(~size >> 8 & 0xff)};
  out.append(head, sizeof head).append(text);
}

SPATE_DECL void append_literals(std::string& out, std::string_view text) {
  DeflateWriter writer(out, text.size());
  writer.literals(text);
  writer.end();
}

}  // namespace spate::detail
