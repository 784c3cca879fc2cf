# The target spate-amalgamate: <build>/single_header/spate.hpp for those who copy one file, and beside it a file for each
# optional part, which includes it.
find_program(SPATE_AWK NAMES mawk gawk awk DOC "What puts the single headers together")
mark_as_advanced(SPATE_AWK)
if(NOT SPATE_AWK)
  return()
endif()

file(GLOB_RECURSE spate_all_headers CONFIGURE_DEPENDS RELATIVE "${spate_headers}"
  "${spate_headers}/spate/*.hpp" "${spate_headers}/spate/*.ipp")
list(SORT spate_all_headers)
set(spate_single_header "${PROJECT_BINARY_DIR}/single_header/spate.hpp")
file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/single_header")
set(spate_single_parts "")
get_property(spate_parts GLOBAL PROPERTY SPATE_PARTS)
foreach(spate_part IN LISTS spate_parts)
  get_property(spate_part_headers GLOBAL PROPERTY SPATE_PART_${spate_part}_HEADERS)
  string(APPEND spate_single_parts "${spate_part}=${spate_part_headers} ")
endforeach()

list(TRANSFORM spate_all_headers PREPEND "${spate_headers}/" OUTPUT_VARIABLE spate_single_sources)
add_custom_command(OUTPUT "${spate_single_header}"
  COMMAND "${SPATE_AWK}" -v include=. -v "core=${spate_single_header}" -v "parts=${spate_single_parts}"
    -v "version=${PROJECT_VERSION}" -f "${CMAKE_CURRENT_LIST_DIR}/amalgamate.awk" ${spate_all_headers}
  DEPENDS ${spate_single_sources} "${CMAKE_CURRENT_LIST_DIR}/amalgamate.awk" "${CMAKE_CURRENT_LIST_FILE}"
    "${CMAKE_CURRENT_LIST_DIR}/spate_targets.cmake"
  WORKING_DIRECTORY "${spate_headers}"
  COMMENT "Putting the single headers together"
  VERBATIM)
set(spate_single_with_all "")
if(SPATE_BUILD_TESTS)
  set(spate_single_with_all ALL)
endif()
add_custom_target(spate-amalgamate ${spate_single_with_all} DEPENDS "${spate_single_header}")
