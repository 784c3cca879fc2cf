// DeflateTokens: a piece of deflate with the fixed codes, read into what it says, and DeflateWriter, which writes such
// a piece.
//
// Compressed text is literal bytes, and matches: "so many bytes as stand so far back". What is compressed once for all
// who got the same text before is written anew for those who got something in between: their matches reach further
// back, or cannot be had any more and become literals. No I/O.
//
// RFC 1951: 3.2.5 lengths and distances, 3.2.6 the fixed codes, 3.2.4 stored blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <spate/config.hpp>

namespace spate::detail {

class DeflateTokens {
 public:
  struct Token {
    std::uint16_t length;    // bytes of text
    std::uint16_t distance;  // 0: they are literals
  };

  static constexpr std::size_t max_distance = 32768;
  static constexpr std::size_t min_match = 3, max_match = 258;

  /// Reads `piece`, a whole number of blocks whose text has `size` bytes. Returns false, and has none, when a block has
  /// codes of its own, or the piece is none.
  bool read(std::string_view piece, std::size_t size);

  bool empty() const noexcept { return tokens_.empty(); }
  const std::vector<Token>& all() const noexcept { return tokens_; }

 private:
  void add_literals(std::size_t count);

  std::vector<Token> tokens_;
};

/// Writes one piece: a block of the fixed codes, and the empty stored block that ends it on a whole byte.
class DeflateWriter {
 public:
  /// Begins the piece at the end of `out`. `text_size` and 40 % more are never exceeded.
  explicit DeflateWriter(std::string& out, std::size_t text_size);

  void literals(std::string_view text);
  /// A match of 3 to 258 bytes, 1 to 32,768 bytes back.
  void match(std::size_t length, std::size_t distance);
  /// Ends the piece.
  void end();

 private:
  void put(std::uint32_t bits, unsigned count) noexcept;

  std::string& out_;
  char* at_;
  std::uint64_t bits_ = 0;
  unsigned held_ = 0;  // of them
};

/// `text` as a stored block, which needs no compression: appended to `out`. At most 65,535 bytes. (RFC 1951 3.2.4)
SPATE_DECL void append_stored(std::string& out, std::string_view text);
inline constexpr std::size_t stored_overhead = 5, max_stored = 65535;

/// `text` as a piece of literals alone, which costs hardly more than to copy it. Not stored: some who decode show
/// stored text only when an empty block follows.
SPATE_DECL void append_literals(std::string& out, std::string_view text);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/connection/impl/deflate_tokens.ipp>
#endif
