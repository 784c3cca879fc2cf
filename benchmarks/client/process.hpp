// What /proc says of the server: processor time of the process and its children, busy time of its core, memory.
#pragma once

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace bench {

inline std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::vector<int> numbers_in(const std::string& directory) {
  std::vector<int> numbers;
  if (DIR* dir = opendir(directory.c_str())) {
    while (const dirent* entry = readdir(dir)) {
      if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') numbers.push_back(std::atoi(entry->d_name));
    }
    closedir(dir);
  }
  return numbers;
}

struct ServerSample {
  double ran = 0;        // seconds on a processor, from schedstat: nanosecond steps
  double user = 0;       // seconds from utime: steps of a tick, 10 ms
  double system = 0;     // seconds from stime
  double core_busy = 0;  // seconds that the core was not idle, whoever used it
  double stolen = 0;     // seconds that the machine's host took from it
  double resident = 0;   // bytes
  double anonymous = 0;  // bytes of it that are no file's
  std::uint64_t switches = 0;
};

/// A process with everything it started; `pid` 0 stands for a server that is not watched.
class Server {
 public:
  Server(int pid, int core) : core_(core) {
    if (pid > 0) pids_.push_back(pid);
    // Children are taken as they are now: servers with workers have started them before they listen.
    for (std::size_t i = 0; i < pids_.size(); ++i) {
      for (const int other : numbers_in("/proc")) {
        if (parent_of(other) == pids_[i]) pids_.push_back(other);
      }
    }
  }

  bool watched() const noexcept { return !pids_.empty(); }

  ServerSample sample() const {
    ServerSample sample;
    for (const int pid : pids_) add(pid, sample);
    core(sample);
    return sample;
  }

 private:
  static int parent_of(int pid) {
    const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
    const std::size_t name_end = stat.rfind(')');
    return name_end == std::string::npos || name_end + 4 >= stat.size() ? 0 : std::atoi(stat.c_str() + name_end + 4);
  }

  static void add(int pid, ServerSample& sample) {
    const std::string directory = "/proc/" + std::to_string(pid);
    for (const int thread : numbers_in(directory + "/task")) {
      sample.ran +=
          std::strtod(read_file(directory + "/task/" + std::to_string(thread) + "/schedstat").c_str(), nullptr) / 1e9;
    }
    const std::string stat = read_file(directory + "/stat");
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) return;
    std::istringstream fields(stat.substr(name_end + 2));
    std::string skipped;
    for (int i = 0; i < 11; ++i) fields >> skipped;  // utime is field 14; the state after the name is field 3
    double user = 0, system = 0;
    fields >> user >> system;
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    sample.user += user / ticks;
    sample.system += system / ticks;
    std::istringstream status(read_file(directory + "/status"));
    for (std::string line; std::getline(status, line);) {
      if (line.rfind("VmRSS:", 0) == 0) sample.resident += 1024 * std::strtod(line.c_str() + 6, nullptr);
      if (line.rfind("RssAnon:", 0) == 0) sample.anonymous += 1024 * std::strtod(line.c_str() + 8, nullptr);
      if (line.find("ctxt_switches:") != std::string::npos) {
        sample.switches += std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10);
      }
    }
  }

  void core(ServerSample& sample) const {
    if (core_ < 0) return;
    std::istringstream stat(read_file("/proc/stat"));
    const std::string wanted = "cpu" + std::to_string(core_);
    for (std::string line; std::getline(stat, line);) {
      std::istringstream fields(line);
      std::string name;
      double user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
      fields >> name >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
      if (name != wanted) continue;
      const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
      sample.core_busy = (user + nice + system + irq + softirq) / ticks;
      sample.stolen = steal / ticks;
    }
  }

  std::vector<int> pids_;
  int core_;
};

/// Processor time of this process, in seconds.
inline double own_cpu() {
  rusage used;
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

}  // namespace bench
