// The functions of file_lock.hpp.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/file_lock.hpp>
#include <spate/history/sqlite_options.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate::detail {

SPATE_DECL FileLock::FileLock(const std::string& file)
    : descriptor_(::open((file + "-lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  const auto refuse = [&](const std::string& why) {
    if (descriptor_ >= 0) ::close(descriptor_);
    throw SqliteFileError("the history file " + quote(file) + " " + why);
  };
  if (descriptor_ < 0) {
    const std::string reason = std::generic_category().message(errno);
    refuse("cannot be used, as a file \"-lock\" cannot be made beside it (" + reason +
           "): name a folder that exists and may be written");
  }
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) refuse("cannot be locked: " + std::generic_category().message(errno));
    std::array<char, 32> owner{};
    const ssize_t size = ::pread(descriptor_, owner.data(), owner.size(), 0);
    const std::string_view known(owner.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
    const std::string process(known.substr(0, known.find('\n')));
    refuse("is in use" + (process.empty() ? std::string() : " by process " + process) +
           ": stop that one first, or name another file");
  }
  const std::string own = std::to_string(::getpid()) + "\n";
  // Who has it is told to people alone: without it the lock is one all the same.
  if (::ftruncate(descriptor_, 0) == 0 && ::pwrite(descriptor_, own.data(), own.size(), 0) < 0) return;
}

SPATE_DECL FileLock::~FileLock() {
  ::close(descriptor_);
}

}  // namespace spate::detail
