#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <spate/registry/detail/broadcast_log.hpp>
#include "support/catch.hpp"

using spate::EncodedEvent;
using spate::Event;
using spate::detail::Block;
using spate::detail::BroadcastLog;
using spate::detail::Ref;

namespace {

constexpr std::size_t block = 64 * 1024;

/// The log, and everything that was ever appended to it.
struct Logged {
  void append(std::size_t size) {
    const EncodedEvent event(Event(std::string(size, static_cast<char>('a' + all_events % 26))));
    log.append(event.chunk(), event.block(), event.chunk().size(), event.has_data());
    all += event.chunk();
    ++all_events;
    ends.push_back(all.size());
  }

  struct Read {
    std::string bytes;
    std::uint64_t events = 0;
    std::size_t pieces = 0;
  };
  Read read(BroadcastLog::Position from) const {
    Read result;
    log.read(from, [&](const BroadcastLog::Piece& piece) {
      CHECK(*piece.block);
      CHECK(!piece.bytes.empty());
      result.bytes += piece.bytes;
      result.events += piece.events;
      ++result.pieces;
      return true;
    });
    return result;
  }

  /// A position that has been given all before byte `byte`, of which whole events are counted.
  BroadcastLog::Position at(std::size_t byte) const {
    BroadcastLog::Position position{byte, 0};
    while (position.event < ends.size() && ends[position.event] <= byte) ++position.event;
    return position;
  }

  BroadcastLog log;
  std::string all;
  std::uint64_t all_events = 0;
  std::vector<std::size_t> ends;
};

}  // namespace

TEST_CASE("a broadcast log reads back what was appended, from every event on", "[registry][log]") {
  Logged logged;
  // Large ones have pieces of their own; small ones after them begin a new block.
  for (const std::size_t size : std::vector<std::size_t>{0, 10, block, 1, block / 2, block / 2 + 1, 3, 5 * block, 0})
    logged.append(size);
  std::uint64_t event = 0;
  std::size_t begin = 0;
  for (const std::size_t end : logged.ends) {
    const Logged::Read read = logged.read({begin, event});
    CHECK(read.bytes == logged.all.substr(begin));
    CHECK(read.events == logged.all_events - event);
    begin = end;
    ++event;
  }
  CHECK(logged.read(logged.log.end()).pieces == 0);
  CHECK(logged.log.end().byte == logged.all.size());
  CHECK(logged.log.newest_size() == logged.ends.back() - logged.ends[logged.ends.size() - 2]);
}

TEST_CASE("a reader goes on in the middle of an event after a partial write", "[registry][log]") {
  Logged logged;
  for (const std::size_t size : std::vector<std::size_t>{100, block, 20, 30'000, 30'000, 30'000, 7})
    logged.append(size);
  std::minstd_rand random(5);
  for (int trial = 0; trial < 500; ++trial) {
    const std::size_t from = random() % logged.all.size();
    const Logged::Read read = logged.read(logged.at(from));
    REQUIRE(read.bytes == logged.all.substr(from));
    REQUIRE(read.events == logged.all_events - logged.at(from).event);
  }
}

TEST_CASE("events fill a block to its last byte before another one begins", "[registry][log]") {
  const auto overhead = [](std::size_t size) {
    return EncodedEvent(Event(std::string(size, 'x'))).chunk().size() - size;
  };
  // Four pieces of a quarter fill it exactly; the fifth is the first of a new one.
  const std::size_t quarter = block / 4 - overhead(block / 4 - 20);
  Logged logged;
  for (int i = 0; i < 4; ++i) logged.append(quarter);
  REQUIRE(logged.all.size() == block);
  CHECK(logged.read({}).pieces == 1);
  logged.append(1);
  CHECK(logged.read({}).pieces == 2);
  CHECK(logged.read({}).bytes == logged.all);
  // One byte less of room would not do.
  Logged other;
  for (int i = 0; i < 3; ++i) other.append(quarter);
  other.append(quarter + 1);
  CHECK(other.read({}).pieces == 2);
  CHECK(other.read({}).bytes == other.all);
}

TEST_CASE("a reader stops where it is told to and reads on from there", "[registry][log]") {
  Logged logged;
  for (int i = 0; i < 10; ++i) logged.append(block);
  std::size_t pieces = 0, size = 0;
  logged.log.read({}, [&](const BroadcastLog::Piece& piece) {
    size += piece.bytes.size();
    return ++pieces < 3;
  });
  CHECK(pieces == 3);
  CHECK(logged.read(logged.at(size)).bytes == logged.all.substr(size));
  CHECK(logged.read(logged.at(size)).events == 7);
}

TEST_CASE("trimming forgets whole blocks that everybody has had, and nothing else", "[registry][log]") {
  std::minstd_rand random(9);
  Logged logged;
  BroadcastLog::Position slowest;
  // What somebody queued before it was trimmed stays readable.
  std::vector<std::pair<Ref<Block>, std::pair<std::string_view, std::string>>> queued;
  for (int step = 0; step < 3'000; ++step) {
    logged.append(random() % 20 == 0 ? random() % (2 * block) : random() % 2'000);
    if (random() % 3 == 0) {
      const std::size_t from = slowest.byte + random() % (logged.all.size() - slowest.byte + 1);
      REQUIRE(logged.read(logged.at(from)).bytes == logged.all.substr(from));
    }
    if (random() % 10 == 0) {
      logged.log.read(slowest, [&](const BroadcastLog::Piece& piece) {
        queued.push_back({*piece.block, {piece.bytes, std::string(piece.bytes)}});
        return false;
      });
    }
    if (random() % 5 == 0) {
      const std::size_t to = slowest.byte + random() % (logged.all.size() - slowest.byte + 1);
      slowest = random() % 2 == 0 ? logged.log.end() : logged.at(to);
      logged.log.trim(slowest);
      REQUIRE(logged.read(slowest).bytes == logged.all.substr(slowest.byte));
      REQUIRE(logged.read(slowest).events == logged.all_events - slowest.event);
    }
    if (queued.size() > 20) queued.erase(queued.begin());
    for (const auto& [owner, bytes] : queued) REQUIRE(bytes.first == bytes.second);
  }
}

TEST_CASE("a log that everybody has had keeps one block at most", "[registry][log]") {
  Logged logged;
  for (int i = 0; i < 100; ++i) {
    logged.append(10 * block);
    logged.append(10);
    logged.log.trim(logged.log.end());
  }
  // The block being filled stays; after a large event not even that.
  CHECK_FALSE(logged.log.empty());
  logged.append(block);
  logged.log.trim(logged.log.end());
  CHECK(logged.log.empty());
  logged.append(3);
  CHECK(logged.read(logged.at(logged.ends[logged.ends.size() - 2])).events == 1);
}
