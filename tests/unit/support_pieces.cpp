#include <string>

#include "support/catch.hpp"
#include "support/pieces.hpp"

using namespace spate::test;

TEST_CASE("pieces are the bytes between the cuts", "[support][pieces]") {
  const Pieces pieces = cut("abcdef", {2, 3});
  REQUIRE(pieces.size() == 3);
  CHECK(pieces[0].view() == "ab");
  CHECK(pieces[1].view() == "c");
  CHECK(pieces[2].view() == "def");
}

TEST_CASE("each way of cutting three bytes is visited once", "[support][pieces]") {
  std::string seen;
  for_each_cut("abc", [&](const Pieces& pieces) {
    for (const Piece& piece : pieces) seen += std::string(piece.view()) + "|";
    seen += " ";
  });
  CHECK(seen == "abc| a|bc| ab|c| a|b|c| ");
}
