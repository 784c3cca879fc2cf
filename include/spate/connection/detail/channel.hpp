// Channel: an answer whose body may be written, and AnswerSink, which gives it away.
//
// Both belong to one shard. A channel is moved to whoever writes the body, and the connection ends with its peer.
#pragma once

#include <memory>
#include <string>

#include <spate/config.hpp>
#include <spate/connection/detail/framing.hpp>
#include <spate/http/header_fields.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/loop/detail/resident.hpp>
#include <spate/transport/detail/peer.hpp>

namespace spate::detail {

class AccessEntry;  // what the layer above tells an access log

struct Channel {
  Peer peer;                                      // to whom it is written; nobody when they have gone
  std::string head;                               // what is to be written before the body
  std::shared_ptr<AccessEntry> access = nullptr;  // of the answer; null without a log
};

/// Takes the answer to one request: as a response, or as the head of a stream, for whose body it gives its channel
/// away. It has the peer until then. Whoever is to answer holds a reference. Shard only.
class AnswerSink : public Resident {
 public:
  /// Whether the client has ended its side. Then it has gone, or waits for an answer: nobody can tell.
  virtual bool input_ended() const noexcept { return false; }

  /// Gives the answer to `request` away, whose head has `fields` and what its connection adds.
  virtual Channel open_channel(const Request& request, const HeaderFields& fields) = 0;

  /// Answers with `response` instead of a stream.
  virtual void answer(Response response) = 0;

  /// Answers with the head of a body in `framing` alone. Only a sink whose streams may be of Framing::none is asked.
  SPATE_DECL virtual void answer_head(const Request& request, const HeaderFields& fields, Framing framing);
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/connection/impl/channel.ipp>
#endif
