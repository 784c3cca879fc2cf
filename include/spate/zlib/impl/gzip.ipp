// The functions of gzip.hpp, and the compressor that it makes.
#pragma once

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>
#include <string>

#include <zlib.h>

#include <spate/config.hpp>
#include <spate/zlib/gzip.hpp>

namespace spate {

namespace detail {

/// A raw deflate stream of zlib's.
class ZlibDeflater final : public Deflater {
 public:
  ZlibDeflater(int level, int window_bits, int memory_level) {
    if (deflateInit2(&stream_, level, Z_DEFLATED, -window_bits, memory_level, Z_DEFAULT_STRATEGY) != Z_OK)
      throw std::bad_alloc();
    level_ = level;
  }
  ~ZlibDeflater() override { deflateEnd(&stream_); }

  SPATE_DECL void restart() override;
  SPATE_DECL void put(std::string_view text, Codes codes, std::string& out) override;

 private:
  void run(int flush, std::string& out);

  z_stream stream_{};
  int level_ = 0;
  Codes codes_ = Codes::best;
};

SPATE_DECL void ZlibDeflater::restart() {
  deflateReset(&stream_);
}

SPATE_DECL void ZlibDeflater::put(std::string_view text, Codes codes, std::string& out) {
  if (codes != codes_) {
    // Everything that it was given has been flushed, so that nothing is written; but it asks for room.
    Bytef room[16];
    stream_.next_out = room;
    stream_.avail_out = sizeof room;
    if (deflateParams(&stream_, level_, codes == Codes::fixed ? Z_FIXED : Z_DEFAULT_STRATEGY) != Z_OK)
      throw std::bad_alloc();
    codes_ = codes;
  }
  constexpr std::size_t most = std::numeric_limits<uInt>::max() / 2;
  do {
    const std::string_view part = text.substr(0, most);
    text.remove_prefix(part.size());
    // zlib does not change what it reads, but says so only where ZLIB_CONST is defined.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(part.data()));
    stream_.avail_in = static_cast<uInt>(part.size());
    run(text.empty() ? Z_SYNC_FLUSH : Z_NO_FLUSH, out);
  } while (!text.empty());
}

// Into room that grows, until there is some left: then everything has been written.
SPATE_DECL void ZlibDeflater::run(int flush, std::string& out) {
  std::size_t size = out.size();
  do {
    const std::size_t room = std::max<std::size_t>(256, stream_.avail_in / 2 + 64);
    out.resize(size + room);
    stream_.next_out = reinterpret_cast<Bytef*>(out.data() + size);
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(room, std::numeric_limits<uInt>::max()));
    const uInt given = stream_.avail_out;
    const int result = deflate(&stream_, flush);
    size += given - stream_.avail_out;
    if (result != Z_OK && result != Z_BUF_ERROR) throw std::bad_alloc();
  } while (stream_.avail_out == 0 || stream_.avail_in > 0);
  out.resize(size);
}

}  // namespace detail

SPATE_DECL Gzip::Gzip(GzipOptions options) : options_(options) {
  const auto check = [](const char* name, int value, int least, int most) {
    if (value >= least && value <= most) return;
    throw std::invalid_argument("spate::GzipOptions: " + std::string(name) + " must be " + std::to_string(least) +
                                " to " + std::to_string(most) + ", not " + std::to_string(value));
  };
  check("level", options.level, 1, 9);
  check("window_bits", options.window_bits, 9, 15);
}

SPATE_DECL std::unique_ptr<detail::Deflater> Gzip::make(Use use) const {
  constexpr int least_memory = 4, quick_level = 2;
  if (use == Use::alone) return std::make_unique<detail::ZlibDeflater>(options_.level, 12, least_memory);
  // As much for its table as for its window; and room for each byte of the longest event with fixed codes, of which
  // zlib before 1.2.12 could write too many.
  const int memory_level = std::clamp(options_.window_bits - 7, 5, 8);
  const int level = use == Use::once ? std::min(options_.level, quick_level) : options_.level;
  return std::make_unique<detail::ZlibDeflater>(level, options_.window_bits, memory_level);
}

SPATE_DECL std::uint32_t Gzip::sum(std::uint32_t before, std::string_view text) const noexcept {
  return static_cast<std::uint32_t>(crc32_z(before, reinterpret_cast<const Bytef*>(text.data()), text.size()));
}

SPATE_DECL std::uint32_t Gzip::shifted(std::uint32_t sum, std::uint64_t size) const noexcept {
  uLong shifted = sum;
  constexpr std::uint64_t most = 1U << 30;  // where its type of a length has 32 bits
  for (; size > most; size -= most) shifted = crc32_combine(shifted, 0, static_cast<z_off_t>(most));
  return static_cast<std::uint32_t>(crc32_combine(shifted, 0, static_cast<z_off_t>(size)));
}

}  // namespace spate
