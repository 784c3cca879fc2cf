"""The recipe of Spate: conan create cmake/packaging/conan

It packs the sources that it lies among. The optional parts are options, off unless asked for: -o "spate/*:tls=True".
"""

import os

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, rmdir

# What a part needs from Conan's own index.
PARTS = {
    "http2": "libnghttp2/[>=1.52 <2]",
    "jwt": "libjwt/[>=1.10 <3]",
    "redis": "hiredis/[>=0.14 <2]",
    "sqlite": "sqlite3/[>=3.37 <4]",
    "tls": "openssl/[>=3 <4]",
    "zlib": "zlib/[>=1.2.11 <2]",
}


class SpateConan(ConanFile):
    name = "spate"
    version = "0.2.0"
    description = "Server-Sent Events for C++ services: streams, delivery by user, replay"
    license = "BSL-1.0"
    topics = ("server-sent-events", "sse", "http", "asio", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {part: [True, False] for part in PARTS}
    default_options = {part: False for part in PARTS}
    no_copy_source = True

    def export_sources(self):
        root = os.path.join(self.recipe_folder, "..", "..", "..")
        for pattern in ("CMakeLists.txt", "LICENSE", "README.md", ".github/CHANGELOG.md", "cmake/*", "include/*", "examples/*",
                        "benchmarks/README.md"):
            copy(self, pattern, src=root, dst=self.export_sources_folder, excludes="cmake/packaging/*")

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        self.requires("asio/[>=1.22 <2]", transitive_headers=True)
        self.requires("llhttp/[>=9 <10]", transitive_headers=True, transitive_libs=True)
        for part, reference in PARTS.items():
            if self.options.get_safe(part):
                self.requires(reference, transitive_headers=True, transitive_libs=True)

    def validate(self):
        check_min_cppstd(self, 20)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["SPATE_BUILD_TESTS"] = False
        toolchain.cache_variables["SPATE_BUILD_EXAMPLES"] = False
        toolchain.cache_variables["FETCHCONTENT_FULLY_DISCONNECTED"] = True
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))
        # Conan writes files for pkg-config itself, with the folders of what they need.
        rmdir(self, os.path.join(self.package_folder, "lib", "pkgconfig"))
        rmdir(self, os.path.join(self.package_folder, "share"))

    def package_id(self):
        self.info.clear()

    def package_info(self):
        # Spate's own CMake package is the one that programs find: it searches for what is there.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("lib", "cmake", "spate")]
        self.cpp_info.bindirs = []
