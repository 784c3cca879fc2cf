// The functions of prometheus.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <locale>
#include <sstream>
#include <stdexcept>

#include <spate/config.hpp>
#include <spate/server/prometheus.hpp>
#include <spate/wire/detail/quote.hpp>
#include <spate/wire/detail/utf8.hpp>

namespace spate {
namespace detail {

inline bool is_metric_name(std::string_view text, std::string_view besides) {
  const auto may_begin = [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || besides.find(c) != std::string_view::npos;
  };
  return !text.empty() && may_begin(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return may_begin(c) || (c >= '0' && c <= '9'); });
}

// What is escaped in a line's text; in the value of a label quotes are as well. NUL ends the text for Prometheus
// itself, which would take none of the metrics; it has no escape, and becomes U+FFFD like what is no UTF-8.
inline void append_escaped_metric_text(std::string& out, std::string_view text, bool quotes) {
  for (const char c : repair_utf8(text)) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\0') {
      out += "\xEF\xBF\xBD";
      continue;
    }
    if (c == '\\' || (quotes && c == '"')) out += '\\';
    out += c;
  }
}

inline std::string label_text(const PrometheusText::Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    text += text.empty() ? '{' : ',';
    text.append(name).append("=\"");
    append_escaped_metric_text(text, value, true);
    text += '"';
  }
  if (!text.empty()) text += '}';
  return text;
}

inline PrometheusText::Labels joined_labels(PrometheusText::Labels labels, PrometheusText::Labels more) {
  for (auto& label : more) labels.push_back(std::move(label));
  return labels;
}

inline PrometheusText::Labels name_label(std::string_view label, const std::string& name) {
  if (name.empty()) return {};
  return {{std::string(label), name}};
}

}  // namespace detail

SPATE_DECL PrometheusText& PrometheusText::sample(std::string_view name, std::string_view type, std::string_view help,
                                                  std::string_view value, const Labels& labels) {
  Labels ordered = labels;
  std::sort(ordered.begin(), ordered.end());
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    const std::string& label = ordered[i].first;
    if (!detail::is_metric_name(label, {}) || label.starts_with("__")) {
      throw std::invalid_argument("spate::PrometheusText: not the name of a label: " + detail::quote(label));
    }
    if (i > 0 && label == ordered[i - 1].first) {
      throw std::invalid_argument("spate::PrometheusText: the label " + label + " is there twice in a sample of " +
                                  std::string(name));
    }
  }
  Family& of = family(name, type, help);
  if (!of.labels.insert(detail::label_text(ordered)).second) {
    throw std::invalid_argument("spate::PrometheusText: a second sample of " + std::string(name) +
                                detail::label_text(labels) + ", which a label should tell from the first");
  }
  of.samples.append(name).append(detail::label_text(labels)).append(" ").append(value).append("\n");
  return *this;
}

SPATE_DECL PrometheusText::Family& PrometheusText::family(std::string_view name, std::string_view type,
                                                          std::string_view help) {
  if (!detail::is_metric_name(name, ":")) {
    throw std::invalid_argument("spate::PrometheusText: not the name of a metric: " + detail::quote(name));
  }
  if (const auto found = by_name_.find(name); found != by_name_.end()) {
    Family& known = families_[found->second];
    if (known.type == type) return known;
    throw std::invalid_argument("spate::PrometheusText: " + std::string(name) + " is a " + std::string(known.type) +
                                " already, and no " + std::string(type));
  }
  Family fresh;
  fresh.type = type;
  fresh.head.append("# HELP ").append(name).append(" ");
  detail::append_escaped_metric_text(fresh.head, help, false);
  fresh.head.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
  families_.push_back(std::move(fresh));
  by_name_.emplace(name, families_.size() - 1);
  return families_.back();
}

// All digits that a double has, whatever the locale of the program.
SPATE_DECL std::string PrometheusText::decimal(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(std::numeric_limits<double>::max_digits10);
  text << value;
  return text.str();
}

SPATE_DECL std::string PrometheusText::str() const {
  std::string text;
  for (const Family& family : families_) {
    if (!family.samples.empty()) text.append(family.head).append(family.samples);
  }
  return text;
}

SPATE_DECL PrometheusText& PrometheusText::add(const EmitterStats& stats, const Labels& labels) {
  gauge("spate_streams", "Streams registered now.", stats.streams, labels);
  gauge("spate_users", "Users with a stream now.", stats.users, labels);
  counter("spate_events_total", "Events sent.", stats.events, labels);
  return stats.bus ? add(*stats.bus, labels) : *this;
}

SPATE_DECL PrometheusText& PrometheusText::add(const ServerStats& stats, const Labels& labels) {
  counter("spate_deliveries_total", "Events queued for a stream, each stream counted.", stats.deliveries, labels);
  counter("spate_bytes_sent_total", "Bytes of streams that the kernel took.", stats.bytes_sent, labels);
  counter("spate_compressed_bytes_total", "Those of compressed streams among them.", stats.compressed_bytes, labels);
  counter("spate_dropped_events_total", "Events that an overflow policy dropped.", stats.dropped_events, labels);

  // The reasons that an operator tells apart; what the program ends on purpose is one of them.
  const auto ended = [&](EndReason reason) { return stats.streams_ended[static_cast<std::size_t>(reason)]; };
  const auto reason = [&](std::string_view name, std::uint64_t value) {
    counter("spate_streams_ended_total", "Streams that have ended, by reason.", value,
            detail::joined_labels({{"reason", std::string(name)}}, labels));
  };
  using enum EndReason;
  reason("client", ended(client));
  reason("overflow", ended(overflow));
  reason("write_timeout", ended(write_timeout));
  reason("lifetime", ended(lifetime));
  reason("closed", ended(closed) + ended(completed) + ended(replaced) + ended(expired));
  reason("shutdown", ended(shutdown));
  reason("error", ended(error));

  const auto connections = [&](std::string_view protocol, std::string_view tls, std::uint64_t value) {
    gauge("spate_connections", "Connections open now, by protocol and encryption.", value,
          detail::joined_labels({{"protocol", std::string(protocol)}, {"tls", std::string(tls)}}, labels));
  };
  const OpenConnections& open = stats.open_connections;
  connections("http/1.1", "0", open.http1);
  connections("http/1.1", "1", open.http1_tls);
  connections("h2", "0", open.http2);
  connections("h2", "1", open.http2_tls);
  counter("spate_tls_handshake_failures_total", "TLS handshakes that failed or took too long.",
          stats.handshake_failures, labels);
  counter("spate_rejected_total", "Connections refused by a limit.", stats.rejected, labels);
  counter("spate_replayed_events_total", "Events drawn from the replay store.", stats.replayed_events, labels);
  counter("spate_gaps_total", "Gaps told to clients.", stats.gaps, labels);
  gauge("spate_queue_high_water_bytes", "Most bytes that ever waited for one client.", stats.queue_high_water_bytes,
        labels);
  return counter("spate_accept_errors_total", "Connections that could not be accepted.", stats.accept_errors, labels);
}

SPATE_DECL PrometheusText& PrometheusText::add(const BusStatus& status, const Labels& labels) {
  gauge("spate_bus_connected", "Whether there is a connection to the bus.", status.connected ? 1 : 0, labels);
  gauge("spate_bus_queued_events", "Events that wait for the bus.", status.queued, labels);
  gauge("spate_bus_queued_bytes", "Their bytes.", status.queued_bytes, labels);
  counter("spate_bus_published_total", "Events that the bus has confirmed.", status.published, labels);
  counter("spate_bus_received_total", "Events of other nodes.", status.received, labels);
  counter("spate_bus_refused_total", "Events refused because too many waited.", status.refused, labels);
  counter("spate_bus_reconnects_total", "Connections to the bus made again.", status.reconnects, labels);
  return counter("spate_bus_skipped_total", "Messages of the bus that could not be read.", status.skipped, labels);
}

SPATE_DECL std::string prometheus_text(const ServerStats& server) {
  return PrometheusText().gauge("spate_streams", "Streams open now.", server.streams).add(server).str();
}

SPATE_DECL std::string prometheus_text(const ServerStats& server, const EmitterStats& emitter) {
  return prometheus_text(server, std::vector<NamedEmitterStats>{{"", emitter}});
}

SPATE_DECL std::string prometheus_text(const ServerStats& server, const std::vector<NamedEmitterStats>& emitters) {
  return prometheus_text(std::vector<NamedServerStats>{{"", server}}, emitters);
}

// Those who listen first, as an operator looks for them; buses, which few have, last.
SPATE_DECL std::string prometheus_text(const std::vector<NamedServerStats>& servers,
                                       const std::vector<NamedEmitterStats>& emitters) {
  PrometheusText text;
  for (const auto& [name, stats] : emitters) {
    EmitterStats alone = stats;
    alone.bus.reset();
    text.add(alone, detail::name_label("emitter", name));
  }
  for (const auto& [name, stats] : servers) text.add(stats, detail::name_label("server", name));
  for (const auto& [name, stats] : emitters) {
    if (stats.bus) text.add(*stats.bus, detail::name_label("emitter", name));
  }
  return text.str();
}

}  // namespace spate
