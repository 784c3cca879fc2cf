// AccessRecord: what an access log is told about one request and its answer.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <spate/stream/end_reason.hpp>

namespace spate {

/// What is not known is empty: of a connection that was refused before it said anything, all of the request.
struct AccessRecord {
  /// Who has asked: an IP address and a port. Empty and zero over a Unix socket. Behind a proxy it is the proxy.
  std::string remote_address;
  std::uint16_t remote_port = 0;

  /// "HTTP/1.0", "HTTP/1.1" or "HTTP/2".
  std::string protocol;
  std::string method;
  /// As the client has sent it, with its query, in which there may be secrets: `?token=`.
  std::string target;
  /// The pattern of the route that had it: "/sse/subscribe/{user}". Fit to count by, as there are as many as the
  /// program has. Empty where there was none: 404, 400.
  std::string route;
  std::string user_agent;

  /// Of the answer; 200 for a stream. Zero when there was none, as the client left before it, or was cut off.
  int status = 0;
  /// Bytes of its body that were handed to the transport: without the head, and without the framing of chunks, which is
  /// counted for a stream only.
  std::uint64_t body_bytes = 0;
  /// Whether all of the answer was handed to the transport, the end of a stream included.
  bool complete = false;

  /// When the first byte of the request was read, and how long it took from there until the last byte of the answer was
  /// handed to the transport, or the connection was given up.
  std::chrono::system_clock::time_point time;
  std::chrono::microseconds duration{0};

  /// Of an event stream: why it ended. Polls, and streams that were refused, are ordinary answers.
  std::optional<EndReason> stream_end;
  /// Events that were queued for it. One that ended in the middle may not have got the last of them.
  std::uint64_t events = 0;
};

/// Told of each answer, once, when it is over.
using AccessLog = std::function<void(const AccessRecord&)>;

}  // namespace spate
