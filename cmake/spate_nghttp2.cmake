# Gives the target spate::nghttp2 if nghttp2 1.52 or newer is installed; without it nothing is said and nothing fails.
include_guard(GLOBAL)

find_path(SPATE_NGHTTP2_INCLUDE_DIR nghttp2/nghttp2.h DOC "The folder that holds nghttp2/nghttp2.h")
find_library(SPATE_NGHTTP2_LIBRARY nghttp2 DOC "The nghttp2 library")
mark_as_advanced(SPATE_NGHTTP2_INCLUDE_DIR SPATE_NGHTTP2_LIBRARY)

if(SPATE_NGHTTP2_INCLUDE_DIR AND SPATE_NGHTTP2_LIBRARY)
  add_library(spate_nghttp2 INTERFACE)
  add_library(spate::nghttp2 ALIAS spate_nghttp2)
  target_include_directories(spate_nghttp2 SYSTEM INTERFACE "${SPATE_NGHTTP2_INCLUDE_DIR}")
  target_link_libraries(spate_nghttp2 INTERFACE "${SPATE_NGHTTP2_LIBRARY}")
endif()
