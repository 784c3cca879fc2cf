// ProcessMark: whether this is still the process that it was made in, or one that was forked from it.
//
// Asked for every event, so it costs no system call where the kernel offers a page that a child process finds empty.
#pragma once

#if !defined(_WIN32)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <cstddef>

#include <spate/config.hpp>

namespace spate::detail {

#if defined(_WIN32)

/// No process is forked there.
class ProcessMark {
 public:
  bool forked() const noexcept { return false; }
  void renew() noexcept {}
};

#else

class ProcessMark {
 public:
  ProcessMark() noexcept;
  ProcessMark(const ProcessMark&) = delete;
  ProcessMark& operator=(const ProcessMark&) = delete;
  ~ProcessMark() {
    if (mark_ != nullptr) ::munmap(const_cast<char*>(mark_), size);
  }

  /// Whether the process has been forked from the one of the mark.
  bool forked() const noexcept { return mark_ != nullptr ? *mark_ == 0 : ::getpid() != pid_; }

  /// Makes it the mark of this process.
  void renew() noexcept;

 private:
  static constexpr std::size_t size = 1;  // the kernel gives whole pages

  pid_t pid_;
  volatile char* mark_ = nullptr;
};

#endif

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/process_mark.ipp>
#endif
