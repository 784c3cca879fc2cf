// What this process shows to others: the descriptors that programs inherit which it starts, and its threads.
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

extern char** environ;

namespace spate::test {

/// What a program finds open that is started now, beside its standard streams: "socket:[4711]" and the like.
inline std::set<std::string> inherited_descriptors() {
  const std::unique_ptr<FILE, int (*)(FILE*)> list(::popen("/bin/sh -c 'ls -l /proc/self/fd'", "r"), ::pclose);
  if (!list) throw std::runtime_error("popen");
  std::set<std::string> all;
  char line[512];
  while (std::fgets(line, sizeof line, list.get()) != nullptr) {
    const std::string_view text(line);
    const std::size_t arrow = text.find(" -> ");
    if (arrow == std::string_view::npos) continue;
    const std::size_t number = text.rfind(' ', arrow - 1) + 1;
    if (arrow - number == 1 && text[number] <= '2') continue;
    std::string target(text.substr(arrow + 4));
    target.erase(target.find_last_not_of('\n') + 1);
    if (target.rfind("/proc/", 0) != 0) all.insert(std::move(target));  // that of the list itself
  }
  return all;
}

/// Those of `after` that are not in `before`.
inline std::vector<std::string> added(const std::set<std::string>& before, const std::set<std::string>& after) {
  std::vector<std::string> more;
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(), std::back_inserter(more));
  return more;
}

/// A program that does nothing until it is stopped.
class Bystander {
 public:
  Bystander() {
    std::string name = "/bin/sleep", time = "600";
    char* arguments[] = {name.data(), time.data(), nullptr};
    // It is another program a moment before what it does not inherit is closed. That goes by number, and this is the
    // last.
    int last[2];
    if (::pipe2(last, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    const bool begun = ::posix_spawn(&process_, "/bin/sleep", nullptr, nullptr, arguments, environ) == 0;
    ::close(last[1]);
    char nothing;
    while (begun && ::read(last[0], &nothing, 1) < 0 && errno == EINTR) continue;
    ::close(last[0]);
    if (!begun) throw std::runtime_error("posix_spawn");
  }
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;
  ~Bystander() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  bool lives() const { return ::waitpid(process_, nullptr, WNOHANG) == 0; }

 private:
  pid_t process_ = 0;
};

/// The signals that each thread of this process blocks, as a mask of 64 bits, by the thread's number.
inline std::map<std::string, std::uint64_t> blocked_signals() {
  std::map<std::string, std::uint64_t> all;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(thread.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.rfind("SigBlk:", 0) == 0) all[thread.path().filename().string()] = std::stoull(line.substr(7), {}, 16);
    }
  }
  return all;
}

/// Every signal that a thread of the program's own can block. (Two are the C library's.)
inline constexpr std::uint64_t every_signal =
    ~((std::uint64_t{1} << (SIGKILL - 1)) | (std::uint64_t{1} << (SIGSTOP - 1)) | (std::uint64_t{1} << 31) |
      (std::uint64_t{1} << 32));

}  // namespace spate::test
