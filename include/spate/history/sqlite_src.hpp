// All functions of the store on SQLite: for the one source that compiles them, with SPATE_SEPARATE_COMPILATION.
#pragma once

#if !defined(SPATE_SEPARATE_COMPILATION)
#error \
    "<spate/history/sqlite_src.hpp> belongs into one source of a program that is compiled with SPATE_SEPARATE_COMPILATION"
#endif

#include <spate/history/sqlite/impl/audience_rows.ipp>
#include <spate/history/sqlite/impl/file_lock.ipp>
#include <spate/history/sqlite/impl/history_reader.ipp>
#include <spate/history/sqlite/impl/history_writer.ipp>
#include <spate/history/sqlite/impl/history_writer_trim.ipp>
#include <spate/history/sqlite/impl/schema.ipp>
#include <spate/history/sqlite/impl/sqlite_category.ipp>
#include <spate/history/sqlite/impl/sqlite_connection.ipp>
#include <spate/history/sqlite/impl/sqlite_history.ipp>
#include <spate/history/sqlite/impl/sqlite_history_threads.ipp>
#include <spate/history/sqlite/impl/sqlite_replay_store.ipp>
#include <spate/history/sqlite/impl/track_cache.ipp>
#include <spate/history/sqlite/impl/track_merge.ipp>
