// Inflater: reads what was compressed, as a client does.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include <zlib.h>

namespace bench {

class Inflater {
 public:
  enum class Format { gzip, raw };

  explicit Inflater(Format format) {
    constexpr int gzip_only = 16, window = 15;
    if (inflateInit2(&stream_, format == Format::gzip ? gzip_only + window : -window) != Z_OK)
      throw std::runtime_error("inflateInit2");
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() { inflateEnd(&stream_); }

  /// Appends to `text` what can be read by now. Throws when the bytes are no such body.
  void feed(std::string_view bytes, std::string& text) {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    char out[16 * 1024];
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(out);
      stream_.avail_out = sizeof out;
      const int result = inflate(&stream_, Z_SYNC_FLUSH);
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        throw std::runtime_error(std::string("cannot be decoded: ") + (stream_.msg == nullptr ? "?" : stream_.msg));
      text.append(out, sizeof out - stream_.avail_out);
    } while (stream_.avail_out == 0);
  }

  /// Throws unless `bytes` are read as `text` at once.
  void expect(std::string_view bytes, std::string_view text) {
    std::string read;
    feed(bytes, read);
    if (read != text) throw std::runtime_error("decoded to something else");
  }

 private:
  z_stream stream_{};
};

}  // namespace bench
