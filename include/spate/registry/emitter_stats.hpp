// EmitterStats: how many listen to an emitter, what it has sent, and how its bus is, at one moment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <spate/registry/bus.hpp>

namespace spate {

struct EmitterStats {
  std::size_t users = 0;         // with a stream now, or a poll whose grace goes on
  std::size_t streams = 0;       // registered now
  std::uint64_t events = 0;      // sent so far
  std::optional<BusStatus> bus;  // nothing without a bus
};

}  // namespace spate
