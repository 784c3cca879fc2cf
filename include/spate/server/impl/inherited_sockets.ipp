// The functions of inherited_sockets.hpp.
#pragma once

#if !defined(_WIN32)
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#endif

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include <spate/config.hpp>
#include <spate/loop/detail/socket_protocol.hpp>
#include <spate/server/inherited_sockets.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate {
namespace detail {

#if !defined(_WIN32)

inline constexpr int first_inherited = 3;  // SD_LISTEN_FDS_START

[[noreturn]] inline void refuse_inherited(std::errc code, const std::string& why) {
  throw std::system_error(std::make_error_code(code), "spate::Server: cannot adopt what it was passed: " + why);
}

// A variable whose value is a number; nothing when it is not set.
inline std::optional<long> number_in_environment(const char* name) {
  const char* const set = std::getenv(name);
  if (set == nullptr) return std::nullopt;
  const std::string_view text(set);
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    refuse_inherited(std::errc::invalid_argument, std::string(name) + " is " + quote(text) + ", which is no number");
  }
  return value;
}

// One name for each of `count`, separated by colons; no names when they are not set.
inline std::vector<std::string> inherited_names(std::size_t count) {
  const char* const set = std::getenv("LISTEN_FDNAMES");
  if (set == nullptr) return {};
  std::vector<std::string> names(1);
  for (const char c : std::string_view(set)) c == ':' ? names.emplace_back() : names.back() += c;
  if (names.size() != count) {
    refuse_inherited(std::errc::invalid_argument,
                     "LISTEN_FDNAMES is " + quote(set) + ", which has not " + std::to_string(count) + " names");
  }
  return names;
}

inline std::string unix_address_text(const SocketProtocol::endpoint& endpoint) {
  constexpr std::size_t offset = offsetof(sockaddr_un, sun_path);
  const char* const bytes = reinterpret_cast<const char*>(endpoint.data()) + offset;
  std::string_view path(bytes, endpoint.size() > offset ? endpoint.size() - offset : 0);
  // A name in the abstract namespace begins with NUL and may have more of them; a path ends at the first. (unix(7))
  const bool is_abstract = !path.empty() && path.front() == '\0';
  path = is_abstract ? path.substr(1) : path.substr(0, path.find('\0'));
  std::string text = is_abstract ? "unix:@" : "unix:";
  constexpr char hex[] = "0123456789abcdef";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7F && byte != '\\') {
      text += c;
      continue;
    }
    text += "\\x";
    text += hex[byte >> 4];
    text += hex[byte & 15];
  }
  return text;
}

// Looks at a descriptor without changing it.
inline InheritedSocket look_at_inherited(int descriptor, std::string name) {
  const std::string which = "descriptor " + std::to_string(descriptor) + (name.empty() ? "" : ", " + quote(name) + ",");
  const auto option = [&](int wanted) {
    int value = 0;
    auto size = static_cast<socklen_t>(sizeof value);
    if (::getsockopt(descriptor, SOL_SOCKET, wanted, &value, &size) != 0) {
      refuse_inherited(static_cast<std::errc>(errno), which + " is no socket");
    }
    return value;
  };
  if (option(SO_TYPE) != SOCK_STREAM) {
    refuse_inherited(std::errc::wrong_protocol_type, which + " is no stream socket");
  }
  if (option(SO_ACCEPTCONN) == 0) refuse_inherited(std::errc::invalid_argument, which + " does not listen");
  std::error_code error;
  const SocketProtocol::endpoint endpoint = endpoint_of(descriptor, ::getsockname, error);
  if (error) refuse_inherited(static_cast<std::errc>(error.value()), which + " has no address");
  InheritedSocket socket{descriptor, std::move(name), {}, 0};
  if (endpoint.data()->sa_family == AF_UNIX) {
    socket.address = unix_address_text(endpoint);
  } else if (const auto ip = ip_endpoint_of(endpoint)) {
    socket.address = ip->address().to_string();
    socket.port = ip->port();
  } else {
    refuse_inherited(std::errc::address_family_not_supported, which + " is neither of TCP nor a Unix socket");
  }
  return socket;
}

#endif

SPATE_DECL void forget_inherited() noexcept {
#if !defined(_WIN32)
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"}) ::unsetenv(name);
#endif
}

}  // namespace detail

SPATE_DECL std::vector<InheritedSocket> inherited_sockets() {
  std::vector<InheritedSocket> sockets;
#if !defined(_WIN32)
  const std::optional<long> process = detail::number_in_environment("LISTEN_PID");
  const std::optional<long> count = detail::number_in_environment("LISTEN_FDS");
  if (!process || count.value_or(0) == 0) return sockets;
  if (*process != ::getpid()) {
    detail::refuse_inherited(
        std::errc::operation_not_permitted,
        "LISTEN_PID is " + std::to_string(*process) + ", and this is the process " + std::to_string(::getpid()));
  }
  if (*count > std::numeric_limits<int>::max() - detail::first_inherited) {
    detail::refuse_inherited(std::errc::invalid_argument, "LISTEN_FDS is " + std::to_string(*count));
  }
  // Nothing is prepared for as many as it says: the first that is not there ends it.
  std::vector<std::string> names = detail::inherited_names(static_cast<std::size_t>(*count));
  for (int i = 0; i < *count; ++i) {
    std::string name = names.empty() ? std::string() : std::move(names[static_cast<std::size_t>(i)]);
    sockets.push_back(detail::look_at_inherited(detail::first_inherited + i, std::move(name)));
  }
#endif
  return sockets;
}

}  // namespace spate
