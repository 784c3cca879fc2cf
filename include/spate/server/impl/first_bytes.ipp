// The functions of first_bytes.hpp.
#pragma once

#include <asio/error.hpp>

#include <spate/config.hpp>
#include <spate/server/detail/begin_connection.hpp>
#include <spate/server/detail/first_bytes.hpp>

namespace spate::detail {

SPATE_DECL void FirstBytes::start() {
  peer_.set_resident(Ref<Resident>(this));
  const auto wait = server_->options.request_timeout;
  if (wait.count() > 0) shard_->set_timer(*this, shard_->now() + wait);
  on_readable();
}

SPATE_DECL bool FirstBytes::on_readable() {
  const Ref<FirstBytes> alive(this);
  const std::string_view preface = server_->options.http2->preface();
  while (peer_) {
    char buffer[4096];
    std::error_code error;
    const std::size_t size = peer_.read(buffer, sizeof buffer, error);
    if (error == asio::error::would_block) return true;
    if (error) {
      close();
      return false;
    }
    std::string_view bytes(buffer, size);
    if (!read_.empty()) bytes = read_.append(bytes);
    if (bytes.size() >= preface.size() || bytes != preface.substr(0, bytes.size())) {
      if (size == sizeof buffer) peer_.await_readable();  // there may be more
      begin(bytes);
      return false;
    }
    if (read_.empty()) read_ = bytes;
  }
  return false;
}

SPATE_DECL std::size_t FirstBytes::on_cut() {
  close();
  return 0;  // nothing had been asked yet
}

SPATE_DECL void FirstBytes::begin(std::string_view read) {
  shard_->set_timer(*this, never);
  ConnectionProtocol& http2 = *server_->options.http2;
  try {
    if (read.substr(0, http2.preface().size()) == http2.preface()) {
      return http2.begin(shard_, server_, hosts_, std::move(peer_), std::move(facts_), read);
    }
    begin_http1(shard_, server_, hosts_, std::move(peer_), std::move(facts_), read);
  } catch (...) {
    peer_.close();
    throw;
  }
}

SPATE_DECL void FirstBytes::close() {
  const Ref<FirstBytes> alive(this);
  shard_->set_timer(*this, never);
  peer_.close();
}

}  // namespace spate::detail
