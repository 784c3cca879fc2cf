// Listening on a Unix socket: its file, from bind to the end. On Windows, where an address names none, nothing listens
// so.
#pragma once

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <asio/local/stream_protocol.hpp>

#include <spate/config.hpp>
#include <spate/loop/detail/close_on_exec.hpp>

namespace spate::detail {

#if defined(_WIN32)

struct SocketFile {
  void remove() noexcept {}
};

template <typename Acceptor>
SocketFile listen_at(Acceptor&, const std::string&) {
  throw std::system_error(std::make_error_code(std::errc::address_family_not_supported));
}

#else

/// The file of a socket that this server has bound. Removes it at its end, unless another has taken its place.
class SocketFile {
 public:
  SocketFile() = default;
  explicit SocketFile(std::string path) : path_(std::move(path)) {
    if (::lstat(path_.c_str(), &status_) != 0) path_.clear();
  }
  SocketFile(SocketFile&& other) noexcept : path_(std::exchange(other.path_, {})), status_(other.status_) {}
  SocketFile& operator=(SocketFile&& other) noexcept;
  ~SocketFile() { remove(); }

  void remove() noexcept;

 private:
  std::string path_;  // empty: none
  struct stat status_ {};
};

/// Lets one server at a time begin to listen in the folder of `path`: between bind and listen a socket looks abandoned.
/// Nobody has to wait for long, as anybody may lock a folder for reasons of their own.
class FolderLock {
 public:
  explicit FolderLock(const std::string& path);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() {
    if (folder_ >= 0) ::close(folder_);
  }

 private:
  int folder_;
};

/// Whether `path` is a socket on which nobody listens, as a server leaves behind that was killed.
SPATE_DECL bool is_abandoned(const std::string& path);

/// Binds `acceptor` to `path` and listens. A file that is in the way is removed only when it is an abandoned socket.
template <typename Acceptor>
SocketFile listen_at(Acceptor& acceptor, const std::string& path) {
  const asio::local::stream_protocol::endpoint endpoint(path);
  const FolderLock alone(path);
  std::error_code error;
  open_close_on_exec(acceptor, endpoint.protocol(), error);
  if (error) throw std::system_error(error);
  acceptor.bind(endpoint, error);
  if (error == asio::error::address_in_use && is_abandoned(path)) {
    ::unlink(path.c_str());
    acceptor.bind(endpoint, error);
  }
  if (error) throw std::system_error(error);
  SocketFile file(path);
  acceptor.listen();
  return file;
}

#endif

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/unix_listener.ipp>
#endif
