// All functions of the Redis bus: for the one source that compiles them, with SPATE_SEPARATE_COMPILATION.
#pragma once

#if !defined(SPATE_SEPARATE_COMPILATION)
#error \
    "<spate/cluster/redis_src.hpp> belongs into one source of a program that is compiled with SPATE_SEPARATE_COMPILATION"
#endif

#include <spate/cluster/impl/asio_redis_io.ipp>
#include <spate/cluster/impl/checked_options.ipp>
#include <spate/cluster/impl/outbox.ipp>
#include <spate/cluster/impl/redis_census.ipp>
#include <spate/cluster/impl/redis_connection.ipp>
#include <spate/cluster/impl/redis_keys.ipp>
#include <spate/cluster/impl/redis_log_follower.ipp>
#include <spate/cluster/impl/redis_log_recovery.ipp>
#include <spate/cluster/impl/redis_log_sizes.ipp>
#include <spate/cluster/impl/redis_log_tail.ipp>
#include <spate/cluster/impl/redis_node.ipp>
#include <spate/cluster/impl/redis_node_receive.ipp>
#include <spate/cluster/impl/redis_node_session.ipp>
#include <spate/cluster/impl/redis_presence.ipp>
#include <spate/cluster/impl/redis_pulse.ipp>
#include <spate/cluster/impl/redis_sender.ipp>
#include <spate/cluster/impl/redis_server_info.ipp>
#include <spate/cluster/impl/redis_session.ipp>
#include <spate/cluster/impl/redis_url.ipp>
