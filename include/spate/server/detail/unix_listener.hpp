// Listening on a Unix socket: its file, from bind to the end.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <asio/local/stream_protocol.hpp>

#include <spate/stream/detail/close_on_exec.hpp>

namespace spate::detail {

/// The file of a socket that this server has bound. Removes it at its end, unless another has taken its place.
class SocketFile {
 public:
  SocketFile() = default;
  explicit SocketFile(std::string path) : path_(std::move(path)) {
    if (::lstat(path_.c_str(), &status_) != 0) path_.clear();
  }
  SocketFile(SocketFile&& other) noexcept : path_(std::exchange(other.path_, {})), status_(other.status_) {}
  SocketFile& operator=(SocketFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(status_, other.status_);
    return *this;
  }
  ~SocketFile() { remove(); }

  void remove() noexcept {
    const std::string path = std::exchange(path_, {});
    struct stat now {};
    if (path.empty() || ::lstat(path.c_str(), &now) != 0) return;
    if (now.st_dev == status_.st_dev && now.st_ino == status_.st_ino) ::unlink(path.c_str());
  }

 private:
  std::string path_;  // empty: none
  struct stat status_ {};
};

/// Lets one server at a time begin to listen in the folder of `path`: between bind and listen a socket looks abandoned.
/// Nobody has to wait for long, as anybody may lock a folder for reasons of their own.
class FolderLock {
 public:
  explicit FolderLock(const std::string& path) {
    constexpr int most_tries = 100;
    const std::string folder = path.substr(0, path.rfind('/') + 1);  // npos + 1 is 0
    folder_ = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_ < 0) return;  // bind tells why, or it may be written and not read
    for (int tries = 0; ::flock(folder_, LOCK_EX | LOCK_NB) != 0 && tries < most_tries; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock() {
    if (folder_ >= 0) ::close(folder_);
  }

 private:
  int folder_;
};

/// Whether `path` is a socket on which nobody listens, as a server leaves behind that was killed.
inline bool is_abandoned(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
#if defined(SOCK_CLOEXEC)
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
#else
  const int probe = ::socket(AF_UNIX, SOCK_STREAM, 0);
  close_on_exec(probe);
#endif
  if (probe < 0) return false;
  ::fcntl(probe, F_SETFL, ::fcntl(probe, F_GETFL) | O_NONBLOCK);
  const asio::local::stream_protocol::endpoint endpoint(path);
  const int connected = ::connect(probe, endpoint.data(), static_cast<socklen_t>(endpoint.size()));
  const bool refused = connected != 0 && errno == ECONNREFUSED;
  ::close(probe);
  return refused;
}

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

}  // namespace spate::detail
