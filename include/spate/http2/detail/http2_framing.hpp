// Http2Framing: the frames of one connection on the server's side: bytes of the client in, what they say out, and back.
// No I/O. It hides nghttp2, which reads and writes frames, compresses heads, and keeps windows and the states of
// streams.
//
//   framing.take(bytes);                  // calls Events
//   framing.put_head(stream, 200, fields, Http2Framing::Body::follows);
//   while (framing.put_frames(out)) ...   // asks Events for bodies
//
// Streams have the numbers of HTTP/2, and each has a channel, a number that its user chooses. One thread at a time. No
// function of Events throws, nor calls `take` or `put_frames`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <nghttp2/nghttp2.h>

#include <spate/config.hpp>
#include <spate/http/header_fields.hpp>

namespace spate::detail {

class Http2Framing {
 public:
  using Stream = std::int32_t;
  using Channel = std::int32_t;
  static constexpr Channel no_channel = -1;
  /// Of what a client says nothing about. (RFC 9218 4.1)
  static constexpr std::uint32_t default_urgency = 3;

  /// What is said of a frame as soon as its first bytes have come.
  struct FrameHead {
    std::uint8_t type;
    std::uint8_t flags;
    std::size_t size;  // of what follows
    Stream stream;
    Channel channel;  // `no_channel` when the stream has none
  };

  /// What is to be sent of a body now.
  struct Piece {
    std::size_t size = 0;
    enum class Then : std::uint8_t { more, later, end } then = Then::later;
  };

  class Events {
   public:
    virtual void on_frame_head(const FrameHead& head) noexcept = 0;
    /// A stream begins. Returns its channel, or `no_channel` when it is refused; nothing more is told of it then.
    virtual Channel on_request(Stream stream) noexcept = 0;
    /// A field of its head, in lower case.
    virtual void on_field(Channel channel, std::string_view name, std::string_view value) noexcept = 0;
    virtual void on_head_end(Channel channel, bool body_follows) noexcept = 0;
    virtual void on_body(Channel channel, std::string_view bytes) noexcept = 0;
    virtual void on_body_end(Channel channel) noexcept = 0;
    /// The answer's last frame has been put.
    virtual void on_answer_end(Channel channel) noexcept = 0;
    /// The stream is over, in peace (`code` is NO_ERROR) or not, by either side.
    virtual void on_stream_end(Channel channel, std::uint32_t code) noexcept = 0;
    /// A stream is being reset because the client has broken a rule.
    virtual void on_fault() noexcept = 0;
    /// Writes at most `size` bytes of the body to `out`.
    virtual Piece on_piece(Channel channel, std::uint8_t* out, std::size_t size) noexcept = 0;

   protected:
    ~Events() = default;
  };

  /// Memory that is another's in between: it is used for the length of a call only.
  struct Scratch {
    char* data = nullptr;
    std::size_t size = 0;
  };

  struct Settings {
    std::uint32_t max_streams = 256;  // told to the client; `on_request` refuses what is beyond
    /// Told to the client; a few times as many, once they are unpacked, end the connection.
    std::uint32_t max_header_bytes = 16384;  // told to the client
    std::size_t window = 1 << 20;            // bytes of bodies that may be on their way on the whole connection
  };

  /// Throws std::bad_alloc.
  Http2Framing(Events& events, const Settings& settings, Scratch scratch);
  Http2Framing(Events& events, const Settings& settings) : Http2Framing(events, settings, Scratch()) {}
  Http2Framing(const Http2Framing&) = delete;
  Http2Framing& operator=(const Http2Framing&) = delete;
  ~Http2Framing();

  /// Takes what the client has sent. Returns false when nothing more can be understood: the connection is to be closed
  /// behind what `put_frames` still puts.
  bool take(std::string_view bytes);

  /// Appends the next frames to `out`, some 16 KiB at most. Returns false when there is nothing to send now. Nothing is
  /// lost when memory is lacking, which throws.
  bool put_frames(std::string& out);

  enum class Body : std::uint8_t { none, follows };

  /// Puts the head of an answer. Names are made lower case, and fields that belong to a connection of HTTP/1 are left
  /// out (RFC 9113 8.2.2). An informational one has no body, and another head follows.
  /// `urgency` is from 0, the most urgent, to 7. (RFC 9218 4.1)
  void put_head(Stream stream, int status, const HeaderFields& fields, Body body,
                std::uint32_t urgency = default_urgency);

  /// Asks the processor for what nghttp2 keeps for a stream, while it does something else.
  void prefetch(Stream stream) const noexcept;

  /// There is something to send of a body: `on_piece` is asked for it, until it says Piece::Then::later. What nghttp2
  /// keeps for a body it keeps only so long, and not for the thousands of streams that have nothing to send.
  void resume(Stream stream, Channel channel);

  /// Ends the stream at once.
  void reset(Stream stream, std::uint32_t code);

  /// The program is done with so many bytes of bodies: the client may send as many more.
  void consume(std::size_t size) { nghttp2_session_consume_connection(session_, size); }

  /// Takes no more streams; those that are open go on.
  void retire();

  /// Ends the connection behind a GOAWAY with `code`.
  void terminate(std::uint32_t code);

  /// Whether nothing is to be read or written any more.
  bool is_over() const noexcept {
    if (broken_) return goodbye_.empty();
    return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
  }

  /// Whether the client has sent all of its request.
  bool is_client_done(Stream stream) const noexcept {
    return nghttp2_session_get_stream_remote_close(session_, stream) != 0;
  }

  /// Whether the client lets this stream, or the whole connection, send nothing.
  bool is_held_back(Stream stream) const noexcept {
    return nghttp2_session_get_stream_remote_window_size(session_, stream) <= 0 ||
           nghttp2_session_get_remote_window_size(session_) <= 0;
  }

 private:
  struct Callbacks;
  struct Memory;

  static constexpr std::size_t preface_size = 24;
  static constexpr std::size_t frame_buffer = 16 * 1024;
  static constexpr std::size_t frame_head_size = 9;

  // RFC 7541 4.1: what a client counts against the limit that it was told.
  static constexpr std::size_t field_overhead = 32;

  FrameHead frame_head() const noexcept;
  void share(Stream stream, std::uint32_t urgency) noexcept;
  bool feed(std::string_view bytes);

  void announce(const Settings& settings);

  static Channel channel_of(void* user_data) noexcept;
  Channel channel_of(Stream stream) const noexcept;

  Events& events_;
  // nghttp2 makes one frame at a time, in a buffer of 16 KiB that it keeps. What is in it has been put before
  // `put_frames` returns, so that all connections of a loop may have the same one.
  const Scratch scratch_;
  bool scratch_lent_ = false;
  nghttp2_session* session_ = nullptr;
  // Where in the client's frames `take` is. nghttp2 is given the head of a frame in one piece: it counts frames of
  // continuation by the pieces in which their heads come.
  std::string head_;
  std::size_t left_ = preface_size;  // of what follows it
  std::string first_;                // the settings, until they are put
  std::string goodbye_;              // the last frame, where nghttp2 is at its end
  bool broken_ = false;              // it is
  const std::size_t max_block_;
  std::size_t block_ = 0;  // bytes of the header block that is being unpacked
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/http2/impl/http2_framing.ipp>
#endif
