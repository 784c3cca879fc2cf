// Events drawn from a store as one piece, shared by all who are owed the same.
#include <spate/history/detail/replay_packer.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace {

using spate::EncodedEvent;
using spate::Event;
using spate::StoredEvent;
using spate::detail::PackedChunks;
using spate::detail::ReplayPacker;

StoredEvent stored(std::uint64_t sequence) {
  return {sequence, EncodedEvent(Event("event " + std::to_string(sequence)))};
}

std::vector<StoredEvent> batch_of(std::initializer_list<std::uint64_t> sequences) {
  std::vector<StoredEvent> batch;
  for (const std::uint64_t sequence : sequences) batch.push_back(stored(sequence));
  return batch;
}

}  // namespace

TEST_CASE("a piece is the chunks of its events, one after the other", "[history][replay]") {
  ReplayPacker packer;
  const auto batch = batch_of({3, 5});
  const PackedChunks piece = packer.pack(0, batch).chunks;
  CHECK(piece.bytes() == std::string(batch[0].event.chunk()) + std::string(batch[1].event.chunk()));
}

TEST_CASE("who is owed the same shares the piece", "[history][replay]") {
  ReplayPacker packer;
  const auto first = batch_of({1, 2}), second = batch_of({3, 4});
  const PackedChunks one = packer.pack(0, first).chunks;
  const PackedChunks two = packer.pack(0, second).chunks;
  CHECK(packer.pack(0, first).chunks.block.get() == one.block.get());
  CHECK(packer.pack(0, second).chunks.block.get() == two.block.get());
}

TEST_CASE("a piece is found by the numbers of its events alone", "[history][replay]") {
  ReplayPacker packer;
  const std::vector<std::uint64_t> numbers{3, 5};
  CHECK(packer.find(0, {}) == nullptr);
  CHECK(packer.find(0, numbers) == nullptr);
  const auto batch = batch_of({3, 5});
  const auto& piece = packer.pack(0, batch);
  CHECK(packer.find(0, numbers) == &piece);
  CHECK(piece.sequences == numbers);
  CHECK(piece.events.front().event.block().get() == batch[0].event.block().get());
}

TEST_CASE("in another history the same numbers are other events", "[history][replay]") {
  ReplayPacker packer;
  const auto batch = batch_of({1, 2});
  const PackedChunks piece = packer.pack(0, batch).chunks;
  CHECK(packer.find(1, std::vector<std::uint64_t>{1, 2}) == nullptr);
  CHECK(packer.pack(1, batch).chunks.block.get() != piece.block.get());
}

TEST_CASE("other events are another piece", "[history][replay]") {
  ReplayPacker packer;
  const PackedChunks piece = packer.pack(0, batch_of({1, 2, 4})).chunks;
  for (const auto& other : {batch_of({1, 2}), batch_of({1, 2, 4, 5}), batch_of({1, 3, 4}), batch_of({2, 4})}) {
    const PackedChunks& packed = packer.pack(0, other).chunks;
    CHECK(packed.block.get() != piece.block.get());
    std::string expected;
    for (const StoredEvent& each : other) expected += each.event.chunk();
    CHECK(packed.bytes() == expected);
  }
}

TEST_CASE("an old piece makes room and stays whole for whoever holds it", "[history][replay]") {
  ReplayPacker packer;
  const auto first = batch_of({1});
  const PackedChunks held = packer.pack(0, first).chunks;
  const std::string before(held.bytes());
  for (std::uint64_t sequence = 2; sequence < 100; ++sequence) packer.pack(0, batch_of({sequence}));
  CHECK(held.bytes() == before);
  CHECK(packer.pack(0, first).chunks.bytes() == before);
}
