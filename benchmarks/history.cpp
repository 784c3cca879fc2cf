// Keeping history: in memory, and in a file with each of its promises.
//
//   history [FOLDER] [SECONDS]       the file lies in FOLDER (.), each figure takes SECONDS (2)
//
// A publisher sends an event of 200 bytes of data to a user of its own, and awaits that it is kept before it sends the
// next (`awaited`), or does not (`flowing`: all that the store takes, less than a mebibyte of it on its way). They
// share the emitter's lock. For each event, `CPU us/ev` is the CPU of the whole process, with what the store's threads
// use to write, and `of sending` the part of it that the publishers' own threads use: what a send costs whoever sends.
// Replays: 1,000 events to everybody, drawn by 1,000 users in steps of 32 KiB, after the store was opened anew.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <spate/history/memory_replay_store.hpp>
#include <spate/history/sqlite_replay_store.hpp>

namespace {

using Clock = std::chrono::steady_clock;
using Sync = spate::SqliteOptions::Sync;

double cpu_seconds(int who = RUSAGE_SELF) {
  rusage usage{};
  ::getrusage(who, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// What this process has handed to the kernel to be written.
std::uint64_t bytes_written() {
  std::ifstream file("/proc/self/io");
  std::string name;
  std::uint64_t value = 0, found = 0;
  while (file >> name >> value) {
    if (name == "wchar:") found = value;
  }
  return found;
}

/// An emitter's part, as far as history is concerned.
class Sender {
 public:
  explicit Sender(spate::ReplayStore& store) : store_(store) {
    store_.on_settled([this] { settle(); });
  }
  ~Sender() { store_.on_settled({}); }

  void send(const std::string& user, bool awaits) {
    spate::EventEncoder encoder{spate::Event(std::string(200, 'x'))};
    std::unique_lock lock(mutex_);
    const std::uint64_t sequence = store_.newest_given() + 1;
    const spate::EncodedEvent event = std::move(encoder).finish("1234567890123-" + std::to_string(sequence));
    const bool first = store_.keeps_later() && store_.delivers_first();
    store_.append(sequence, spate::Audience::user(user), event);
    if (!store_.keeps_later() || first) return;
    const std::uint64_t until = awaits ? sequence : sequence - std::min<std::uint64_t>(sequence, 4000);
    settled_.wait(lock, [&] { return settled_up_to_ >= until; });
  }

  void settle() {
    const std::lock_guard lock(mutex_);
    told_.clear();
    store_.settle(told_);
    if (told_.empty()) return;
    settled_up_to_ = told_.back().up_to;
    settled_.notify_all();
  }

  void wait_for_all() {
    std::unique_lock lock(mutex_);
    if (store_.keeps_later()) settled_.wait(lock, [&] { return settled_up_to_ >= store_.newest_given(); });
  }

 private:
  spate::ReplayStore& store_;
  std::mutex mutex_;
  std::condition_variable settled_;
  std::vector<spate::ReplayStore::Settled> told_;
  std::uint64_t settled_up_to_ = 0;
};

std::unique_ptr<spate::ReplayStore> open_store(const char* name, const std::string& file,
                                               const spate::ReplayLimits& limits) {
  if (name == std::string("memory")) return std::make_unique<spate::MemoryReplayStore>(limits);
  spate::SqliteOptions options;
  options.file = file;
  options.limits = limits;
  options.sync = name == std::string("full")     ? Sync::full
                 : name == std::string("normal") ? Sync::normal
                                                 : Sync::deliver_first;
  return std::make_unique<spate::SqliteReplayStore>(options);
}

void remove_file(const std::string& file) {
  for (const char* suffix : {"", "-wal", "-shm", "-lock"}) std::filesystem::remove(file + suffix);
}

void publish(const char* name, const std::string& file, int publishers, bool awaits, int seconds,
             std::size_t max_events) {
  remove_file(file);
  spate::ReplayLimits limits;
  limits.max_events = max_events;
  limits.max_bytes = std::size_t{4} << 30;
  const auto store = open_store(name, file, limits);
  std::uint64_t events = 0;
  double wall = 0, cpu = 0, senders = 0;
  const std::uint64_t before = bytes_written();
  {
    Sender sender(*store);
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> sent{0};
    std::atomic<std::uint64_t> sending{0};  // in microseconds of CPU
    const auto begin = Clock::now();
    const double cpu_begin = cpu_seconds();
    std::vector<std::thread> threads;
    for (int i = 0; i < publishers; ++i) {
      threads.emplace_back([&, user = "user" + std::to_string(i)] {
        std::uint64_t own = 0;
        for (; !stop; ++own) sender.send(user, awaits);
        sent += own;
        sending += static_cast<std::uint64_t>(cpu_seconds(RUSAGE_THREAD) * 1e6);
      });
    }
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    stop = true;
    for (std::thread& thread : threads) thread.join();
    sender.wait_for_all();
    wall = std::chrono::duration<double>(Clock::now() - begin).count();
    cpu = cpu_seconds() - cpu_begin;
    events = sent;
    senders = static_cast<double>(sending) / 1e6;
  }
  std::uint64_t commits = 0;
  if (const auto* sqlite = dynamic_cast<spate::SqliteReplayStore*>(store.get())) commits = sqlite->status().commits;
  const double count = static_cast<double>(events);
  std::printf("%-14s %3d %-8s %10zu %12.0f %10.2f %10.2f %14.1f %12.0f\n", name, publishers,
              awaits ? "awaited" : "flowing", max_events, count / wall, cpu / count * 1e6, senders / count * 1e6,
              commits == 0 ? 0 : count / static_cast<double>(commits),
              static_cast<double>(bytes_written() - before) / count);
  std::fflush(stdout);
}

/// Whoever waits for the store, in one thread.
struct Ready final : spate::ReplayStore::Waiter {
  std::function<void()> when_ready() const override {
    return [flag = flag] {
      flag->store(true);
      flag->notify_one();
    };
  }
  std::shared_ptr<std::atomic<bool>> flag = std::make_shared<std::atomic<bool>>(false);
};

void replay(const char* name, const std::string& file) {
  constexpr int events = 1000, users = 1000;
  remove_file(file);
  const spate::ReplayLimits limits;
  auto store = open_store(name, file, limits);
  {
    Sender sender(*store);
    for (int i = 0; i < events; ++i) {
      const std::uint64_t sequence = store->newest_given() + 1;
      store->append(sequence, spate::Audience::everybody(),
                    spate::EncodedEvent(spate::Event(std::string(200, 'x')).id(std::to_string(sequence))));
    }
    sender.wait_for_all();
  }
  if (name != std::string("memory")) {
    store.reset();
    store = open_store(name, file, limits);
  }
  std::size_t drawn = 0;
  const double begin = cpu_seconds();
  // All of them come at once.
  std::vector<Ready> ready(users);
  for (int i = 0; i < users; ++i) {
    const std::string user = "user" + std::to_string(i);
    if (store->at_hand(spate::Subscriber(user), 0, 32 * 1024, ready[static_cast<std::size_t>(i)]))
      ready[static_cast<std::size_t>(i)].flag->store(true);
  }
  for (const Ready& each : ready) each.flag->wait(false);
  for (int i = 0; i < users; ++i) {
    const std::string user = "user" + std::to_string(i);
    const spate::Subscriber subscriber(user);
    std::uint64_t after = 0;
    std::vector<spate::StoredEvent> batch;
    do {
      for (Ready once; !store->at_hand(subscriber, after, 32 * 1024, once); once = Ready()) once.flag->wait(false);
      batch.clear();
      store->fetch(subscriber, after, 32 * 1024, batch);
      drawn += batch.size();
      if (!batch.empty()) after = batch.back().sequence;
    } while (!batch.empty());
  }
  const double cpu = cpu_seconds() - begin;
  std::printf("%-14s %12zu events replayed, %8.1f ns of CPU each\n", name, drawn,
              cpu / static_cast<double>(drawn) * 1e9);
}

/// How long a send waits while much is over the limits, and how soon a large file is opened.
void open_large(const std::string& file) {
  constexpr int events = 1'000'000, users = 100'000;
  remove_file(file);
  spate::ReplayLimits limits;
  limits.max_events = 2'000'000;
  limits.max_bytes = std::size_t{8} << 30;
  {
    const auto store = open_store("normal", file, limits);
    Sender sender(*store);
    for (int i = 0; i < events; ++i) sender.send("user" + std::to_string(i % users), false);
    sender.wait_for_all();
  }
  const auto megabytes = static_cast<double>(std::filesystem::file_size(file)) / 1e6;
  auto begin = Clock::now();
  auto store = open_store("normal", file, limits);
  const double opened = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  std::printf("%d events of %d users, %.0f MB: opened in %.1f ms\n", events, users, megabytes, opened);
  store.reset();
  for (const std::size_t kept : {2'000'000, 900'000}) {
    limits.max_events = kept;
    store = open_store("normal", file, limits);
    std::vector<double> waits;
    {
      Sender sender(*store);
      auto& sqlite = dynamic_cast<spate::SqliteReplayStore&>(*store);
      const auto until = Clock::now() + std::chrono::seconds(20);
      while ((kept < events ? sqlite.status().kept > kept : waits.size() < 20'000) && Clock::now() < until) {
        begin = Clock::now();
        sender.send("user1", true);
        waits.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
      }
    }
    std::sort(waits.begin(), waits.end());
    const auto at = [&](double part) {
      return waits[static_cast<std::size_t>(part * static_cast<double>(waits.size() - 1))];
    };
    std::printf("%s: %zu sends waited %.2f ms (median), %.2f (99 of 100), %.2f (longest)\n",
                kept < events ? "while 100,000 events are taken out" : "while nothing is taken out", waits.size(),
                at(0.5), at(0.99), at(1.0));
    store.reset();
  }
}

}  // namespace

int main(int count, char** arguments) {
  const std::string folder = count > 1 ? arguments[1] : ".";
  const int seconds = count > 2 ? std::atoi(arguments[2]) : 2;
  const std::string file = folder + "/history-benchmark.db";
  std::printf("%-14s %3s %-8s %10s %12s %10s %10s %14s %12s\n", "store", "pub", "", "max_events", "events/s",
              "CPU us/ev", "of sending", "events/commit", "bytes/event");
  for (const char* name : {"memory", "deliver_first", "normal", "full"}) {
    if (seconds == 0 || (count > 3 && name != std::string(arguments[3]))) continue;
    publish(name, file, 1, true, seconds, 10'000'000);
    publish(name, file, 64, true, seconds, 10'000'000);
    publish(name, file, 64, false, seconds, 10'000'000);
    publish(name, file, 64, false, seconds, 10'000);  // each event takes another out
  }
  for (const char* name : {"memory", "normal"}) replay(name, file);
  open_large(file);
  remove_file(file);
}
