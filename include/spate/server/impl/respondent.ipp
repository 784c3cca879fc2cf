// The functions of respondent.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/server/detail/respondent.hpp>

namespace spate::detail {

SPATE_DECL void Respondent::connection_lost(std::error_code error) const {
  if (stream) stream->connection_lost(error);
  if (pending) pending->connection_lost(error);
  if (pieces) pieces->over(error ? error : make_error_code(Errc::stream_closed));
}

SPATE_DECL void Respondent::cut() const {
  if (stream) stream->on_cut();
  if (pending) pending->connection_lost(Errc::shut_down);
  if (pieces) pieces->over(Errc::shut_down);
}

}  // namespace spate::detail
