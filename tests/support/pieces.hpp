// Bytes cut into pieces, as a network delivers them. Each piece lies in a heap block of its exact size, so that a
// sanitizer sees a read past its end.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <vector>

namespace spate::test {

class Piece {
 public:
  explicit Piece(std::string_view bytes) : bytes_(new char[bytes.size()]), size_(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), bytes_.get());
  }
  std::string_view view() const noexcept { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_;
};

using Pieces = std::vector<Piece>;

/// `bytes` cut before each of the positions in `cuts`, which ascend.
inline Pieces cut(std::string_view bytes, const std::vector<std::size_t>& cuts) {
  Pieces pieces;
  std::size_t from = 0;
  for (const std::size_t to : cuts) {
    pieces.emplace_back(bytes.substr(from, to - from));
    from = to;
  }
  pieces.emplace_back(bytes.substr(from));
  return pieces;
}

/// Calls `run(const Pieces&)` with `bytes` whole, in two pieces in every way, and byte by byte.
template <typename Run>
void for_each_cut(std::string_view bytes, Run run) {
  run(cut(bytes, {}));
  for (std::size_t at = 1; at < bytes.size(); ++at) run(cut(bytes, {at}));
  std::vector<std::size_t> everywhere;
  for (std::size_t at = 1; at < bytes.size(); ++at) everywhere.push_back(at);
  run(cut(bytes, everywhere));
}

}  // namespace spate::test
