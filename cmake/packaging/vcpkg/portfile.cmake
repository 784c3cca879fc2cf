# The port of Spate, to be used as an overlay: vcpkg install spate --overlay-ports=cmake/packaging/vcpkg
#
# It builds from the archive that SPATE_ARCHIVE names, `git archive -o spate.tar.gz HEAD` for one, or else from the
# sources that it lies among.
set(VCPKG_BUILD_TYPE release)  # headers, and the search for what they need, are the same for both

if(DEFINED ENV{SPATE_ARCHIVE})
  vcpkg_extract_source_archive(SOURCE_PATH ARCHIVE "$ENV{SPATE_ARCHIVE}" NO_REMOVE_ONE_LEVEL)
else()
  get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
endif()

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -DSPATE_BUILD_TESTS=OFF
    -DSPATE_BUILD_EXAMPLES=OFF
    -DFETCHCONTENT_FULLY_DISCONNECTED=ON)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/spate)
vcpkg_fixup_pkgconfig()

file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/doc")
