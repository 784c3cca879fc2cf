#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/stream/detail/gap_event.hpp>
#include <spate/stream/detail/write_queue.hpp>
#include "support/catch.hpp"
#include "support/decoded.hpp"

namespace spate::detail {
namespace {

using Kind = QueueNode::Kind;
using Texts = std::vector<std::string>;

/// Notes what it was told in a list it shares with others.
struct Waiter final : SendWaiter {
  Waiter(std::string name, Texts& told) : name_(std::move(name)), told_(told) {}
  void done(std::error_code error) override { told_.push_back(name_ + (error ? ": " + error.message() : " done")); }

 private:
  std::string name_;
  Texts& told_;
};

/// A queue with a kernel behind it that takes as many bytes as the test says.
class Line {
 public:
  ~Line() { queue.clear(pool, {}); }

  QueueNode& send(std::string_view id, std::string_view name = "", std::string_view data = "x") {
    return push(Kind::event, Event(data).id(id).name(name));
  }
  QueueNode& push(Kind kind, const Event& event) {
    const EncodedEvent encoded(event);
    return queue.push(pool, kind, Rendition::uncompressed(encoded.bytes()), encoded, 1);
  }

  /// Writes `most` bytes; returns them.
  std::string write(std::size_t most) {
    queue.resolve_gaps([](std::string_view id) {
      EncodedEvent gap(Event("before " + std::string(id)).name("gap"));
      const std::string_view data = gap.bytes();
      return std::pair(std::move(gap), Rendition::uncompressed(data));
    });
    asio::const_buffer buffers[8];
    std::string bytes;
    while (bytes.size() < most) {
      const std::size_t count = queue.gather(buffers, std::size(buffers), most - bytes.size());
      if (count == 0) break;
      std::string piece;
      for (std::size_t i = 0; i < count; ++i)
        piece.append(static_cast<const char*>(buffers[i].data()), buffers[i].size());
      piece.resize(std::min(piece.size(), most - bytes.size()));
      queue.consume(pool, piece.size(), [](const QueueNode&) {});
      bytes += piece;
    }
    written += bytes;
    return bytes;
  }
  void write_all() { write(std::string::npos); }

  /// What the client has got: ids, and gaps as "before <id>".
  Texts received() const {
    Texts texts;
    for (const DecodedEvent& event : test::decode(written).events) {
      texts.push_back(event.name == "gap" ? event.data : event.last_event_id);
    }
    return texts;
  }

  NodePool pool;
  WriteQueue queue;
  std::string written;
};

}  // namespace

TEST_CASE("what is queued goes out in its order, whatever the kernel takes at a time", "[stream][queue]") {
  std::string whole;
  for (std::size_t step = 1; step < 40; ++step) {
    Line line;
    for (const char* id : {"1", "2", "3", "4"}) line.send(id, "", std::string(5, id[0]));
    while (!line.queue.empty()) CHECK(line.write(step).size() <= step);
    CHECK(line.received() == Texts{"1", "2", "3", "4"});
    if (whole.empty()) whole = line.written;
    CHECK(line.written == whole);
    CHECK(line.queue.bytes() == 0);
    CHECK(line.queue.events() == 0);
  }
}

TEST_CASE("events count against the limits, byte by byte until they are taken, and nothing else does",
          "[stream][queue]") {
  Line line;
  const std::size_t size = line.send("1").size;
  CHECK(line.queue.bytes() == size);
  CHECK(line.queue.events() == 1);
  for (const Kind kind : {Kind::raw, Kind::notice, Kind::replay}) line.push(kind, Event("y").id("2"));
  CHECK(line.queue.bytes() == size);
  CHECK(line.queue.events() == 1);
  // Half an event still is an event that waits.
  line.write(size / 2);
  CHECK(line.queue.bytes() == size - size / 2);
  CHECK(line.queue.events() == 1);
  line.write(size - size / 2);
  CHECK(line.queue.bytes() == 0);
  CHECK(line.queue.events() == 0);
  CHECK_FALSE(line.queue.empty());
}

TEST_CASE("neighbouring ranges of a block become one piece", "[stream][queue]") {
  Line line;
  const std::string_view text = "data: a\n\ndata: b\n\ndata: c\n\n";
  const Ref<Block> block = make_block(text);
  const Ref<Block> other = make_block(text);
  const std::string_view bytes(block->data(), text.size());
  line.queue.push_range(line.pool, block, bytes.substr(0, 9), 1);
  line.queue.push_range(line.pool, block, bytes.substr(9, 9), 1);
  CHECK(line.queue.events() == 2);
  CHECK(line.queue.bytes() == 18);
  asio::const_buffer buffers[8];
  CHECK(line.queue.gather(buffers, 8, 1000) == 1);
  CHECK(buffers[0].size() == 18);
  // Not next to it, and not of the same block.
  line.queue.push_range(line.pool, block, bytes.substr(0, 9), 1);
  line.queue.push_range(line.pool, other, {other->data() + 9, 9}, 1);
  CHECK(line.queue.gather(buffers, 8, 1000) == 3);
  line.write_all();
  CHECK(test::decode(line.written).data() == Texts{"a", "b", "a", "b"});
}

TEST_CASE("a gathered write is bounded in pieces and in bytes", "[stream][queue]") {
  Line line;
  const std::size_t size = line.send("1").size;
  for (int i = 0; i < 9; ++i) line.send("2");
  asio::const_buffer buffers[16];
  CHECK(line.queue.gather(buffers, 4, 1'000'000) == 4);
  CHECK(line.queue.gather(buffers, 16, 1) == 1);
  CHECK(line.queue.gather(buffers, 16, size + 1) == 2);
  CHECK(line.queue.gather(buffers, 16, 1'000'000) == 10);
}

TEST_CASE("who awaits an event is told when its last byte is taken", "[stream][queue]") {
  Line line;
  Texts told;
  const std::size_t first = line.send("1").size;
  QueueNode& awaited = line.send("2");
  awaited.waiter = make_ref<Waiter>("2", told);
  const std::size_t second = awaited.size;
  line.write(first + second - 1);
  CHECK(told.empty());
  line.write(1);
  CHECK(told == Texts{"2 done"});
}

TEST_CASE("who awaits an event that never goes out is told why", "[stream][queue]") {
  Line line;
  Texts told;
  line.send("1").waiter = make_ref<Waiter>("1", told);
  line.send("2").waiter = make_ref<Waiter>("2", told);
  line.write(3);
  line.queue.clear(line.pool, std::make_error_code(std::errc::broken_pipe));
  CHECK(told == Texts{"1: Broken pipe", "2: Broken pipe"});
  CHECK(line.queue.empty());
  CHECK(line.queue.bytes() == 0);
  // And the queue is as new.
  line.written.clear();
  line.send("3");
  line.write_all();
  CHECK(line.received() == Texts{"3"});
}

TEST_CASE("the oldest event makes room and leaves a gap that tells what follows", "[stream][overflow]") {
  Line line;
  for (const char* id : {"1", "2", "3"}) line.send(id);
  CHECK(line.queue.drop_oldest(line.pool));
  CHECK(line.queue.events() == 2);
  line.write_all();
  CHECK(line.received() == Texts{"before 2", "2", "3"});
}

TEST_CASE("several drops in a row are one gap", "[stream][overflow]") {
  Line line;
  for (const char* id : {"1", "2", "3", "4"}) line.send(id);
  for (int i = 0; i < 3; ++i) CHECK(line.queue.drop_oldest(line.pool));
  line.write_all();
  CHECK(line.received() == Texts{"before 4", "4"});
}

TEST_CASE("a gap grows as long as it has not begun to go out", "[stream][overflow]") {
  Line line;
  for (const char* id : {"1", "2", "3", "4"}) line.send(id);
  line.queue.drop_oldest(line.pool);
  SECTION("it has its bytes, but none is taken") {
    line.write(0);
  }
  SECTION("it has none yet") {}
  line.queue.drop_oldest(line.pool);
  line.write_all();
  CHECK(line.received() == Texts{"before 3", "3", "4"});
}

TEST_CASE("a gap that has begun to go out is followed by another one", "[stream][overflow]") {
  Line line;
  for (const char* id : {"1", "2", "3"}) line.send(id);
  line.queue.drop_oldest(line.pool);
  line.write(5);
  line.queue.drop_oldest(line.pool);
  line.write_all();
  CHECK(line.received() == Texts{"before 2", "before 3", "3"});
}

TEST_CASE("dropping what stands between two gaps makes them one", "[stream][overflow]") {
  Line line;
  line.send("1", "a");
  line.send("2", "b");
  line.send("3", "a");
  line.send("4", "c");
  CHECK(line.queue.drop_superseded(line.pool, "a") == 2);
  CHECK(line.queue.drop_superseded(line.pool, "b") == 1);
  line.send("5", "b");
  line.write_all();
  CHECK(line.received() == Texts{"before 4", "4", "5"});
}

TEST_CASE("a gap is told once, however often it grows", "[stream][overflow]") {
  Line line;
  std::size_t told = 0;
  const auto resolve = [&] {
    told += line.queue.resolve_gaps([](std::string_view) {
      EncodedEvent gap(Event("gap"));
      const std::string_view data = gap.bytes();
      return std::pair(std::move(gap), Rendition::uncompressed(data));
    });
  };
  for (int i = 0; i < 10; ++i) line.send(std::to_string(i));
  for (int i = 0; i < 5; ++i) {
    line.queue.drop_oldest(line.pool);
    resolve();
  }
  CHECK(told == 1);
}

TEST_CASE("an event that has begun to go out is never dropped", "[stream][overflow]") {
  Line line;
  for (const char* id : {"1", "2", "3"}) line.send(id);
  line.write(1);
  CHECK(line.queue.drop_oldest(line.pool));
  CHECK(line.queue.drop_oldest(line.pool));
  CHECK_FALSE(line.queue.drop_oldest(line.pool));
  line.send("4");
  line.write_all();
  CHECK(line.received() == Texts{"1", "before 4", "4"});
}

TEST_CASE("an awaited event, and what is no event of the program's own, is never dropped", "[stream][overflow]") {
  Line line;
  Texts told;
  line.push(Kind::raw, Event("greeting").id("a"));
  line.send("b").waiter = make_ref<Waiter>("b", told);
  line.push(Kind::replay, Event("old").id("c"));
  line.push(Kind::notice, Event("before what is gone").name("gap"));
  CHECK_FALSE(line.queue.drop_oldest(line.pool));
  CHECK(line.queue.drop_superseded(line.pool, "") == 0);
  line.write_all();
  CHECK(line.received() == Texts{"a", "b", "c", "before what is gone"});
  CHECK(told == Texts{"b done"});
}

TEST_CASE("coalescing keeps the newest event of each name", "[stream][overflow]") {
  Line line;
  line.send("1", "cpu");
  line.send("2", "disk");
  line.send("3", "cpu");
  line.send("4");
  line.send("5", "disk");
  // What comes next is a "cpu": it supersedes both of that name; and the older "disk" goes as well.
  CHECK(line.queue.drop_superseded(line.pool, "cpu") == 3);
  line.send("6", "cpu");
  line.write_all();
  CHECK(line.received() == Texts{"before 4", "4", "5", "6"});
}

TEST_CASE("coalescing leaves a gap where something is missing and nowhere else", "[stream][overflow]") {
  Line line;
  line.send("1", "a");
  line.send("2", "b");
  line.send("3", "a");
  line.send("4", "c");
  CHECK(line.queue.drop_superseded(line.pool, "b") == 2);
  line.send("5", "b");
  line.write_all();
  CHECK(line.received() == Texts{"before 3", "3", "4", "5"});
}

TEST_CASE("a gap at the very end can be taken back", "[stream][overflow]") {
  Line line;
  line.send("1");
  line.send("2");
  line.write(1);
  line.queue.drop_oldest(line.pool);
  line.queue.drop_last_gap(line.pool);
  line.send("3");
  line.write_all();
  CHECK(line.received() == Texts{"1", "3"});

  SECTION("also when it is all there is") {
    line.send("4");
    line.queue.drop_oldest(line.pool);
    line.queue.drop_last_gap(line.pool);
    CHECK(line.queue.empty());
    line.send("5");
    line.write_all();
    CHECK(line.received() == Texts{"1", "3", "5"});
  }
  SECTION("a gap in the middle stays") {
    line.send("4");
    line.send("5");
    line.queue.drop_oldest(line.pool);
    line.queue.drop_last_gap(line.pool);
    line.write_all();
    CHECK(line.received() == Texts{"1", "3", "before 5", "5"});
  }
}

// Whatever is pushed, dropped and taken: the client gets whole events in their order, and before each one exactly one
// gap if something between it and its predecessor is missing. Two, if the first had begun to go out as more was
// dropped.
TEST_CASE("a client always knows where events are missing", "[stream][overflow]") {
  std::mt19937 random(4711);
  const auto below = [&](std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
  };
  const std::string names[] = {"", "a", "b", "c"};
  for (int round = 0; round < 400; ++round) {
    Line line;
    Texts told;
    int sent = 0;
    const std::size_t most = 2 + below(12);
    for (int step = 0; step < 200; ++step) {
      const std::string& name = names[below(std::size(names))];
      switch (below(5)) {
        case 0:
        case 1:
        case 2:
          if (below(3) == 0) line.queue.drop_superseded(line.pool, name);
          while (line.queue.events() >= most && line.queue.drop_oldest(line.pool)) continue;
          if (line.queue.events() < most) {
            ++sent;
            QueueNode& node = line.send(std::to_string(sent), name, std::string(below(30), 'x'));
            if (below(10) == 0) node.waiter = make_ref<Waiter>(std::to_string(sent), told);
          }
          break;
        case 3:
        case 4: line.write(below(60)); break;
      }
      // The counts are those of what stands in the queue.
      std::size_t bytes = 0, events = 0;
      line.queue.for_each([&](const QueueNode& node) {
        if (node.kind != Kind::event) return;
        bytes += node.size;
        ++events;
      });
      REQUIRE(line.queue.bytes() == bytes);
      REQUIRE(line.queue.events() == events);
    }
    line.write_all();

    int before = 0;
    std::vector<int> gaps;
    for (const std::string& text : line.received()) {
      INFO(text);
      if (text.rfind("before ", 0) == 0) {
        gaps.push_back(std::stoi(text.substr(7)));
        continue;
      }
      const int id = std::stoi(text);
      REQUIRE(id > before);
      REQUIRE((id == before + 1) == gaps.empty());
      gaps.insert(gaps.begin(), before + 1);
      REQUIRE(gaps.back() == id);
      REQUIRE(std::adjacent_find(gaps.begin() + 1, gaps.end(), std::greater_equal<>()) == gaps.end());
      gaps.clear();
      before = id;
    }
    // Each of those who waited was told, once, in the order of the events.
    REQUIRE(std::is_sorted(told.begin(), told.end(),
                           [](const std::string& a, const std::string& b) { return std::stoi(a) < std::stoi(b); }));
    REQUIRE(std::adjacent_find(told.begin(), told.end()) == told.end());
  }
}

TEST_CASE("the pool gives back what it was given, and starts afresh each time", "[stream][queue]") {
  NodePool pool;
  QueueNode* node = pool.take();
  Texts told;
  node->waiter = make_ref<Waiter>("1", told);
  node->event = EncodedEvent(Event("x"));
  pool.give(node);
  QueueNode* again = pool.take();
  CHECK(again == node);
  CHECK_FALSE(again->waiter);
  CHECK_FALSE(again->event);
  CHECK(again->next == nullptr);
  pool.give(again);
}

TEST_CASE("the gap event says what was asked for, what there is, and why", "[stream][gap]") {
  const auto data_of = [](const EncodedEvent& event) { return test::decode(event.bytes()).events.at(0).data; };
  const EncodedEvent overflow = encode_gap("gap", {}, "e-7", "overflow", {});
  CHECK(overflow.name() == "gap");
  CHECK(overflow.id().empty());
  CHECK_FALSE(test::decode(overflow.bytes()).events.at(0).id);
  CHECK(data_of(overflow) == R"({"requested":null,"oldest":"e-7","reason":"overflow"})");

  const EncodedEvent trimmed = encode_gap("lost", "e-3", "e-7", "trimmed", "e-6");
  CHECK(trimmed.name() == "lost");
  CHECK(trimmed.id() == "e-6");
  CHECK(data_of(trimmed) == R"({"requested":"e-3","oldest":"e-7","reason":"trimmed"})");

  CHECK(data_of(encode_gap("gap", "x", {}, "unknown", "e-9")) ==
        R"({"requested":"x","oldest":null,"reason":"unknown"})");
}

TEST_CASE("a cursor from outside cannot break the gap event", "[stream][gap]") {
  // The cursor is what some client sent: quotes, bytes that are no UTF-8, line ends of every kind.
  const std::string cursor = "\"}\r\ndata: forged\n\n\xff\\";
  const auto decoded = test::decode(encode_gap("gap", cursor, {}, "unknown", "e-9").bytes());
  REQUIRE(decoded.events.size() == 1);
  CHECK(decoded.events[0].data.find('\n') == std::string::npos);
  CHECK(decoded.events[0].data.find("\\\"}\\u000d\\ndata: forged\\n\\n") != std::string::npos);
  CHECK(decoded.events[0].data.find("\xef\xbf\xbd") != std::string::npos);
}

}  // namespace spate::detail
