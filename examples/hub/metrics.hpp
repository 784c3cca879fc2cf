// The hub's metrics as Prometheus text, version 0.0.4.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <spate/registry/bus.hpp>
#include <spate/registry/emitter.hpp>
#include <spate/server/server_stats.hpp>

namespace hub {

/// `bus` is null when the hub is alone.
inline std::string metrics(const spate::ServerStats& stats, const spate::Emitter& emitter, const spate::Bus* bus) {
  std::string text;
  const auto head = [&](std::string_view name, std::string_view type, std::string_view help) {
    text.append("# HELP ").append(name).append(" ").append(help).append("\n");
    text.append("# TYPE ").append(name).append(" ").append(type).append("\n");
  };
  const auto metric = [&](std::string_view name, std::string_view type, std::string_view help, std::uint64_t value) {
    head(name, type, help);
    text.append(name).append(" ").append(std::to_string(value)).append("\n");
  };
  metric("spate_streams", "gauge", "Streams registered now.", emitter.stream_count());
  metric("spate_users", "gauge", "Users with a stream now.", emitter.user_count());
  metric("spate_events_total", "counter", "Events sent.", emitter.event_count());
  metric("spate_deliveries_total", "counter", "Events queued for a stream, each stream counted.", stats.deliveries);
  metric("spate_bytes_sent_total", "counter", "Bytes of streams that the kernel took.", stats.bytes_sent);
  metric("spate_compressed_bytes_total", "counter", "Those of compressed streams among them.", stats.compressed_bytes);
  metric("spate_dropped_events_total", "counter", "Events that an overflow policy dropped.", stats.dropped_events);

  // The reasons that an operator tells apart; what the program ends on purpose is one of them.
  const auto ended = [&](spate::EndReason reason) { return stats.streams_ended[static_cast<std::size_t>(reason)]; };
  using enum spate::EndReason;
  head("spate_streams_ended_total", "counter", "Streams that have ended, by reason.");
  const auto reason = [&](std::string_view name, std::uint64_t value) {
    text.append("spate_streams_ended_total{reason=\"").append(name).append("\"} ");
    text.append(std::to_string(value)).append("\n");
  };
  reason("client", ended(client));
  reason("overflow", ended(overflow));
  reason("write_timeout", ended(write_timeout));
  reason("lifetime", ended(lifetime));
  reason("closed", ended(closed) + ended(completed) + ended(replaced) + ended(expired));
  reason("shutdown", ended(shutdown));
  reason("error", ended(error));

  head("spate_connections", "gauge", "Connections open now, by protocol and encryption.");
  const auto connections = [&](std::string_view protocol, std::string_view tls, std::uint64_t value) {
    text.append("spate_connections{protocol=\"").append(protocol).append("\",tls=\"").append(tls).append("\"} ");
    text.append(std::to_string(value)).append("\n");
  };
  const spate::OpenConnections& open = stats.open_connections;
  connections("http/1.1", "0", open.http1);
  connections("http/1.1", "1", open.http1_tls);
  connections("h2", "0", open.http2);
  connections("h2", "1", open.http2_tls);
  metric("spate_tls_handshake_failures_total", "counter", "TLS handshakes that failed or took too long.",
         stats.handshake_failures);
  metric("spate_rejected_total", "counter", "Connections refused by a limit.", stats.rejected);
  metric("spate_replayed_events_total", "counter", "Events drawn from the replay store.", stats.replayed_events);
  metric("spate_gaps_total", "counter", "Gaps told to clients.", stats.gaps);
  metric("spate_queue_high_water_bytes", "gauge", "Most bytes that ever waited for one client.",
         stats.queue_high_water_bytes);
  metric("spate_accept_errors_total", "counter", "Connections that could not be accepted.", stats.accept_errors);
  if (bus == nullptr) return text;

  const spate::BusStatus status = bus->status();
  metric("spate_bus_connected", "gauge", "Whether there is a connection to the bus.", status.connected ? 1 : 0);
  metric("spate_bus_queued_events", "gauge", "Events that wait for the bus.", status.queued);
  metric("spate_bus_queued_bytes", "gauge", "Their bytes.", status.queued_bytes);
  metric("spate_bus_published_total", "counter", "Events that the bus has confirmed.", status.published);
  metric("spate_bus_received_total", "counter", "Events of other nodes.", status.received);
  metric("spate_bus_refused_total", "counter", "Events refused because too many waited.", status.refused);
  metric("spate_bus_reconnects_total", "counter", "Connections to the bus made again.", status.reconnects);
  metric("spate_bus_skipped_total", "counter", "Messages of the bus that could not be read.", status.skipped);
  return text;
}

}  // namespace hub
