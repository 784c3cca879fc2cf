// The functions of emitter.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/emitter.hpp>

namespace spate {

SPATE_DECL Emitter::Counts Emitter::counts() const {
  const auto [users, streams] = core_->counts();
  return {users, streams};
}

}  // namespace spate
