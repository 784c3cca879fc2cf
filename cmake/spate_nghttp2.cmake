# Gives the target spate::nghttp2 if nghttp2 1.52 or newer is installed; without it a line says why not, and nothing fails.
include_guard(GLOBAL)

find_path(SPATE_NGHTTP2_INCLUDE_DIR nghttp2/nghttp2ver.h DOC "The folder that holds nghttp2/nghttp2.h")
find_library(SPATE_NGHTTP2_LIBRARY nghttp2 DOC "The nghttp2 library")
mark_as_advanced(SPATE_NGHTTP2_INCLUDE_DIR SPATE_NGHTTP2_LIBRARY)

if(SPATE_NGHTTP2_INCLUDE_DIR AND SPATE_NGHTTP2_LIBRARY)
  # #define NGHTTP2_VERSION "1.52.0"
  file(STRINGS "${SPATE_NGHTTP2_INCLUDE_DIR}/nghttp2/nghttp2ver.h" spate_nghttp2_version REGEX "define NGHTTP2_VERSION ")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" spate_nghttp2_version "${spate_nghttp2_version}")
  if(spate_nghttp2_version VERSION_LESS 1.52)
    message(STATUS "spate: without HTTP/2, as ${SPATE_NGHTTP2_INCLUDE_DIR} has nghttp2 ${spate_nghttp2_version}, older than 1.52")
  else()
    add_library(spate_nghttp2 INTERFACE)
    add_library(spate::nghttp2 ALIAS spate_nghttp2)
    target_include_directories(spate_nghttp2 SYSTEM INTERFACE "${SPATE_NGHTTP2_INCLUDE_DIR}")
    target_link_libraries(spate_nghttp2 INTERFACE "${SPATE_NGHTTP2_LIBRARY}")
  endif()
else()
  message(STATUS "spate: without HTTP/2, as nghttp2 was not found (Debian's libnghttp2-dev)")
endif()
