# Gives the target spate::llhttp: llhttp 8.1 or newer, parsing strictly.
#
# First choice is an installed CMake package, then C sources: those in SPATE_LLHTTP_SOURCE_DIR or that Debian's
# node-llhttp installs; else the pinned release is fetched. Sources are compiled into a small static library, with the
# header that lies beside them: one of another version may well be installed, and would fit by name.
include_guard(GLOBAL)

add_library(spate_llhttp_interface INTERFACE)
add_library(spate::llhttp ALIAS spate_llhttp_interface)

# spate_llhttp_version(<variable> <folder>): the version that <folder>/llhttp.h states, or 0.
function(spate_llhttp_version variable directory)
  set(version 0)
  if(EXISTS "${directory}/llhttp.h")
    file(STRINGS "${directory}/llhttp.h" lines REGEX "define LLHTTP_VERSION_(MAJOR|MINOR) ")
    list(SORT lines)
    string(REGEX MATCHALL "[0-9]+" version "${lines}")
    string(REPLACE ";" "." version "${version}")
  endif()
  set(${variable} "${version}" PARENT_SCOPE)
endfunction()

# llhttp 8 parses strictly only when told so while it is compiled; llhttp 9 always does. How an installed library of
# version 8 was compiled can't be seen, so only 9 is taken. Some releases install no file that states their version.
set(spate_llhttp_candidates llhttp::llhttp_static llhttp::llhttp_shared llhttp::llhttp)
set(spate_llhttp_found "")
if(NOT TARGET llhttp::llhttp_static AND NOT TARGET llhttp::llhttp_shared AND NOT TARGET llhttp::llhttp)
  find_package(llhttp CONFIG QUIET)
  set(spate_llhttp_found "${llhttp_DIR}")
endif()
foreach(candidate IN LISTS spate_llhttp_candidates)
  if(NOT TARGET ${candidate})
    continue()
  endif()
  if(spate_llhttp_found)
    set_target_properties(${candidate} PROPERTIES IMPORTED_GLOBAL TRUE)
    get_target_property(spate_llhttp_include_dir ${candidate} INTERFACE_INCLUDE_DIRECTORIES)
    spate_llhttp_version(spate_llhttp_version "${spate_llhttp_include_dir}")
    if(NOT spate_llhttp_version AND llhttp_VERSION)
      set(spate_llhttp_version "${llhttp_VERSION}")  # where only a condition names the folder
    endif()
    if(spate_llhttp_version VERSION_LESS 9)
      message(STATUS "spate: ${spate_llhttp_found} has llhttp ${spate_llhttp_version}, older than 9; not used")
      continue()
    endif()
  endif()
  target_link_libraries(spate_llhttp_interface INTERFACE ${candidate})
  return()
endforeach()

find_path(SPATE_LLHTTP_SOURCE_DIR llhttp.c PATH_SUFFIXES share/llhttp llhttp/src DOC "The folder that holds llhttp.c")
set(SPATE_LLHTTP_INCLUDE_DIR "" CACHE PATH "The folder that holds the llhttp.h of these sources, where it is not beside them")
set(spate_llhttp_source_dir "${SPATE_LLHTTP_SOURCE_DIR}")
set(spate_llhttp_include_dir "${SPATE_LLHTTP_INCLUDE_DIR}")
foreach(beside . ../include ../include/llhttp)
  if(spate_llhttp_source_dir AND NOT spate_llhttp_include_dir AND EXISTS "${spate_llhttp_source_dir}/${beside}/llhttp.h")
    get_filename_component(spate_llhttp_include_dir "${spate_llhttp_source_dir}/${beside}" ABSOLUTE)
  endif()
endforeach()

spate_llhttp_version(spate_llhttp_version "${spate_llhttp_include_dir}")
if(spate_llhttp_version VERSION_LESS 8.1)
  if(spate_llhttp_source_dir)
    message(STATUS "spate: ${spate_llhttp_source_dir} has no llhttp.h of version 8.1 or newer beside it; not used")
  endif()
  include(FetchContent)
  FetchContent_Declare(llhttp
    GIT_REPOSITORY https://github.com/nodejs/llhttp.git
    GIT_TAG release/v9.2.1
    GIT_SHALLOW ON
    SOURCE_SUBDIR no-build-of-its-own)
  FetchContent_MakeAvailable(llhttp)
  set(spate_llhttp_source_dir "${llhttp_SOURCE_DIR}/src")
  set(spate_llhttp_include_dir "${llhttp_SOURCE_DIR}/include")
endif()

enable_language(C)
add_library(spate_llhttp STATIC EXCLUDE_FROM_ALL
  "${spate_llhttp_source_dir}/api.c" "${spate_llhttp_source_dir}/http.c" "${spate_llhttp_source_dir}/llhttp.c")
target_include_directories(spate_llhttp SYSTEM PUBLIC "${spate_llhttp_include_dir}")
target_compile_definitions(spate_llhttp PUBLIC LLHTTP_STRICT_MODE=1)
# Position-independent, because the program that embeds Spate may be a shared library.
set_target_properties(spate_llhttp PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
target_link_libraries(spate_llhttp_interface INTERFACE spate_llhttp)
