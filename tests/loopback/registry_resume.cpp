#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/emitter_server.hpp"
#include "support/texts.hpp"

using namespace spate::test;
using spate::EmitterOptions;
using spate::Event;
using spate::Gap;
using spate::ReplayLimits;
using spate::StreamOptions;

namespace {

ReplayLimits keeping(std::size_t events) {
  ReplayLimits limits;
  limits.max_events = events;
  return limits;
}

std::string gap_data(std::string_view requested, const std::string& oldest, std::string_view reason) {
  return "{\"requested\":\"" + std::string(requested) +
         "\",\"oldest\":" + (oldest.empty() ? "null" : "\"" + oldest + "\"") + ",\"reason\":\"" + std::string(reason) +
         "\"}";
}

/// The greeting with its id, as one text: "fresh@7" when the id is that of the event sent as number 7.
std::string greeting(EventClient& client, const EmitterServer& hub) {
  const auto event = client.next();
  REQUIRE(event.name == "greeting");
  REQUIRE(event.id);
  const std::string epoch = hub.id(0).substr(0, hub.id(0).size() - 1);
  REQUIRE(event.id->substr(0, epoch.size()) == epoch);
  return event.data + "@" + event.id->substr(epoch.size());
}

void check_gap(EventClient& client, const std::string& data, const std::string& position) {
  const auto gap = client.next();
  CHECK(gap.name == "gap");
  CHECK(gap.data == data);
  CHECK(gap.last_event_id == position);
}

}  // namespace

TEST_CASE("a stream begins with its position as the id of its greeting", "[registry][position]") {
  EmitterServer hub;
  // Before any event the position is the one before the first: never empty.
  EventClient first = hub.open("/anna?greet=1");
  CHECK(greeting(first, hub) == "fresh@0");
  for (int i = 1; i <= 3; ++i) hub.emitter.send(i % 2 == 0 ? "bert" : "anna", Event(std::to_string(i)));
  // Afterwards it is the newest id given out, whoever got the event.
  EventClient fresh = hub.open("/carl?greet=1");
  CHECK(greeting(fresh, hub) == "fresh@3");
  // On a resume it is the cursor presented, although events follow it.
  EventClient resumed = hub.open("/anna?greet=1", hub.id(1));
  CHECK(greeting(resumed, hub) == "resumed@1");
  CHECK(resumed.next().last_event_id == hub.id(3));
  EventClient current = hub.open("/anna?greet=1", hub.id(3));
  CHECK(greeting(current, hub) == "resumed@3");
  // All that is kept, from the position just before it.
  EventClient all = hub.open("/bert?greet=1", "earliest");
  CHECK(greeting(all, hub) == "resumed@1");
  CHECK(all.next().data == "2");
  EventClient nothing = hub.open("/carl?greet=1", "earliest");
  CHECK(greeting(nothing, hub) == "resumed@3");
  // The query will do as well as the header. (WHATWG 9.2.3)
  EventClient query = hub.open("/anna?greet=1&last_event_id=" + hub.id(0));
  CHECK(greeting(query, hub) == "resumed@0");
  CHECK(query.next_data(2) == Texts{"1", "3"});
}

TEST_CASE("without a greeting a frame with only the id tells the position", "[registry][position][plain]") {
  EmitterServer hub;
  hub.emitter.broadcast(Event("one"));
  EventClient fresh = hub.open("/anna"), resumed = hub.open("/anna", hub.id(0));
  std::string frame;
  fresh.connection().read_chunk(frame);
  CHECK(frame == "id: " + hub.id(1) + "\n\n");
  resumed.connection().read_chunk(frame);
  CHECK(frame == "id: " + hub.id(0) + "\n\n");
  CHECK(resumed.next().data == "one");
}

TEST_CASE("a client that drops before its first event resumes without loss", "[registry][resume]") {
  EmitterServer hub;
  EventClient fresh = hub.open("/anna?greet=1");
  const std::string position = fresh.next().last_event_id;
  fresh.connection().reset();
  REQUIRE(hub.comes_to(0));
  hub.emitter.send("anna", Event("missed"));
  hub.emitter.send_group("an", Event("missed by the group"));
  hub.emitter.broadcast(Event("missed by all"));
  EventClient again = hub.open("/anna?greet=1", position);
  CHECK(again.next_data(4) == Texts{"resumed", "missed", "missed by the group", "missed by all"});
  hub.emitter.send("anna", Event("live"));
  CHECK(again.next().data == "live");
}

TEST_CASE("a user is replayed what they were sent, and nothing of others", "[registry][privacy]") {
  EmitterServer hub;
  const Texts both{"anna", "bert"}, neither{"carl", "an"};
  hub.emitter.send("anna", Event("1 anna"));
  hub.emitter.send("bert", Event("2 bert"));
  hub.emitter.send_group("an", Event("3 an-"));
  hub.emitter.send_group("anna-", Event("4 anna--"));
  hub.emitter.send_group("b", Event("5 b-"));
  hub.emitter.send_group("", Event("6 -"));
  hub.emitter.send(both, Event("7 both"));
  hub.emitter.send(neither, Event("8 neither"));
  hub.emitter.broadcast(Event("9 all"));
  hub.emitter.send("ann", Event("10 ann"));
  const Texts for_anna{"1 anna", "3 an-", "6 -", "7 both", "9 all"};
  // The cursor is text from outside: another's tells where to begin, not who asks.
  for (const std::string& cursor : {std::string("earliest"), hub.id(0)}) {
    CHECK(hub.open("/anna", cursor).next_data(5) == for_anna);
    CHECK(hub.open("/bert", cursor).next_data(5) == Texts{"2 bert", "5 b-", "6 -", "7 both", "9 all"});
    CHECK(hub.open("/anna-", cursor).next_data(4) == Texts{"3 an-", "4 anna--", "6 -", "9 all"});
    CHECK(hub.open("/zoe", cursor).next_data(2) == Texts{"6 -", "9 all"});
  }
  EventClient at_berts = hub.open("/anna", hub.id(2));
  CHECK(at_berts.next_data(4) == Texts{"3 an-", "6 -", "7 both", "9 all"});
  // Nothing else follows but what is sent now.
  hub.emitter.send("anna", Event("live"));
  CHECK(at_berts.next().data == "live");
}

TEST_CASE("a filter applies to what is replayed", "[registry][filter]") {
  EmitterServer hub;
  for (int i = 0; i < 3; ++i) {
    hub.emitter.send("anna", Event("plain"));
    hub.emitter.send("anna", Event("note").name("note"));
    hub.emitter.broadcast(Event("alarm").name("alarm"));
  }
  EventClient notes = hub.open("/anna?event=note&event=message", hub.id(2)),
              none = hub.open("/anna?event=x", "earliest");
  CHECK(notes.next_data(4) == Texts{"plain", "note", "plain", "note"});
  hub.emitter.send("anna", Event("now").name("x"));
  hub.emitter.send("anna", Event("now").name("note"));
  CHECK(none.next().data == "now");
  CHECK(notes.next().data == "now");
}

TEST_CASE("what was trimmed is told, with where history begins again", "[registry][gap]") {
  EmitterServer hub(with_store(keeping(2)));
  for (int i = 1; i <= 5; ++i) hub.emitter.send("anna", Event(std::to_string(i)));
  hub.emitter.send("bert", Event("6"));  // of anna's, number 5 is left
  EventClient anna = hub.open("/anna?greet=1", hub.id(2));
  CHECK(greeting(anna, hub) == "fresh@4");
  check_gap(anna, gap_data(hub.id(2), hub.id(5), "trimmed"), hub.id(4));
  CHECK(anna.next().data == "5");
  // Whoever presents the position of the gap is not told again.
  EventClient again = hub.open("/anna?greet=1", hub.id(4));
  CHECK(greeting(again, hub) == "resumed@4");
  CHECK(again.next().data == "5");
  CHECK(hub.server.stats().gaps == 1);
}

TEST_CASE("when nothing is left of what was trimmed, what follows is what is sent next", "[registry][gap]") {
  EmitterServer hub(with_store(keeping(0)));
  hub.emitter.send("anna", Event("1"));
  hub.emitter.send("bert", Event("2"));
  EventClient late = hub.open("/anna?greet=1", hub.id(0));
  CHECK(greeting(late, hub) == "fresh@2");
  check_gap(late, gap_data(hub.id(0), "", "trimmed"), hub.id(2));
  hub.emitter.send("anna", Event("3"));
  CHECK(late.next().last_event_id == hub.id(3));
  CHECK(hub.server.stats().gaps == 1);
}

TEST_CASE("what was trimmed of others is no gap", "[registry][gap]") {
  EmitterServer hub(with_store(keeping(1)));
  hub.emitter.send("anna", Event("1"));
  for (int i = 2; i <= 5; ++i) hub.emitter.send("bert", Event(std::to_string(i)));
  EventClient anna = hub.open("/anna?greet=1", hub.id(1)), carl = hub.open("/carl?greet=1", hub.id(0)),
              bert = hub.open("/bert?greet=1", hub.id(4)), earliest = hub.open("/anna?greet=1", "earliest");
  CHECK(greeting(anna, hub) == "resumed@1");
  CHECK(greeting(carl, hub) == "resumed@0");
  CHECK(greeting(bert, hub) == "resumed@4");
  CHECK(bert.next().data == "5");
  // Who asks for what is kept is not told of what is not.
  CHECK(greeting(earliest, hub) == "resumed@5");
}

TEST_CASE("a gap names the first event that passes the filter", "[registry][gap][filter]") {
  EmitterServer hub(with_store(keeping(4)));
  for (int i = 1; i <= 8; ++i) hub.emitter.send("anna", Event(std::to_string(i)).name(i == 7 ? "note" : "other"));
  EventClient anna = hub.open("/anna?greet=1&event=note", hub.id(1)),
              bert = hub.open("/anna?greet=1&event=x", hub.id(1)),
              earliest = hub.open("/anna?greet=1&event=note", "earliest");
  CHECK(greeting(anna, hub) == "fresh@6");
  check_gap(anna, gap_data(hub.id(1), hub.id(7), "trimmed"), hub.id(6));
  CHECK(anna.next().data == "7");
  CHECK(greeting(bert, hub) == "fresh@8");
  check_gap(bert, gap_data(hub.id(1), "", "trimmed"), hub.id(8));
  CHECK(greeting(earliest, hub) == "resumed@6");
  CHECK(earliest.next().data == "7");
}

TEST_CASE("a cursor that this history did not give out is unknown, whatever it is", "[registry][gap]") {
  Journal gaps;
  EmitterOptions options = with_store();
  options.on_gap = [&](const Gap& gap) {
    gaps.add(gap.user + " " + gap.requested.substr(0, 20) + " " + gap.oldest + " " +
             std::string(to_string(gap.reason)));
  };
  EmitterServer hub(options);
  hub.emitter.send("anna", Event("one"));
  hub.emitter.broadcast(Event("two"));
  const std::string epoch = hub.id(0).substr(0, hub.id(0).size() - 2);
  std::size_t told = 0;
  for (const std::string& cursor :
       {hub.id(3), epoch + "-18446744073709551615", epoch + "-18446744073709551616", epoch + "-01", epoch + "-", epoch,
        epoch + "x-1", "x" + epoch + "-1", std::string("0"), std::string("Earliest"), std::string("a\\b"),
        std::string("caf\xC3\xA9"), std::string(10'000, '9'), epoch + "-" + std::string(10'000, '1')}) {
    CAPTURE(cursor.substr(0, 40), cursor.size());
    EventClient anna = hub.open("/anna?greet=1", cursor);
    CHECK(greeting(anna, hub) == "fresh@0");
    // Of one that is longer than any id only the beginning and the length are kept, and told.
    std::string quoted =
        cursor.size() <= 128 ? cursor : cursor.substr(0, 32) + "... (" + std::to_string(cursor.size()) + " bytes)";
    if (const std::size_t at = quoted.find('\\'); at != std::string::npos) quoted.insert(at, "\\");
    check_gap(anna, gap_data(quoted, hub.id(1), "unknown"), hub.id(0));
    CHECK(anna.next_data(2) == Texts{"one", "two"});
    CHECK(gaps.wait_for(++told).back() == "anna " + cursor.substr(0, 20) + " " + hub.id(1) + " unknown");
  }
  // Nothing is kept for them: the position is the newest.
  EmitterServer empty;
  EventClient nobody = empty.open("/anna?greet=1", "x");
  CHECK(greeting(nobody, empty) == "fresh@0");
  check_gap(nobody, gap_data("x", "", "unknown"), empty.id(0));
}

TEST_CASE("a cursor longer than any id is not kept, whichever way it comes", "[registry][gap][memory]") {
  EmitterServer hub;
  hub.emitter.send("anna", Event("one"));
  for (const std::size_t size : {128, 129, 7'000}) {
    const std::string cursor(size, 'x');
    const std::string told = size <= 128 ? cursor : std::string(32, 'x') + "... (" + std::to_string(size) + " bytes)";
    EventClient clients[] = {hub.open("/anna?greet=1", cursor), hub.open("/anna?greet=1&last_event_id=" + cursor),
                             hub.open("/anna?greet=1&lastEventId=" + cursor),
                             hub.open("/anna?greet=1&after=" + cursor)};
    for (EventClient& client : clients) {
      CHECK(greeting(client, hub) == "fresh@0");
      check_gap(client, gap_data(told, hub.id(1), "unknown"), hub.id(0));
      CHECK(client.next().data == "one");
    }
    // A poll is told as well, and where it goes on.
    Client poll(hub.port());
    poll.get("/anna?transport=poll&last_event_id=" + cursor);
    const std::string body = poll.read_reply().body;
    CHECK(body.size() < 600);
    CHECK(body.find("unknown") != std::string::npos);
    CHECK(body.find("\"last_event_id\":\"" + hub.id(1) + "\"") != std::string::npos);
  }
  CHECK(hub.stream(5).last_event_id() == std::string(32, 'x') + "... (129 bytes)");
}

TEST_CASE("a program may say where a stream begins, whatever its client presents", "[registry][position]") {
  EmitterServer hub;
  CHECK(hub.emitter.position() == hub.id(0));
  hub.emitter.send("anna", Event("one"));
  const std::string rendered_at = hub.emitter.position();
  CHECK(rendered_at == hub.id(1));
  hub.emitter.send("bert", Event("for bert"));
  hub.emitter.send("anna", Event("two"));
  CHECK(hub.emitter.position() == hub.id(3));

  EventClient page = hub.open("/anna?greet=1&after=" + rendered_at);
  CHECK(greeting(page, hub) == "resumed@1");
  CHECK(page.next().data == "two");
  EventClient overruled = hub.open("/anna?greet=1&after=" + rendered_at, hub.id(0));
  CHECK(greeting(overruled, hub) == "resumed@1");
  CHECK(overruled.next().data == "two");
  EventClient all = hub.open("/anna?greet=1&after=earliest");
  CHECK(greeting(all, hub) == "resumed@0");
  CHECK(all.next_data(2) == Texts{"one", "two"});
  // The empty text is now.
  EventClient now = hub.open("/anna?greet=1&after=", hub.id(0));
  CHECK(greeting(now, hub) == "fresh@3");
  // What a program made up is as unknown as what a client did.
  EventClient unknown = hub.open("/anna?greet=1&after=nonsense");
  CHECK(greeting(unknown, hub) == "fresh@0");
  check_gap(unknown, gap_data("nonsense", hub.id(1), "unknown"), hub.id(0));
}

TEST_CASE("an emitter without a store has no position", "[registry][position]") {
  spate::Emitter emitter;
  emitter.send("anna", Event("one"));
  CHECK(emitter.position().empty());
}

TEST_CASE("an event too large to be kept is told once, and what is kept around it follows", "[registry][gap][bytes]") {
  ReplayLimits limits;
  limits.max_bytes = 200'000;
  StreamOptions options;
  options.max_queued_bytes = 1'000'000;
  EmitterServer hub(with_store(limits), options);
  EventClient anna = hub.open("/anna?greet=1");
  CHECK(greeting(anna, hub) == "fresh@0");
  // More than is drawn at a time, before it and after it.
  for (int i = 1; i <= 3; ++i) hub.emitter.send("anna", Event(std::string(20'000, static_cast<char>('0' + i))));
  hub.emitter.send("anna", Event(std::string(300'000, 'x')));
  for (int i = 5; i <= 7; ++i) hub.emitter.send("anna", Event(std::string(20'000, static_cast<char>('0' + i))));
  hub.emitter.send("bert", Event("for bert"));
  // Who was there has it.
  for (int i = 1; i <= 7; ++i) CHECK(anna.next().last_event_id == hub.id(static_cast<std::uint64_t>(i)));

  EventClient missed = hub.open("/anna?greet=1", hub.id(1));
  CHECK(greeting(missed, hub) == "fresh@1");
  check_gap(missed, gap_data(hub.id(1), hub.id(2), "trimmed"), hub.id(1));
  for (const int i : {2, 3, 5, 6, 7}) CHECK(missed.next().last_event_id == hub.id(static_cast<std::uint64_t>(i)));
  // Behind it nothing is missing, and of others' nothing ever was.
  EventClient behind = hub.open("/anna?greet=1", hub.id(4));
  CHECK(greeting(behind, hub) == "resumed@4");
  EventClient bert = hub.open("/bert?greet=1", hub.id(0));
  CHECK(greeting(bert, hub) == "resumed@0");
  CHECK(bert.next().data == "for bert");
  // All that is kept is no gap.
  EventClient all = hub.open("/anna?greet=1", "earliest");
  CHECK(greeting(all, hub) == "resumed@0");
  for (const int i : {1, 2, 3, 5, 6, 7}) CHECK(all.next().last_event_id == hub.id(static_cast<std::uint64_t>(i)));
  hub.emitter.send("anna", Event("live"));
  for (EventClient* client : {&missed, &all}) CHECK(client->next().data == "live");
}

#if !defined(_WIN32)
TEST_CASE("emitters that were forked from one give different ids", "[registry][id][fork]") {
  spate::Emitter emitter(with_store());
  emitter.send("anna", Event("before"));
  int pipe[2];
  REQUIRE(::pipe(pipe) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const std::string id = emitter.send("anna", Event("x")).id;
    ::_exit(::write(pipe[1], id.data(), id.size()) == static_cast<ssize_t>(id.size()) ? 0 : 1);
  }
  const std::string here = emitter.send("anna", Event("x")).id;
  int status = 1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  char there[128];
  const ssize_t size = ::read(pipe[0], there, sizeof there);
  REQUIRE(size > 0);
  ::close(pipe[0]);
  ::close(pipe[1]);
  CAPTURE(here, std::string(there, static_cast<std::size_t>(size)));
  CHECK(here.substr(0, here.find('-')) != std::string(there, static_cast<std::size_t>(size)).substr(0, here.find('-')));
}
#endif

TEST_CASE("the cursor of a store that is gone is unknown to its successor", "[registry][gap]") {
  std::string before;
  {
    EmitterServer hub;
    hub.emitter.send("anna", Event("before"));
    before = hub.id(1);
  }
  EmitterServer hub;
  hub.emitter.send("anna", Event("after"));
  REQUIRE(before != hub.id(1));
  EventClient anna = hub.open("/anna?greet=1", before);
  CHECK(greeting(anna, hub) == "fresh@0");
  check_gap(anna, gap_data(before, hub.id(1), "unknown"), hub.id(0));
  CHECK(anna.next().data == "after");
}

TEST_CASE("a store that keeps nothing gives out ids and tells what was missed", "[registry][gap]") {
  EmitterServer hub(with_store(keeping(0)));
  EventClient anna = hub.open("/anna?greet=1");
  CHECK(greeting(anna, hub) == "fresh@0");
  hub.emitter.send("anna", Event("one"));
  CHECK(anna.next().last_event_id == hub.id(1));
  EventClient missed = hub.open("/anna?greet=1", hub.id(0)), current = hub.open("/anna?greet=1", hub.id(1));
  CHECK(greeting(missed, hub) == "fresh@1");
  check_gap(missed, gap_data(hub.id(0), "", "trimmed"), hub.id(1));
  CHECK(greeting(current, hub) == "resumed@1");
  hub.emitter.broadcast(Event("two"));
  for (EventClient* client : {&anna, &missed, &current}) CHECK(client->next().data == "two");
}

TEST_CASE("a program that wants no gap event is told all the same", "[registry][gap]") {
  Journal gaps;
  EmitterOptions options = with_store(keeping(1));
  options.on_join = [&](const std::string& user) { gaps.add("join " + user); };
  options.on_gap = [&](const Gap& gap) { gaps.add("gap " + gap.user + " " + std::string(to_string(gap.reason))); };
  spate::StreamOptions streams;
  streams.gap_event.clear();
  EmitterServer hub(options, streams);
  hub.emitter.send("anna", Event("one"));
  hub.emitter.send("anna", Event("two"));
  EventClient anna = hub.open("/anna?greet=1", hub.id(0));
  CHECK(greeting(anna, hub) == "fresh@1");
  CHECK(anna.next().data == "two");
  // Who is told of a gap has heard of its user before.
  CHECK(gaps.wait_for(2) == Texts{"join anna", "gap anna trimmed"});
}

TEST_CASE("every cut leaves a place from which nothing is lost and nothing comes twice", "[registry][resume]") {
  EmitterServer hub;
  EventClient client = hub.open("/anna?greet=1");
  std::string cursor = client.next().last_event_id;
  client.connection().close();
  std::uint64_t sent = 0, received = 0;
  for (int cut = 0; cut < 30; ++cut) {
    for (int i = 0; i < cut % 4; ++i) hub.emitter.send("anna", Event(std::to_string(++sent)));
    EventClient next = hub.open(cut % 2 == 0 ? "/anna?greet=1" : "/anna", cursor);
    if (cut % 2 == 0) CHECK(next.next().last_event_id == cursor);
    for (int i = 0; i < cut % 3; ++i) hub.emitter.broadcast(Event(std::to_string(++sent)));
    // It reads some of it, and goes.
    for (int i = 0; i < cut % 5 && received < sent; ++i) {
      const auto event = next.next();
      REQUIRE(event.data == std::to_string(++received));
      cursor = event.last_event_id;
    }
    if (cut % 2 == 0) {
      next.connection().reset();
    } else {
      next.connection().close();
    }
  }
  EventClient last = hub.open("/anna", cursor);
  while (received < sent) REQUIRE(last.next().data == std::to_string(++received));
}
