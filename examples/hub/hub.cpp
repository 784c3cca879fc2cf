// The hub: Spate at its main job. Users subscribe; whoever may publishes to one user, to a group, to a topic, or to
// everybody.
//
//   curl -N http://127.0.0.1:8080/sse/subscribe/alice
//   curl -d hello 'http://127.0.0.1:8080/sse/send/alice?event=note'
//   curl -d lunch http://127.0.0.1:8080/sse/group/al
//   curl -N 'http://127.0.0.1:8080/sse/subscribe/bob?topic=room-7&last=50'
//   curl -d hi http://127.0.0.1:8080/sse/topic/room-7
//   curl -d news http://127.0.0.1:8080/sse/broadcast
//   curl http://127.0.0.1:8080/sse/position
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/spate.hpp>

#include "common/pages.hpp"
#include "hub/access.hpp"
#include "hub/checks.hpp"
#include "hub/presence.hpp"
#include "hub/settings.hpp"
#include "pages/hub_index_html.hpp"

namespace hub {
namespace {

/// The last event of a stream that the hub ends on purpose.
std::optional<spate::Event> closing(spate::EndReason reason) {
  switch (reason) {
    case spate::EndReason::closed:
    case spate::EndReason::shutdown:
    case spate::EndReason::lifetime:
    case spate::EndReason::expired:
    case spate::EndReason::replaced:
      return spate::Event("{\"reason\":" + spate::json_string(to_string(reason)) + "}").name("closing");
    default: return std::nullopt;
  }
}

spate::Response unavailable(std::string_view why) {
  return spate::Response::error(503, why).header("Retry-After", "1");
}

spate::Response users_answer(std::error_code error, const std::vector<std::string>& names) {
  if (error) return unavailable(error.message());
  std::string list = "[";
  for (const std::string& name : names) {
    if (list.size() > 1) list += ',';
    list += spate::json_string(name);
  }
  return spate::Response::json(200, list + "]");
}

/// The users of all hubs, for those who ask: their list is written once for all who wait for it.
class ClusterUsers {
 public:
  explicit ClusterUsers(spate::Emitter& emitter) : emitter_(emitter) {}

  void add(spate::PendingResponse pending) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(pending));
      if (std::exchange(asked_, true)) return;
    }
    try {
      emitter_.async_cluster_users({}, [this](std::error_code error, const std::vector<std::string>& names) {
        const std::vector<spate::PendingResponse> all = take();
        const spate::Response answer = users_answer(error, names);
        for (const spate::PendingResponse& each : all) each.respond(answer);
      });
    } catch (...) {
      take();  // who goes unanswered is told that the server failed, and whoever comes next asks again
      throw;
    }
  }

 private:
  std::vector<spate::PendingResponse> take() {
    const std::lock_guard lock(mutex_);
    asked_ = false;
    return std::exchange(waiting_, {});
  }

  spate::Emitter& emitter_;
  std::mutex mutex_;
  std::vector<spate::PendingResponse> waiting_;
  bool asked_ = false;
};

class Hub {
 public:
  /// `executor` is where the bus runs, too.
  Hub(spate::Server& server, const Settings& settings, std::shared_ptr<spate::Bus> bus,
      const asio::any_io_executor& executor)
      : server_(server),
        access_(settings.access),
        bus_(std::move(bus)),
        presence_(executor, bus_ == nullptr),
        emitter_(emitter_options(settings)) {
    presence_.start(emitter_);
    examples::add_page(server, pages::hub_index_html);
    add_streams();
    add_publishing();
    add_topics();
    add_queries();
  }

  /// Lets the executor run out of work, when the server has stopped.
  void stop() { presence_.stop(); }

 private:
  spate::EmitterOptions emitter_options(const Settings& settings) {
    spate::EmitterOptions options;
    options.replay = settings.history.make_store(store_reason_);
    keeps_later_ = options.replay->keeps_later();
    presence_.add_hooks(options);
    options.bus = bus_;
    // Redis may be away for a while. Who resumes then rather waits than hears everything once more.
    options.resume_wait = std::chrono::seconds(30);
    // Where Redis only relays, publishers wait for the file and not for Redis.
    options.await_relay = false;
    options.poll_grace = settings.poll_grace;
    options.executor = server_.get_executor();
    return options;
  }

  // Before a handler: whether the client may at all, so that who may not learns nothing else; then `check`, which
  // throws BadRequest.
  static spate::RouteOptions guarded(Check may, std::function<void(const spate::Request&)> check) {
    spate::RouteOptions options;
    options.authorize = [may = std::move(may),
                         check = std::move(check)](spate::Request& request) -> std::optional<spate::Response> {
      if (auto refused = may(request)) return refused;
      try {
        check(request);
      } catch (const BadRequest& error) {
        return spate::Response::error(400, error.what());
      }
      return std::nullopt;
    };
    return options;
  }
  static void nothing(const spate::Request&) {}
  static void user(const spate::Request& request) { check_id(request.param("user"), "the user"); }

  void add_streams() {
    const auto subscribe = [this](const spate::EventStream& stream) {
      const auto request = stream.request();
      const std::string name(request->param("user"));
      spate::SubscribeOptions options;
      options.events = request->query_all("event");
      options.topics = request->query_all("topic");
      options.last = newest_wanted(*request);
      options.greeting = [name](bool resumed) {
        return spate::Event("{\"user\":" + spate::json_string(name) + ",\"resumed\":" + (resumed ? "true" : "false") +
                            "}")
            .name("connected");
      };
      if (!listens_to_presence(options.topics)) {
        emitter_.add(name, stream, options);
        return;
      }
      presence_.before([this, name, stream, options] {
        try {
          emitter_.add(name, stream, options);
        } catch (...) {
          stream.complete();  // for want of memory; the client comes back
        }
      });
    };
    const auto subscription = [](const spate::Request& request) {
      user(request);
      check_subscription(request);
    };
    server_.stream("/sse/subscribe/{user}", subscribe, guarded(access_.subscriber(), subscription));
  }

  void add_publishing() {
    const Check may = access_.publisher();
    const auto prefix = [](const spate::Request& request) { check_id(request.param("prefix"), "the prefix"); };
    const auto topic = [](const spate::Request& request) { check_topic(request.param("topic")); };
    const auto users = [](const spate::Request& request) {
      const std::vector<std::string> names = request.query_all("user");
      if (names.empty()) throw BadRequest("no user is given");
      for (const std::string& name : names) check_id(name, "the user");
    };
    // All but the data is said by the head: who waits to send a body is refused before.
    const auto sending = [&may](const auto& to) {
      return guarded(may, [to](const spate::Request& request) {
        to(request);
        check_event(request);
      });
    };

    server_.post(
        "/sse/send/{user}",
        [this](const spate::Request& request, spate::PendingResponse pending) {
          send(spate::Audience::user(request.param("user")), request, std::move(pending));
        },
        sending(user));
    server_.post(
        "/sse/send",
        [this](const spate::Request& request, spate::PendingResponse pending) {
          const std::vector<std::string> names = request.query_all("user");
          send(spate::Audience::users(names), request, std::move(pending));
        },
        sending(users));
    server_.post(
        "/sse/group/{prefix}",
        [this](const spate::Request& request, spate::PendingResponse pending) {
          send(spate::Audience::group(request.param("prefix")), request, std::move(pending));
        },
        sending(prefix));
    server_.post(
        "/sse/topic/{topic}",
        [this](const spate::Request& request, spate::PendingResponse pending) {
          send(spate::Audience::topic(request.param("topic")), request, std::move(pending));
        },
        sending(topic));
    server_.post(
        "/sse/broadcast",
        [this](const spate::Request& request, spate::PendingResponse pending) {
          send(spate::Audience::everybody(), request, std::move(pending));
        },
        sending(nothing));
    server_.post(
        "/sse/close/{user}",
        [this](const spate::Request& request) {
          return changed("closed", emitter_.remove(request.param("user"), scope(request)));
        },
        guarded(may, user));
  }

  void add_topics() {
    const auto check = [](const spate::Request& request) {
      user(request);
      topic_change(request);
    };
    server_.post(
        "/sse/topics/{user}",
        [this](const spate::Request& request) {
          const std::string_view name = request.param("user");
          const TopicChange change = topic_change(request);
          if (listens_to_presence(change.join)) presence_.before([] {});
          spate::ChangeReport report;
          if (!change.leave.empty()) report = emitter_.leave(name, change.leave, scope(request));
          if (!change.join.empty() && !report.error) report = emitter_.join(name, change.join, scope(request));
          return changed("streams", report);
        },
        guarded(access_.publisher(), check));
  }

  static spate::Scope scope(const spate::Request& request) {
    return Access::of_cluster(request) ? spate::Scope::cluster : spate::Scope::node;
  }

  static spate::Response changed(const std::string& what, const spate::ChangeReport& report) {
    if (report.error == spate::Errc::too_many_topics) return spate::Response::error(409, report.error.message());
    if (report.error) return unavailable(report.error.message());
    return spate::Response::json(200, "{\"" + what + "\":" + std::to_string(report.streams) + "}");
  }

  static bool listens_to_presence(const std::vector<std::string>& topics) {
    return std::find(topics.begin(), topics.end(), Presence::topic) != topics.end();
  }

  void add_queries() {
    const spate::RouteOptions observers = guarded(access_.observer(), nothing);
    const auto topic = [](const spate::Request& request) {
      const std::optional<std::string> name = single(request, "topic");
      if (!name) return;
      check_id(*name, "the topic");
      if (Access::of_cluster(request)) throw BadRequest("who listens to a topic each hub knows of its own users only");
    };
    const auto users = [this](const spate::Request& request, spate::PendingResponse pending) {
      if (const auto name = request.query("topic")) {
        pending.respond(users_answer({}, emitter_.topic_users(*name)));
        return;
      }
      if (!Access::of_cluster(request)) {
        pending.respond(users_answer({}, emitter_.users()));
        return;
      }
      cluster_users_.add(std::move(pending));
    };
    const auto count = [this](const spate::Request& request, spate::PendingResponse pending) {
      const auto answer = [pending](std::error_code error, spate::Emitter::Counts counts) {
        if (error) {
          pending.respond(unavailable(error.message()));
          return;
        }
        pending.respond(spate::Response::json(200, "{\"users\":" + std::to_string(counts.users) +
                                                       ",\"streams\":" + std::to_string(counts.streams) + "}"));
      };
      if (!Access::of_cluster(request)) return answer({}, emitter_.counts());
      emitter_.async_cluster_counts(answer);
    };
    server_.get("/sse/users", users, guarded(access_.observer(), topic));
    server_.get("/sse/count", count, observers);
    // No token is asked for: like /metrics it tells how much is sent, and neither to whom nor who is there.
    server_.get("/sse/position", [this](const spate::Request&) {
      const std::string id = emitter_.position();
      if (id.empty()) return unavailable("the log is not known yet");
      return spate::Response::json(200, "{\"id\":" + spate::json_string(id) + "}");
    });
    server_.get("/metrics", [this](const spate::Request&) {
      return spate::Response(200)
          .content_type(spate::prometheus_content_type)
          .body(spate::prometheus_text(server_.stats(), emitter_.stats()));
    });
    spate::HealthOptions checked;
    if (bus_) checked.checks.emplace_back([this] { return bus_->status().reason; });
    checked.checks.emplace_back([this] { return store_reason_(); });
    server_.get("/healthz", spate::health(server_, std::move(checked)));
  }

  // The answer waits while delivery is behind: a publisher who waits for answers cannot outrun it. With a log, or a
  // file, it waits until that has the event, which may still come to that when the publisher has given up.
  void send(const spate::Audience& audience, const spate::Request& request, spate::PendingResponse pending) {
    std::optional<spate::Event> event;
    try {
      event = event_of(request);
    } catch (const BadRequest& error) {
      pending.respond(spate::Response::error(400, error.what()));
      return;
    }
    const bool kept = event->kept();
    if ((bus_ && bus_->keeps_log()) || (keeps_later_ && kept)) {
      pending.expire_after(most_wait, unavailable("the event waits to be kept and may come yet"));
      emitter_.async_send(audience, *event, [pending, kept](std::error_code error, const spate::SendReport& report) {
        pending.respond(error ? unavailable(error.message()) : accepted(report, kept));
      });
      return;
    }
    spate::SendReport report = emitter_.send(audience, *event);
    if (emitter_.has_room()) return answer(pending, report, kept);
    emitter_.async_room([pending = std::move(pending), report = std::move(report), kept](std::error_code) {
      answer(pending, report, kept);
    });
  }

  static void answer(const spate::PendingResponse& pending, const spate::SendReport& report, bool kept) {
    pending.respond(report.error ? unavailable(report.error.message()) : accepted(report, kept));
  }

  // What is not kept has no id, though a log may count it.
  static spate::Response accepted(const spate::SendReport& report, bool kept) {
    const std::string id = kept ? spate::json_string(report.id) : "null";
    return spate::Response::json(202, "{\"id\":" + id + ",\"streams\":" + std::to_string(report.streams) + "}");
  }

  // How long a publisher waits for the log or the file.
  static constexpr std::chrono::seconds most_wait{5};

  spate::Server& server_;
  const Access access_;
  const std::shared_ptr<spate::Bus> bus_;
  StoreReason store_reason_;
  bool keeps_later_ = false;  // the store does
  Presence presence_;
  spate::Emitter emitter_;
  ClusterUsers cluster_users_{emitter_};
};

// One descriptor per client: take what the system allows.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) std::cerr << "hub: cannot raise the descriptor limit" << std::endl;
}

// Tells the other hubs that this one is gone, unless Redis takes too long.
void leave(spate::Bus& bus, asio::io_context& io) {
  bus.close();
  io.restart();
  io.run_for(std::chrono::seconds(1));
}

int run(int argc, char** argv) {
  Settings settings(argc, argv);
  spate::ServerOptions& options = settings.program.options;
  options.stream.farewell = closing;
  options.on_exception = [](std::exception_ptr exception) {
    try {
      std::rethrow_exception(exception);
    } catch (const std::exception& error) {
      std::cerr << "hub: " << error.what() << std::endl;
    } catch (...) {
      std::cerr << "hub: an exception of an unknown kind" << std::endl;
    }
  };
  raise_descriptor_limit();
  try {
    asio::io_context io{1};
    spate::Server server(options);
    const auto bus = settings.cluster.make_bus(io.get_executor(), settings.history.limits);
    Hub hub(server, settings, bus, io.get_executor());
    settings.encryption.reload_on_signal(io);
    const int status = settings.program.serve(io, server);
    settings.encryption.stop();
    hub.stop();
    if (bus) leave(*bus, io);
    return status;
  } catch (const std::invalid_argument& error) {
    settings.program.refuse(error.what());  // an origin, a host or a URL that is none
  } catch (const std::exception& error) {
    settings.program.refuse(error.what(), spate::Program::cannot_serve);  // the system has nothing left to give
  }
}

}  // namespace
}  // namespace hub

int main(int argc, char** argv) {
  std::signal(SIGHUP, SIG_IGN);  // until it means something: it may come at any time
  return hub::run(argc, argv);
}
