// AccessEntry: a record for the access log while it comes about: with a request, then with its answer or its stream.
// Only where there is such a log. Shard only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <asio/ip/tcp.hpp>

#include <spate/config.hpp>
#include <spate/http/request.hpp>
#include <spate/loop/detail/loop.hpp>
#include <spate/loop/detail/report.hpp>
#include <spate/stream/access_record.hpp>

namespace spate::detail {

/// The log, and who is told of what it throws. Entries hold it: a stream may outlive its server.
struct AccessHook {
  AccessLog log;
  OnException on_exception;
};

class AccessEntry final : public std::enable_shared_from_this<AccessEntry> {
 public:
  /// Begins now. `remote` is null over a Unix socket.
  AccessEntry(std::shared_ptr<const AccessHook> hook, const Loop& loop, const asio::ip::tcp::endpoint* remote);

  /// Notes what of `request` is to be told. Of one that has not come whole only the first line can be looked at.
  void set_request(const Request& request);
  void set_first_line(const Request& request);

  /// The transport has taken `size` bytes of a stream whose head may be among them.
  void wrote(std::size_t size) noexcept {
    const std::size_t head = std::min(size, head_left);
    head_left -= head;
    record.body_bytes += size - head;
  }

  /// It is over: tells the log, later in this turn, where nothing is under way that it might get into. `unsent` bytes
  /// of the body that was noted have not been taken.
  void end(Loop& loop, bool complete, std::size_t unsent = 0);

  AccessRecord record;
  std::size_t head_left = 0;  // bytes of a stream's head that are still to be written
  bool whole = false;         // the end of a stream has been written

 private:
  void tell() const noexcept;

  const std::shared_ptr<const AccessHook> hook_;
  const TimePoint began_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/access_entry.ipp>
#endif
