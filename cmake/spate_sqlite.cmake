# Gives the target spate::sqlite3 if SQLite 3.37 or newer is installed; without it a line says why not, and nothing fails.
include_guard(GLOBAL)

find_path(SPATE_SQLITE_INCLUDE_DIR sqlite3.h DOC "The folder that holds sqlite3.h")
find_library(SPATE_SQLITE_LIBRARY sqlite3 DOC "The SQLite library")
mark_as_advanced(SPATE_SQLITE_INCLUDE_DIR SPATE_SQLITE_LIBRARY)

if(SPATE_SQLITE_INCLUDE_DIR AND SPATE_SQLITE_LIBRARY)
  # #define SQLITE_VERSION        "3.40.1"
  file(STRINGS "${SPATE_SQLITE_INCLUDE_DIR}/sqlite3.h" spate_sqlite_version REGEX "define SQLITE_VERSION ")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" spate_sqlite_version "${spate_sqlite_version}")
  if(spate_sqlite_version VERSION_LESS 3.37)
    message(STATUS "spate: without SQLite, as ${SPATE_SQLITE_INCLUDE_DIR} has version ${spate_sqlite_version}, older than 3.37")
  else()
    add_library(spate_sqlite3 INTERFACE)
    add_library(spate::sqlite3 ALIAS spate_sqlite3)
    target_include_directories(spate_sqlite3 SYSTEM INTERFACE "${SPATE_SQLITE_INCLUDE_DIR}")
    target_link_libraries(spate_sqlite3 INTERFACE "${SPATE_SQLITE_LIBRARY}")
  endif()
else()
  message(STATUS "spate: without SQLite, as it was not found (Debian's libsqlite3-dev)")
endif()
