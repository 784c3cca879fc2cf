// What the programs of `compression serve` tell each other: lines over pipes.
//
// A server reads an event a line: whom it is for (* for everybody), its name, its data, with tabs between them, and
// line ends in the data as `line_end`. It says "listening on http://127.0.0.1:PORT" on its standard output.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include "client/socket.hpp"

namespace bench {

inline constexpr char line_end = '\x1f';

inline void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) throw system_failure("write");
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// Lines of a pipe.
class LineReader {
 public:
  explicit LineReader(int fd) : fd_(fd) {}

  /// Reads once. Returns false at the end.
  bool fill() {
    char bytes[64 * 1024];
    const ssize_t got = ::read(fd_, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR) return true;
    if (got <= 0) return false;
    held_.erase(0, at_);
    at_ = 0;
    held_.append(bytes, static_cast<std::size_t>(got));
    return true;
  }
  /// The next line that has come as a whole.
  bool take(std::string& line) {
    const std::size_t end = held_.find('\n', at_);
    if (end == std::string::npos) return false;
    line.assign(held_, at_, end - at_);
    at_ = end + 1;
    return true;
  }
  /// The next line, which is waited for. Returns false at the end.
  bool next(std::string& line) {
    while (!take(line)) {
      if (!fill()) return false;
    }
    return true;
  }

 private:
  const int fd_;
  std::string held_;
  std::size_t at_ = 0;
};

struct Command {
  std::string to, name, data;
  bool for_everybody() const { return to == "*"; }
};

inline Command parse_command(std::string_view line) {
  const std::size_t first = line.find('\t'), second = line.find('\t', first + 1);
  if (second == std::string_view::npos) throw std::runtime_error("not a command: " + std::string(line));
  Command command{std::string(line.substr(0, first)), std::string(line.substr(first + 1, second - first - 1)),
                  std::string(line.substr(second + 1))};
  for (char& c : command.data) c = c == line_end ? '\n' : c;
  return command;
}

inline std::string format_command(std::string_view to, std::string_view name, std::string data) {
  for (char& c : data) c = c == '\n' ? line_end : c;
  return std::string(to) + '\t' + std::string(name) + '\t' + data + '\n';
}

}  // namespace bench
