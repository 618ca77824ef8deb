"""The F32 models of the golden tests come out byte for byte, and not over a wrong file."""
import os
import tempfile

import write_models


def test_f32_models_have_the_sha256_of_the_golden_numbers():
    with tempfile.TemporaryDirectory() as folder:
        for name in write_models.MODELS:
            path = write_models.write(name, folder)  # raises where the bytes differ
            before = os.stat(path).st_mtime_ns
            assert write_models.write(name, folder) == path
            assert os.stat(path).st_mtime_ns == before, "a right file is not written again"
            with open(path, "r+b") as file:
                file.truncate(1000)
            assert os.path.getsize(write_models.write(name, folder)) > 1000
            assert os.listdir(folder) == [name + ".gguf"]
            os.remove(path)
