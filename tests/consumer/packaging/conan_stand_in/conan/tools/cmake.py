import subprocess


class CMakeToolchain:
    def __init__(self, recipe):
        self.recipe = recipe
        self.cache_variables = {}

    def generate(self):
        self.recipe.cache_variables = self.cache_variables


class CMakeDeps:
    def __init__(self, recipe):
        pass

    def generate(self):
        pass


class CMake:
    def __init__(self, recipe):
        self.recipe = recipe

    def configure(self):
        variables = [
            f"-D{name}={'ON' if value is True else 'OFF' if value is False else value}"
            for name, value in self.recipe.cache_variables.items()
        ]
        subprocess.run(
            ["cmake", "-S", self.recipe.source_folder, "-B", self.recipe.build_folder]
            + ["-DCMAKE_BUILD_TYPE=Release"] + variables + self.recipe.cmake_options,
            check=True,
        )

    def build(self):
        subprocess.run(["cmake", "--build", self.recipe.build_folder], check=True)

    def install(self):
        subprocess.run(
            ["cmake", "--install", self.recipe.build_folder, "--prefix", self.recipe.package_folder], check=True
        )


def cmake_layout(_):
    pass
