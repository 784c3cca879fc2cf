// References that are counted in the object itself.
#include <functional>
#include <utility>

#include <spate/wire/detail/ref.hpp>
#include "support/catch.hpp"

namespace spate::detail {
namespace {

class Counted final : public RefCounted<Counted> {
 public:
  explicit Counted(std::function<void(Counted&)> ends) : ends_(std::move(ends)) {}
  ~Counted() { ends_(*this); }

 private:
  const std::function<void(Counted&)> ends_;
};

TEST_CASE("an object lives as long as somebody refers to it", "[wire][ref]") {
  int ended = 0;
  Ref<Counted> first = make_ref<Counted>([&](Counted&) { ++ended; });
  Ref<Counted> second = first;
  Ref<Counted> third = std::move(first);
  CHECK(second == third);
  second = nullptr;
  CHECK(ended == 0);
  // Also by a reference that was made from none.
  Ref<Counted> fourth = Ref<Counted>::try_make(third.get());
  CHECK(fourth == third);
  third = nullptr;
  CHECK(ended == 0);
  fourth = nullptr;
  CHECK(ended == 1);
}

TEST_CASE("an object that goes is referred to no more", "[wire][ref]") {
  int ended = 0;
  Ref<Counted> only = make_ref<Counted>([&](Counted& going) {
    CHECK_FALSE(Ref<Counted>::try_make(&going));
    ++ended;
  });
  only = nullptr;
  CHECK(ended == 1);
  CHECK_FALSE(Ref<Counted>::try_make(nullptr));
}

}  // namespace
}  // namespace spate::detail
