"""Stands in for Conan: as much of its interface as the recipe uses, for conan_stand_in.py."""


class ConanFile:
    def __init__(self, **places):
        for name, value in places.items():
            setattr(self, name, value)
        self.required = []
        self.commands = []

    def requires(self, reference, **_):
        self.required.append(reference)

    def run(self, command, **_):
        self.commands.append(command)
