// Inflating: what a gzip body says, as far as it has come.
//
//   Inflating body;
//   CHECK(body.feed(bytes) == "hello");      // what can be read by now
//   CHECK(body.ended());                     // its sum and its length were right, and nothing follows
#pragma once

#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>

#include <zlib.h>

namespace spate::test {

class Inflating {
 public:
  enum class Format { gzip, raw };

  explicit Inflating(Format format = Format::gzip) {
    constexpr int gzip_only = 16, window = 15;
    if (inflateInit2(&stream_, format == Format::gzip ? gzip_only + window : -window) != Z_OK)
      throw std::runtime_error("inflateInit2");
  }
  Inflating(const Inflating&) = delete;
  Inflating& operator=(const Inflating&) = delete;
  ~Inflating() { inflateEnd(&stream_); }

  /// Throws when the bytes are none of such a body.
  std::string feed(std::string_view bytes) {
    std::string text;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    if (ended_ && !bytes.empty()) throw std::runtime_error("bytes follow the end of a gzip body");
    char out[16 * 1024];
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(out);
      stream_.avail_out = sizeof out;
      const int result = inflate(&stream_, Z_SYNC_FLUSH);
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        throw std::runtime_error(std::string("no gzip body: ") + (stream_.msg == nullptr ? "?" : stream_.msg));
      }
      text.append(out, sizeof out - stream_.avail_out);
      ended_ = result == Z_STREAM_END;
    } while (!ended_ && stream_.avail_out == 0);
    if (ended_ && stream_.avail_in > 0) throw std::runtime_error("bytes follow the end of a gzip body");
    return text;
  }

  /// Whether the end has come, with the right sum and length.
  bool ended() const noexcept { return ended_; }

 private:
  z_stream stream_{};
  bool ended_ = false;
};

/// All of a body that has come as a whole.
inline std::string inflated(std::string_view bytes) {
  Inflating body;
  std::string text = body.feed(bytes);
  if (!body.ended()) throw std::runtime_error("a gzip body does not end");
  return text;
}

}  // namespace spate::test
