"""Does with the recipe and its test_package what `conan create` would, as far as their steps tell.

conan_stand_in.py RECIPE_FOLDER WORK [CMAKE_OPTION...]
"""

import importlib.util
import os
import sys
import types

recipe_folder, work, *cmake_options = sys.argv[1:]


def recipe_of(folder):
    spec = importlib.util.spec_from_file_location("recipe", os.path.join(folder, "conanfile.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    base = sys.modules["conan"].ConanFile
    return next(kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, base) and kind is not base)


sys.dont_write_bytecode = True
place = lambda name: os.path.join(work, name)

recipe = recipe_of(recipe_folder)(
    recipe_folder=recipe_folder, export_sources_folder=place("source"), source_folder=place("source"),
    build_folder=place("build"), package_folder=place("package"), cmake_options=cmake_options)
with_all = {part: True for part in recipe.options}
recipe.options = types.SimpleNamespace(get_safe=with_all.get)
recipe.cpp_info = types.SimpleNamespace(set_property=lambda name, value: None)
recipe.info = types.SimpleNamespace(clear=lambda: None)
recipe.export_sources()
for step in ("layout", "requirements", "validate", "generate", "build", "package", "package_id", "package_info"):
    getattr(recipe, step)()
print("requires", *recipe.required)

[package_of_cmake] = [os.path.join(recipe.package_folder, folder) for folder in recipe.cpp_info.builddirs]
assert os.path.exists(os.path.join(package_of_cmake, "spate-config.cmake"))
assert os.path.exists(os.path.join(recipe.package_folder, "licenses", "LICENSE"))

test_folder = os.path.join(recipe_folder, "test_package")
test = recipe_of(test_folder)(
    source_folder=test_folder, build_folder=place("test"), tested_reference_str=f"{recipe.name}/{recipe.version}",
    cache_variables={"CMAKE_PREFIX_PATH": package_of_cmake}, cmake_options=cmake_options,
    cpp=types.SimpleNamespace(build=types.SimpleNamespace(bindir=place("test"))))
for step in ("requirements", "layout", "build", "test"):
    getattr(test, step)()
for command in test.commands:
    assert os.system(command) == 0, command
