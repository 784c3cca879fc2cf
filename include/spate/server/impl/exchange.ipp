// The functions of exchange.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/connection/detail/compressed_answer.hpp>
#include <spate/detail/access.hpp>
#include <spate/http/detail/status.hpp>
#include <spate/server/detail/exchange.hpp>

namespace spate::detail {

SPATE_DECL void Exchange::begin(Request request) {
  answers_.begin(request);
  or_fail([&] {
    if (const Route* admitted = std::exchange(admitted_, nullptr)) return handle(*admitted, std::move(request));
    RouteOrAnswer found = find_route(server_, hosts_, request, cors_);
    note_coding(found.route, request);
    note(request, found.route);
    if (found.answer) return put(std::move(*found.answer));
    authorize(*found.route, std::move(request));
  });
}

SPATE_DECL std::optional<Request> Exchange::decided(const std::exception_ptr& failure,
                                                    std::optional<Response> refused) {
  const Ref<Authorization> asked = std::move(respondent_.hook);
  std::optional<Request> head;
  body_awaited_ = asked->body_awaited;
  or_fail([&] {
    if (failure) std::rethrow_exception(failure);
    if (refused) return put(std::move(*refused));
    if (!asked->body_awaited) return handle(asked->route, asked->whole());
    if (admit(asked->route, asked->request)) head = asked->whole();
  });
  body_awaited_ = false;
  return head;
}

SPATE_DECL Exchange::AfterHead Exchange::begin_with_head(Request& request) {
  answers_.begin(request);
  body_awaited_ = true;
  or_fail([&] {
    RouteOrAnswer found = find_route(server_, hosts_, request, cors_);
    note_coding(found.route, request);
    note(request, found.route);
    if (found.answer) return put(std::move(*found.answer));
    const Route& route = *found.route;
    const AuthorizeHook& hook = route.options.authorize;
    if (route.options.authorize_on == AuthorizeOn::whole_request) return;
    if (const AuthorizeCoroutine* coroutine = hook.coroutine()) {
      respondent_.hook = make_ref<Authorization>(route, std::move(request));
      respondent_.hook->body_awaited = true;
      return Authorization::ask(*coroutine, respondent_.hook, Ref<Shard>(&shard_), Ref<VerdictSink>(&sink_));
    }
    if (const AuthorizeFunction& function = *hook.function()) {
      if (std::optional<Response> refused = function(request)) return put(std::move(*refused));
    }
    admit(route, request);
  });
  body_awaited_ = false;
  if (!answers_.empty()) return AfterHead::answer;
  return respondent_.hook ? AfterHead::verdict : AfterHead::body;
}

SPATE_DECL void Exchange::refuse(int status, std::string_view reason) {
  answers_.begin_refusal();
  cors_ = {};
  gzip_ = nullptr;
  put(Response::error(status, reason));
}

SPATE_DECL void Exchange::put(Response response) {
  respondent_ = {};
  if (draining() || body_awaited_) answers_.close_after();  // a body may come all the same
  cors_.apply(response);
  if (gzip_ != nullptr) compress(response, *gzip_, admits_gzip_);
  note_status(response.status());
  note_body(response.body().size());
  answers_.put(response);
}

SPATE_DECL void Exchange::note_coding(const Route* route, const Request& request) {
  gzip_ = shard_.gzip();
  if (gzip_ == nullptr) return;
  if (route != nullptr && route->options.compress == RouteOptions::Check::off) gzip_ = nullptr;
  admits_gzip_ = admits_gzip(request);
}

SPATE_DECL bool Exchange::put_head_of_pieces(Response response) {
  const std::string first(response.body());
  if (draining() || body_awaited_) answers_.close_after();
  cors_.apply(response);
  note_status(response.status());
  note_body(first.size());
  answers_.put_head_of_pieces(response.body({}));
  answers_.put_piece(first);
  if (!answers_.head_only()) return true;
  if (const Respondent asked = std::exchange(respondent_, {}); asked.pieces) asked.pieces->over({});
  return false;
}

SPATE_DECL void Exchange::begin_entry() {
  access_ = std::make_shared<AccessEntry>(server_.access, shard_, remote_.get());
}

SPATE_DECL void Exchange::note(const Request& request, const Route* route) {
  note_request();
  if (!access_) return;
  access_->set_request(request);
  if (route != nullptr) access_->record.route = route->pattern.text();
}

SPATE_DECL void Exchange::note_part(const Request& part) {
  note_request();
  if (access_) access_->set_first_line(part);
}

SPATE_DECL void Exchange::note_status(int status) noexcept {
  if (!access_) return;
  access_->record.status = status;
  access_->record.body_bytes = 0;
}

SPATE_DECL void Exchange::note_body(std::size_t size) noexcept {
  if (access_ && !answers_.head_only() && allows_body(access_->record.status)) access_->record.body_bytes += size;
}

SPATE_DECL void Exchange::log_answer(bool complete, std::size_t unsent) {
  if (const auto entry = std::exchange(access_, nullptr)) entry->end(shard_, complete, unsent);
}

SPATE_DECL void Exchange::authorize(const Route& route, Request&& request) {
  const AuthorizeHook& hook = route.options.authorize;
  if (const AuthorizeCoroutine* coroutine = hook.coroutine()) {
    respondent_.hook = make_ref<Authorization>(route, std::move(request));
    return Authorization::ask(*coroutine, respondent_.hook, Ref<Shard>(&shard_), Ref<VerdictSink>(&sink_));
  }
  if (const AuthorizeFunction& function = *hook.function()) {
    Authorization asked(route, std::move(request));
    if (std::optional<Response> refused = function(asked.request)) return put(std::move(*refused));
    return handle(route, asked.whole());
  }
  handle(route, std::move(request));
}

SPATE_DECL bool Exchange::admit(const Route& route, const Request& request) {
  if (route.handler.stream && !choice_of(request)) return false;
  admitted_ = &route;
  return true;
}

SPATE_DECL void Exchange::handle(const Route& route, Request&& request) {
  if (route.handler.value) return put(route.handler.value(request));
  if (route.handler.request) {
    const auto core = make_ref<PendingCore>(Ref<Shard>(&shard_), Ref<AnswerSink>(&sink_));
    respondent_.pending = core;
    return route.handler.request(std::make_shared<const Request>(std::move(request)),
                                 access::handle<PendingResponse>(core), server_.options.on_exception);
  }
  if (route.handler.pieces) {
    const auto core = make_ref<StreamedCore>(Ref<Shard>(&shard_), Ref<PieceSink>(&sink_));
    respondent_.pieces = core;
    return route.handler.pieces(std::make_shared<const Request>(std::move(request)),
                                access::handle<StreamedResponse>(core), server_.options.on_exception);
  }
  open_stream(route, std::move(request));
}

SPATE_DECL void Exchange::open_stream(const Route& route, Request&& request) {
  std::optional<TransportChoice> choice = choice_of(request);
  if (!choice) return;
  const Framing framing = framing_for(request);
  HeaderFields fields = cors_.fields;
  choice->gzip = gzip_ != nullptr && admits_gzip_;
  if (gzip_ != nullptr && choice->transport != Transport::poll) fields.emplace_back("Vary", "Accept-Encoding");
  if (choice->transport == Transport::iframe) {
    fields.emplace_back("Content-Security-Policy", (route.cors ? *route.cors : server_.cors).frame_ancestors());
  }
  if (answers_.head_only()) {
    // The same head, and nobody is registered. The connection may go on, as nothing follows. (RFC 9110 9.3.2)
    if (draining()) answers_.close_after();
    if (choice->gzip && choice->transport != Transport::poll) fields.emplace_back("Content-Encoding", "gzip");
    note_status(200);
    if (choice->transport != Transport::poll) {
      return answers_.put_stream_head(stream_fields(fields, choice->transport), framing);
    }
    Response response = Response::json(200, {});
    cors_.apply(response);
    if (gzip_ != nullptr) response.add_missing_headers({{"Vary", "Accept-Encoding"}});
    if (choice->gzip) response.header("Content-Encoding", "gzip");
    return answers_.put_head(response);
  }
  const auto expiry = request.expiry();
  const Ref<StreamSettings>& settings = route.streams ? route.streams : server_.stream_settings;
  respondent_.stream =
      make_ref<StreamCore>(Ref<Shard>(&shard_), settings, framing, Ref<AnswerSink>(&sink_),
                           std::make_shared<const Request>(std::move(request)), std::move(fields), *std::move(choice));
  const auto stream = access::handle<EventStream>(respondent_.stream);
  if (expiry) stream.expire_at(*expiry);
  route.handler.stream(stream, server_.options.on_exception);
  // The drain has passed already; the client gets its farewell all the same.
  if (draining()) access::core(stream)->on_drain();
}

SPATE_DECL std::optional<TransportChoice> Exchange::choice_of(const Request& request) {
  try {
    return choose_transport(request);
  } catch (const TransportRefused& error) {
    put(Response::error(error.status, error.what()));
    return std::nullopt;
  }
}

}  // namespace spate::detail
