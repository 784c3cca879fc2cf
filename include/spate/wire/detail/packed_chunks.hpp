// Several chunks of events in one piece of bytes, for one write.
#pragma once

#include <cstddef>
#include <string_view>

#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

struct PackedChunks {
  Ref<Block> block;
  std::size_t size = 0;

  std::string_view bytes() const noexcept { return {block->data(), size}; }
};

}  // namespace spate::detail
