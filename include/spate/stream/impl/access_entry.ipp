// The functions of access_entry.hpp.
#pragma once

#include <chrono>
#include <exception>
#include <string>
#include <utility>

#include <spate/config.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/stream/detail/access_entry.hpp>

namespace spate::detail {

SPATE_DECL AccessEntry::AccessEntry(std::shared_ptr<const AccessHook> hook, const Loop& loop,
                                    const asio::ip::tcp::endpoint* remote)
    : hook_(std::move(hook)), began_(loop.now()) {
  record.time = std::chrono::time_point_cast<std::chrono::system_clock::duration>(loop.wall_now());
  if (remote == nullptr) return;
  record.remote_address = remote->address().to_string();
  record.remote_port = remote->port();
}

SPATE_DECL void AccessEntry::set_first_line(const Request& request) {
  if (request.method().empty()) return;
  record.method = request.method();
  record.target = request.target();
  record.protocol = request.version_major() == 2 ? "HTTP/2" : "HTTP/1." + std::to_string(request.version_minor());
}

SPATE_DECL void AccessEntry::set_request(const Request& request) {
  set_first_line(request);
  record.user_agent = request.header("user-agent").value_or("");
}

SPATE_DECL void AccessEntry::end(Loop& loop, bool complete, std::size_t unsent) {
  record.complete = complete;
  record.body_bytes -= std::min<std::uint64_t>(record.body_bytes, unsent);
  record.duration = std::chrono::duration_cast<std::chrono::microseconds>(loop.now() - began_);
  bool goes_on = false;
  insist([&] { goes_on = loop.run([self = shared_from_this()] { self->tell(); }); });
  if (!goes_on) tell();  // the loop stops, and takes nothing more
}

SPATE_DECL void AccessEntry::tell() const noexcept {
  try {
    hook_->log(record);
  } catch (...) {
    report(hook_->on_exception, std::current_exception());
  }
}

}  // namespace spate::detail
