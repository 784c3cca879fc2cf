// The functions of file_lock.hpp.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/file_lock.hpp>
#include <spate/history/sqlite_options.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate::detail {

SPATE_DECL std::string real_name(const std::string& file) {
  namespace fs = std::filesystem;
  // The last part is followed by hand: what it leads to need not be there yet.
  fs::path path(file);
  std::error_code error;
  constexpr int most_links = 40;
  for (int links = 0; fs::is_symlink(fs::symlink_status(path, error)); ++links) {
    if (links == most_links) throw SqliteFileError("the history file " + quote(file) + " is a link to itself");
    path = path.parent_path() / fs::read_symlink(path, error);
  }
  const fs::path name = path.filename();
  const fs::path folder = fs::canonical(path.has_parent_path() ? path.parent_path() : fs::path("."), error);
  return error ? file : (folder / name).string();
}

SPATE_DECL void make_private(const std::string& file) noexcept {
  const int made = ::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (made >= 0) ::close(made);
}

SPATE_DECL FileLock::FileLock(const std::string& file)
    : descriptor_(::open((file + "-lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) {
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
