// The header fields of a stream's answer.
#pragma once

#include <string_view>

#include <spate/config.hpp>
#include <spate/http/header_fields.hpp>
#include <spate/stream/transport.hpp>

namespace spate::detail {

/// Throws std::invalid_argument unless a stream's head may have the field.
inline void check_stream_field(std::string_view name, std::string_view value) {
  check_answer_field("spate::EventStream", name, value, {"Content-Type", "Date"});
}

/// All of them: `own`, CORS for instance, are added; of what is not fixed they replace what stands here.
SPATE_DECL HeaderFields stream_fields(const HeaderFields& own, Transport transport);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/stream_fields.ipp>
#endif
