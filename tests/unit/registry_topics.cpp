// Which streams have joined which topics.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/registry/detail/topics.hpp>
#include "support/catch.hpp"
#include "support/registry_parts.hpp"

namespace {

using spate::Audience;
using spate::detail::Ref;
using spate::detail::Subscription;
using spate::detail::TopicMember;
using spate::detail::Topics;
using spate::test::RegistryParts;
using Names = std::vector<std::string>;

const Topics::Told nobody_listens = [](const std::string&) {};

Names joined_by(const TopicMember& member) {
  Names names;
  for (const spate::JoinedTopic& each : member.joined()) names.push_back(each.name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST_CASE("topics and their members find each other, whoever joins and leaves", "[registry][topic]") {
  RegistryParts parts;
  const Names users{"anna", "bert", "carl"}, names{"red", "green", "blue", "black", "white"};
  constexpr std::size_t count = 12;
  std::vector<Ref<Subscription>> streams;
  for (std::size_t i = 0; i < count; ++i) streams.push_back(parts.subscription());
  Topics topics(true);
  std::vector<std::set<std::string>> model(count);
  std::vector<bool> registered(count, false);
  std::map<std::string, std::multiset<std::string>> told;  // what the hooks have said: topic to its users
  std::mt19937 random(7);
  const auto any = [&](std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random); };

  for (int step = 0; step < 4000; ++step) {
    const std::size_t at = any(count);
    const std::string &user = users[at % users.size()], &name = names[any(names.size())];
    TopicMember& member = streams[at]->obtain_topic_member();
    const Topics::Told came = [&](const std::string& topic) { told[topic].insert(user); };
    const Topics::Told goes = [&](const std::string& topic) {
      REQUIRE(told[topic].count(user) == 1);
      told[topic].erase(user);
    };
    if (!registered[at]) {
      topics.enter(member, user, came);
      registered[at] = true;
    } else if (any(10) == 0) {
      topics.before_leaving(member, goes);
      topics.leave_all(member);
      registered[at] = false;
      // It still knows what it had joined.
      CHECK(joined_by(member) == Names(model[at].begin(), model[at].end()));
    } else if (any(2) == 0) {
      CHECK(topics.join(member, user, name, 0, came) == model[at].insert(name).second);
    } else {
      CHECK(topics.leave(member, name, goes) == (model[at].erase(name) == 1));
    }
    if (step % 50 != 0) continue;
    for (const std::string& topic : names) {
      std::set<std::string> expected_users;
      std::multiset<const TopicMember*> expected, found;
      for (std::size_t i = 0; i < count; ++i) {
        if (!registered[i] || model[i].count(topic) == 0) continue;
        expected.insert(streams[i]->topic_member());
        expected_users.insert(users[i % users.size()]);
      }
      topics.for_each(Audience::topic(topic), 1, [&](const TopicMember& each) { found.insert(&each); });
      CHECK(found == expected);
      const Names users_found = topics.users(topic);
      CHECK(std::set<std::string>(users_found.begin(), users_found.end()) == expected_users);
      CHECK(told[topic] == std::multiset<std::string>(expected_users.begin(), expected_users.end()));
    }
    std::multiset<const TopicMember*> all, found;
    for (std::size_t i = 0; i < count; ++i) {
      if (registered[i] && (model[i].count("red") + model[i].count("blue")) > 0) all.insert(streams[i]->topic_member());
    }
    const Names two{"red", "blue", "red"};
    topics.for_each(Audience::topics(two), 1, [&](const TopicMember& each) { found.insert(&each); });
    CHECK(found == all);
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (registered[i]) topics.leave_all(*streams[i]->topic_member());
  }
  CHECK(topics.size() == 0);
}

TEST_CASE("whoever joined after an event is not found for it", "[registry][topic]") {
  RegistryParts parts;
  const Ref<Subscription> stream = parts.subscription();
  Topics topics(false);
  const std::string user = "anna";
  topics.join(stream->obtain_topic_member(), user, "red", 5, nobody_listens);
  const auto found = [&](std::uint64_t sequence) {
    int count = 0;
    topics.for_each(Audience::topic("red"), sequence, [&](const TopicMember&) { ++count; });
    return count;
  };
  CHECK(found(5) == 0);
  CHECK(found(6) == 1);
  CHECK(found(Topics::not_kept) == 1);
  stream->topic_member()->forget_since();
  CHECK(found(1) == 1);
  topics.leave_all(*stream->topic_member());
}
