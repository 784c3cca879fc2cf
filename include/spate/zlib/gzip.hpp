// Gzip lets a server compress what it answers with, events included.
//
//   #include <spate/zlib/gzip.hpp>            // link to spate::zlib
//
//   spate::ServerOptions options;
//   options.compression = std::make_shared<spate::Gzip>();
//
// Clients that ask for gzip (`Accept-Encoding`) get it. What many streams of a loop are sent is compressed once for all
// of them: those that have got the same before get the same bytes, the others the same with other distances, and none
// has a compressor of its own. Each event can be read as soon as it has come.
//
// Security: text that an attacker chooses and a secret beside it betray the secret by the size of both compressed
// (BREACH). Only broadcasts are compressed together, with what everybody got; an event for one user, a group, or a
// topic refers to nothing but itself, and answers whose text belongs to different audiences are compressed apart.
// Inside one event, or one ordinary answer, a program must keep the two apart itself, or have the route not compressed:
// `RouteOptions::compress`. Who came in the middle gets the broadcasts that follow in bytes whose size says, for a
// while, how much of them was broadcast before they came.
//
// Threads and lifetime: may be shared by several servers and hosts, which hold it. (RFC 1951, RFC 1952, RFC 9110 8.4)
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include <spate/config.hpp>
#include <spate/connection/detail/compression.hpp>

namespace spate {

/// How much work and memory compression may take.
struct GzipOptions {
  /// How hard is looked for what repeats, from 1 to 9. Costs time once for what many get. What is long, and for few (a
  /// replay, a page), is looked through no harder than 2, so that who asks for much does not take the loop's time.
  int level = 6;
  /// The memory that an emitter takes for what it broadcasts, on each loop that has compressed streams of it: from 9,
  /// some 16 KiB, to 15, some 270 KiB, as zlib's `windowBits` does; it looks back so many bytes as a power of two.
  int window_bits = 15;
};

class Gzip final : public detail::Compression {
 public:
  /// Throws std::invalid_argument when an option is out of its range.
  explicit Gzip(GzipOptions options = {});

  const GzipOptions& options() const noexcept { return options_; }

  // ---- for the server ----

  SPATE_DECL std::unique_ptr<detail::Deflater> make(Use use) const override;
  SPATE_DECL std::uint32_t sum(std::uint32_t before, std::string_view text) const noexcept override;
  SPATE_DECL std::uint32_t shifted(std::uint32_t sum, std::uint64_t size) const noexcept override;

 private:
  const GzipOptions options_;
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/zlib/impl/gzip.ipp>
#endif
