// The functions of unix_listener.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/server/detail/unix_listener.hpp>

#if !defined(_WIN32)

namespace spate::detail {

SPATE_DECL SocketFile& SocketFile::operator=(SocketFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(status_, other.status_);
  return *this;
}

SPATE_DECL void SocketFile::remove() noexcept {
  const std::string path = std::exchange(path_, {});
  struct stat now {};
  if (path.empty() || ::lstat(path.c_str(), &now) != 0) return;
  if (now.st_dev == status_.st_dev && now.st_ino == status_.st_ino) ::unlink(path.c_str());
}

SPATE_DECL FolderLock::FolderLock(const std::string& path) {
  constexpr int max_tries = 100;
  const std::string folder = path.substr(0, path.rfind('/') + 1);  // npos + 1 is 0
  folder_ = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_ < 0) return;  // bind tells why, or it may be written and not read
  for (int tries = 0; ::flock(folder_, LOCK_EX | LOCK_NB) != 0 && tries < max_tries; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

SPATE_DECL bool is_abandoned(const std::string& path) {
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

}  // namespace spate::detail

#endif
