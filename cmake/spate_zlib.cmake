# Gives the target spate::zlib_library if zlib 1.2.11 or newer is installed; without it a line says why not, and nothing
# fails.
include_guard(GLOBAL)

find_path(SPATE_ZLIB_INCLUDE_DIR zlib.h DOC "The folder that holds zlib.h")
find_library(SPATE_ZLIB_LIBRARY NAMES z zlib DOC "The zlib library")
mark_as_advanced(SPATE_ZLIB_INCLUDE_DIR SPATE_ZLIB_LIBRARY)

if(SPATE_ZLIB_INCLUDE_DIR AND SPATE_ZLIB_LIBRARY)
  # #define ZLIB_VERSION "1.2.13"
  file(STRINGS "${SPATE_ZLIB_INCLUDE_DIR}/zlib.h" spate_zlib_version REGEX "define ZLIB_VERSION ")
  string(REGEX MATCH "[0-9]+\\.[0-9]+(\\.[0-9]+)?" spate_zlib_version "${spate_zlib_version}")
  if(spate_zlib_version VERSION_LESS 1.2.11)
    message(STATUS "spate: without compression, as ${SPATE_ZLIB_INCLUDE_DIR} has zlib ${spate_zlib_version}, older than 1.2.11")
  else()
    add_library(spate_zlib_library INTERFACE)
    add_library(spate::zlib_library ALIAS spate_zlib_library)
    target_include_directories(spate_zlib_library SYSTEM INTERFACE "${SPATE_ZLIB_INCLUDE_DIR}")
    target_link_libraries(spate_zlib_library INTERFACE "${SPATE_ZLIB_LIBRARY}")
  endif()
else()
  message(STATUS "spate: without compression, as zlib was not found (Debian's zlib1g-dev)")
endif()
