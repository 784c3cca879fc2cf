import fnmatch
import os
import shutil


def copy(_, pattern, src, dst, excludes=None):
    for folder, _, files in os.walk(src):
        for file in files:
            path = os.path.relpath(os.path.join(folder, file), src)
            if not fnmatch.fnmatch(path, pattern) or (excludes and fnmatch.fnmatch(path, excludes)):
                continue
            os.makedirs(os.path.dirname(os.path.join(dst, path)), exist_ok=True)
            shutil.copy2(os.path.join(src, path), os.path.join(dst, path))


def rmdir(_, path):
    shutil.rmtree(path, ignore_errors=True)
