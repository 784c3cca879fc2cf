#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <spate/error.hpp>
#include <spate/registry/detail/shared_question.hpp>
#include "support/catch.hpp"

using namespace std::chrono_literals;
using Question = spate::detail::SharedQuestion<int>;

namespace {

/// Somebody who asks, and what they were told: a number, or "error".
class Asker {
 public:
  Question::Done hears() {
    return [this](std::error_code error, const std::shared_ptr<const int>& answer) {
      told.push_back(error ? "error" : std::to_string(*answer));
    };
  }
  std::vector<std::string> told;
};

using Told = std::vector<std::string>;

}  // namespace

TEST_CASE("a question is asked once for all who have it at the same time", "[registry][cluster]") {
  Question question;
  const Question::Clock::time_point now;
  Asker first, second, third;
  CHECK(question.add(first.hears(), now));
  CHECK_FALSE(question.add(second.hears(), now));
  CHECK_FALSE(question.add(third.hears(), now + 10s));  // the answer takes long
  CHECK(first.told.empty());
  question.answer({}, 7, now + 20s);
  for (const Asker* asker : {&first, &second, &third}) CHECK(asker->told == Told{"7"});
}

TEST_CASE("an answer serves those who come within a second, and then it is asked for again", "[registry][cluster]") {
  Question question;
  const Question::Clock::time_point now;
  Asker first, soon, late;
  REQUIRE(question.add(first.hears(), now));
  question.answer({}, 7, now);
  CHECK_FALSE(question.add(soon.hears(), now + 999ms));
  CHECK(soon.told == Told{"7"});
  CHECK(question.add(late.hears(), now + 1s));
  CHECK(late.told.empty());
  question.answer({}, 8, now + 1s);
  CHECK(late.told == Told{"8"});
  CHECK(first.told == Told{"7"});
}

TEST_CASE("a question that failed is told to all who wait, and asked again by whoever comes next",
          "[registry][cluster]") {
  Question question;
  const Question::Clock::time_point now;
  Asker first, second, next;
  REQUIRE(question.add(first.hears(), now));
  CHECK_FALSE(question.add(second.hears(), now));
  question.answer(spate::Errc::bus_lost, {}, now);
  for (const Asker* asker : {&first, &second}) CHECK(asker->told == Told{"error"});
  CHECK(question.add(next.hears(), now));
}

TEST_CASE("who asks inside an answer is given that answer", "[registry][cluster]") {
  Question question;
  const Question::Clock::time_point now;
  Asker again;
  REQUIRE(question.add([&](std::error_code, const auto&) { CHECK_FALSE(question.add(again.hears(), now)); }, now));
  question.answer({}, 7, now);
  CHECK(again.told == Told{"7"});
}
