// Who is registered, and what their coming and going brings with it.
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/registry/detail/members.hpp>
#include "support/catch.hpp"
#include "support/registry_parts.hpp"

namespace {

using spate::Audience;
using spate::EmitterOptions;
using spate::UserStreams;
using spate::detail::Poll;
using spate::detail::Ref;
using spate::detail::Subscription;
using spate::detail::TransportChoice;
using spate::test::RegistryParts;
using Users = std::vector<std::string>;

/// A bus that notes what it is told of who is here.
class NotingBus final : public spate::Bus {
 public:
  bool keeps_log() const noexcept override { return false; }
  std::error_code publish(const Audience&, const spate::Event&, Published) override { return {}; }
  void attach(std::shared_ptr<spate::BusListener>) override {}
  void detach() override {}
  void changed(std::string_view user, std::size_t streams) override {
    told.push_back(std::string(user) + " " + std::to_string(streams));
  }
  void ask_newest(Published) override {}
  void ask_users(std::function<void(std::error_code, std::vector<UserStreams>)>) override {}
  void ask_counts(std::function<void(std::error_code, spate::UserCounts)>) override {}
  spate::BusStatus status() const override { return {}; }

  std::vector<std::string> told;
};

Ref<Subscription> poll_of(RegistryParts& parts, std::string client) {
  TransportChoice choice;
  choice.transport = spate::Transport::poll;
  choice.client = std::move(client);
  return parts.subscription({}, std::move(choice));
}

}  // namespace

TEST_CASE("a user is there from their first stream to their last", "[registry]") {
  const auto bus = std::make_shared<NotingBus>();
  EmitterOptions options;
  options.bus = bus;
  RegistryParts parts({}, false, options);
  const Ref<Subscription> first = parts.subscription(), second = parts.subscription();
  parts.insert("anna", first);
  parts.insert("anna", second);
  CHECK(parts.members.contains("anna"));
  CHECK(parts.members.counts().users == 1);
  CHECK(parts.members.counts().streams == 2);
  parts.members.remove(*first);
  CHECK(parts.members.contains("anna"));
  parts.members.remove(*second);
  CHECK_FALSE(parts.members.contains("anna"));
  CHECK(parts.members.any() == nullptr);
  CHECK(bus->told == std::vector<std::string>{"anna 1", "anna 2", "anna 1", "anna 0"});
}

TEST_CASE("a subscription is found by its stream, and taken out once", "[registry]") {
  RegistryParts parts;
  const Ref<Subscription> anna = parts.subscription(), other = parts.subscription();
  parts.insert("anna", anna);
  CHECK(parts.members.find(anna->stream()) == anna);
  CHECK_FALSE(parts.members.find(other->stream()));
  parts.members.remove(*anna);
  CHECK_FALSE(parts.members.find(anna->stream()));
  parts.members.remove(*anna);
  CHECK(parts.members.counts().streams == 0);
}

TEST_CASE("users are listed in the order of their bytes", "[registry]") {
  RegistryParts parts;
  for (const char* const user : {"team-b", "anna", "team-a"}) parts.insert(user, parts.subscription());
  CHECK(parts.members.ids("") == Users{"anna", "team-a", "team-b"});
  CHECK(parts.members.ids("team-") == Users{"team-a", "team-b"});
  CHECK(parts.members.users_after("anna", 1) == std::vector<UserStreams>{{"team-a", 1}});
}

TEST_CASE("an event counts those who take it", "[registry][filter]") {
  RegistryParts parts;
  parts.insert("anna", parts.subscription({"note"}));
  parts.insert("anna", parts.subscription());
  parts.insert("bert", parts.subscription());
  CHECK(parts.members.listeners("note") == 3);
  CHECK(parts.members.listeners("other") == 2);
  CHECK(parts.members.listeners(Audience::user("anna"), "note") == 2);
  CHECK(parts.members.listeners(Audience::user("anna"), "other") == 1);
  CHECK(parts.members.listeners(Audience::everybody(), "other") == 2);
}

TEST_CASE("one stream more than a user may have takes the place of the oldest", "[registry]") {
  EmitterOptions options;
  options.max_streams_per_user = 2;
  RegistryParts parts({}, false, options);
  const Ref<Subscription> first = parts.subscription(), second = parts.subscription(), third = parts.subscription();
  parts.insert("anna", first);
  parts.insert("anna", second);
  CHECK(parts.replaced.empty());
  parts.insert("anna", third);
  REQUIRE(parts.replaced.size() == 1);
  CHECK(parts.replaced[0] == first);
  // Another user's streams are their own.
  parts.insert("bert", parts.subscription());
  CHECK(parts.replaced.size() == 1);
  CHECK(parts.members.counts().streams == 3);
}

TEST_CASE("a client that polls stays registered between two polls", "[registry][poll]") {
  RegistryParts parts;
  const Ref<Subscription> first = poll_of(parts, "tab");
  parts.insert("anna", first);
  const Ref<Poll> graced = parts.members.begin_grace(*first);
  REQUIRE(graced);
  CHECK(first->user == nullptr);
  CHECK(parts.members.counts().streams == 1);
  // It is counted, though nothing can be sent to it.
  CHECK(parts.members.listeners(Audience::user("anna"), "note") == 1);
  // It asks again, and takes its own place.
  const Ref<Subscription> second = poll_of(parts, "tab");
  parts.insert("anna", second);
  CHECK(parts.members.counts().streams == 1);
  CHECK(parts.replaced.empty());
  CHECK(graced->user == nullptr);
  // Its grace was over; when the time comes nothing is left to do.
  parts.members.remove(*graced);
  CHECK(parts.members.counts().streams == 1);
}

TEST_CASE("a poll takes the place of one of the same client that still waits", "[registry][poll]") {
  RegistryParts parts;
  const Ref<Subscription> first = poll_of(parts, "tab"), second = poll_of(parts, "tab"), other = poll_of(parts, "b");
  parts.insert("anna", first);
  parts.insert("anna", other);
  CHECK(parts.replaced.empty());
  parts.insert("anna", second);
  REQUIRE(parts.replaced.size() == 1);
  CHECK(parts.replaced[0] == first);
  CHECK(parts.members.counts().streams == 2);
}

TEST_CASE("one client more than may poll takes the place of one whose grace has begun, else of the oldest",
          "[registry][poll]") {
  EmitterOptions options;
  options.max_polls_per_user = 2;
  RegistryParts parts({}, false, options);
  const Ref<Subscription> first = poll_of(parts, "a"), second = poll_of(parts, "b");
  parts.insert("anna", first);
  parts.insert("anna", second);
  const Ref<Poll> graced = parts.members.begin_grace(*second);
  parts.insert("anna", poll_of(parts, "c"));
  CHECK(graced->user == nullptr);
  CHECK(parts.replaced.empty());
  parts.insert("anna", poll_of(parts, "d"));
  REQUIRE(parts.replaced.size() == 1);
  CHECK(parts.replaced[0] == first);
  CHECK(parts.members.counts().streams == 2);
}

TEST_CASE("a poll that was not asked again in time is gone, and a stream has no grace", "[registry][poll]") {
  RegistryParts parts;
  const Ref<Subscription> poll = poll_of(parts, "tab"), stream = parts.subscription();
  parts.insert("anna", poll);
  const Ref<Poll> graced = parts.members.begin_grace(*poll);
  parts.members.remove(*graced);
  CHECK_FALSE(parts.members.contains("anna"));
  parts.insert("anna", stream);
  CHECK_FALSE(parts.members.begin_grace(*stream));
  CHECK(stream->user != nullptr);
}

TEST_CASE("one that is withdrawn was never there", "[registry]") {
  const auto bus = std::make_shared<NotingBus>();
  EmitterOptions options;
  options.bus = bus;
  RegistryParts parts({}, false, options);
  const Ref<Subscription> anna = parts.subscription();
  parts.insert("anna", anna);
  parts.members.undo_insert("anna", *anna, {});
  CHECK_FALSE(parts.members.contains("anna"));
  CHECK_FALSE(parts.members.find(anna->stream()));
  CHECK(bus->told.back() == "anna 0");
}

TEST_CASE("when another log begins all of it is newer than what was joined, whoever waits", "[registry][topic]") {
  RegistryParts parts;
  const Ref<Subscription> live = parts.subscription(), waiting = parts.subscription(), poll = poll_of(parts, "tab");
  waiting->live = false;
  for (const Ref<Subscription>& each : {live, waiting, poll}) {
    parts.insert("anna", each);
    CHECK(parts.members.join(*each, "red", 1000));
  }
  const Ref<Poll> graced = parts.members.begin_grace(*poll);
  parts.members.begin_generation();
  CHECK(live->topics().front().since == 0);
  CHECK(waiting->topics().front().since == 0);
  CHECK(graced->topics->joined().front().since == 0);
}
