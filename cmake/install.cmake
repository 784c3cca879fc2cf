# What `cmake --install` puts onto a machine: the headers; the CMake package, with the search for Asio, llhttp and the
# libraries of the optional parts, which runs again on the machine of the program that uses them; the same for
# pkg-config; and the license.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(spate_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/spate")
configure_package_config_file(cmake/spate-config.cmake.in "${PROJECT_BINARY_DIR}/spate-config.cmake"
  INSTALL_DESTINATION "${spate_package_dir}"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
# Before 1.0 a minor version may break what worked.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/spate-config-version.cmake"
  COMPATIBILITY SameMinorVersion
  ARCH_INDEPENDENT)

# The guides, and what they link to, at the same places relative to each other.
install(DIRECTORY include/spate/guides DESTINATION "${CMAKE_INSTALL_DOCDIR}/include/spate")
install(DIRECTORY examples DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(FILES benchmarks/README.md DESTINATION "${CMAKE_INSTALL_DOCDIR}/benchmarks")

install(DIRECTORY include/spate TYPE INCLUDE FILES_MATCHING PATTERN "*.hpp" PATTERN "*.ipp" PATTERN guides EXCLUDE)
file(GLOB spate_modules CONFIGURE_DEPENDS cmake/spate_*.cmake)
install(FILES
  "${PROJECT_BINARY_DIR}/spate-config.cmake"
  "${PROJECT_BINARY_DIR}/spate-config-version.cmake"
  ${spate_modules}
  DESTINATION "${spate_package_dir}")
install(FILES LICENSE README.md .github/CHANGELOG.md TYPE DOC)

# pkg-config searches for nothing, so what was found for this build is written down. llhttp comes with it where its
# sources were compiled, as no package of its own would be there; Asio has to be on the machine. The prefix is where the
# file lies, unless somebody wants folders outside it.
set(spate_pc_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
set(spate_pc_prefix "${CMAKE_INSTALL_PREFIX}")
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  file(RELATIVE_PATH spate_pc_prefix "/prefix/${spate_pc_dir}" /prefix)
  string(PREPEND spate_pc_prefix "\${pcfiledir}/")
  string(REGEX REPLACE "/$" "" spate_pc_prefix "${spate_pc_prefix}")
endif()
foreach(dir LIBDIR INCLUDEDIR)
  set(spate_pc_${dir} "${CMAKE_INSTALL_${dir}}")
  if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
    string(PREPEND spate_pc_${dir} "\${prefix}/")
  endif()
endforeach()

set(spate_pc_requires "")
set(spate_pc_cflags "-DASIO_STANDALONE")
set(spate_pc_libs "")
if(TARGET spate_llhttp)
  set_target_properties(spate_llhttp PROPERTIES EXCLUDE_FROM_ALL OFF)
  install(TARGETS spate_llhttp ARCHIVE)
  install(FILES "${spate_llhttp_include_dir}/llhttp.h" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/spate-llhttp")
  string(APPEND spate_pc_cflags " -I\${includedir}/spate-llhttp -DLLHTTP_STRICT_MODE=1")
  string(APPEND spate_pc_libs " -L\${libdir} -lspate_llhttp")
else()
  set(spate_pc_requires "libllhttp")
endif()
get_target_property(spate_pc_definitions spate_asio INTERFACE_COMPILE_DEFINITIONS)
if(spate_pc_definitions MATCHES "ASIO_HAS_CO_AWAIT")
  string(APPEND spate_pc_cflags " -DASIO_HAS_CO_AWAIT=1")  # which other compilers than Clang find out themselves
endif()
if(spate_pc_definitions MATCHES "ASIO_HAS_STD_ALIGNED_ALLOC")
  string(APPEND spate_pc_cflags " -DASIO_HAS_STD_ALIGNED_ALLOC=1")
endif()
if(WIN32)
  string(APPEND spate_pc_libs " -lws2_32 -lmswsock")
endif()
set(spate_pc_asio "${spate_asio_dir}")
set(spate_pc_asio_flag "-I\${asio_includedir}")
if(DEFINED asio_SOURCE_DIR)
  set(spate_pc_asio "")
  set(spate_pc_asio_flag "")
  message(STATUS "spate: Asio was fetched for this build and is not installed with it: programs that are built by "
    "pkg-config have to find an Asio of their own")
endif()
configure_file(cmake/spate.pc.in "${PROJECT_BINARY_DIR}/spate.pc" @ONLY)
set(spate_pc_files "${PROJECT_BINARY_DIR}/spate.pc")
get_property(spate_parts GLOBAL PROPERTY SPATE_PARTS)
foreach(spate_part IN LISTS spate_parts)
  get_property(spate_part_module GLOBAL PROPERTY SPATE_PART_${spate_part}_MODULE)
  if(spate_part_module)
    string(PREPEND spate_part_module ", ")
  endif()
  configure_file(cmake/spate-part.pc.in "${PROJECT_BINARY_DIR}/spate-${spate_part}.pc" @ONLY)
  list(APPEND spate_pc_files "${PROJECT_BINARY_DIR}/spate-${spate_part}.pc")
endforeach()
install(FILES ${spate_pc_files} DESTINATION "${spate_pc_dir}")
