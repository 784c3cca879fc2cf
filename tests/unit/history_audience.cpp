#include <string>
#include <string_view>
#include <vector>

#include <spate/history/audience.hpp>
#include "support/catch.hpp"

using spate::Audience;

TEST_CASE("an audience includes whom it names, byte by byte", "[history][audience]") {
  const std::vector<std::string> names{"alice", "bob", "alice"};
  const std::vector<std::string> nobody;
  const std::string composed = "caf\xC3\xA9", decomposed = "cafe\xCC\x81";

  CHECK(Audience::user("alice").includes("alice"));
  CHECK_FALSE(Audience::user("alice").includes("Alice"));
  CHECK_FALSE(Audience::user("alice").includes("alice2"));
  CHECK_FALSE(Audience::user("alice").includes("alic"));
  CHECK_FALSE(Audience::user(composed).includes(decomposed));

  CHECK(Audience::users(names).includes("bob"));
  CHECK(Audience::users(names).includes("alice"));
  CHECK_FALSE(Audience::users(names).includes("bo"));
  CHECK_FALSE(Audience::users(nobody).includes("alice"));

  // The user whose id is the prefix belongs to the group; one whose id is shorter does not.
  CHECK(Audience::group("team-").includes("team-"));
  CHECK(Audience::group("team-").includes("team-a"));
  CHECK_FALSE(Audience::group("team-").includes("team"));
  CHECK_FALSE(Audience::group("team-").includes("my-team-a"));
  CHECK(Audience::group("").includes("anybody"));
  // A group may end in the middle of a character.
  CHECK(Audience::group("caf\xC3").includes(composed));

  CHECK(Audience::everybody().includes("alice"));
  CHECK(Audience::everybody().includes(""));
}

TEST_CASE("an audience tells its kind and its names", "[history][audience]") {
  const std::vector<std::string> names{"a", "b"};
  CHECK(Audience::user("a").kind() == Audience::Kind::user);
  CHECK(Audience::user("a").name() == "a");
  CHECK(Audience::group("g").kind() == Audience::Kind::group);
  CHECK(Audience::group("g").name() == "g");
  CHECK(Audience::users(names).kind() == Audience::Kind::users);
  CHECK(Audience::users(names).names().size() == 2);
  CHECK(Audience::everybody().kind() == Audience::Kind::everybody);
}

TEST_CASE("a topic is for those who have joined it, from then on", "[history][audience]") {
  const spate::JoinedTopic joined[] = {{"red", 0}, {"blue", 5}};
  const spate::Subscriber anna("anna", joined);
  CHECK(Audience::topic("red").includes(anna, 1));
  CHECK_FALSE(Audience::topic("blue").includes(anna, 5));
  CHECK(Audience::topic("blue").includes(anna, 6));
  CHECK_FALSE(Audience::topic("green").includes(anna, 6));
  CHECK_FALSE(Audience::topic("anna").includes(anna, 6));
  CHECK_FALSE(Audience::topic("red").includes("anna"));
  const std::vector<std::string> topics{"green", "blue"};
  CHECK(Audience::topics(topics).includes(anna, 6));
  CHECK_FALSE(Audience::topics(topics).includes(anna, 5));
  CHECK(Audience::user("anna").includes(anna, 1));
  CHECK(Audience::group("an").includes(anna, 1));
  // Topics alone.
  const spate::Subscriber nobody({}, joined);
  CHECK_FALSE(Audience::everybody().includes(nobody, 1));
  CHECK_FALSE(Audience::group("").includes(nobody, 1));
  CHECK(Audience::topic("red").includes(nobody, 1));
}
