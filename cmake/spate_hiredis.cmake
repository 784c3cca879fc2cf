# Gives the target spate::hiredis if hiredis 0.14 or newer is installed; without it nothing is said and nothing fails.
include_guard(GLOBAL)

find_path(SPATE_HIREDIS_INCLUDE_DIR hiredis/hiredis.h DOC "The folder that holds hiredis/hiredis.h")
find_library(SPATE_HIREDIS_LIBRARY hiredis DOC "The hiredis library")
mark_as_advanced(SPATE_HIREDIS_INCLUDE_DIR SPATE_HIREDIS_LIBRARY)

if(SPATE_HIREDIS_INCLUDE_DIR AND SPATE_HIREDIS_LIBRARY)
  add_library(spate_hiredis INTERFACE)
  add_library(spate::hiredis ALIAS spate_hiredis)
  target_include_directories(spate_hiredis SYSTEM INTERFACE "${SPATE_HIREDIS_INCLUDE_DIR}")
  target_link_libraries(spate_hiredis INTERFACE "${SPATE_HIREDIS_LIBRARY}")
endif()
