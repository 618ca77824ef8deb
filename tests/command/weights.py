"""`banter weights`: packed weights are kept, shown, used and cleared."""
import os
import tempfile
import time
import unittest

from command_support import golden_model, run

TOKENS = ("--tokens", "1,5,9,200,3", "--temperature", "0", "--ignore-eos")


def listed(binary, variables):
    done = run(binary, "weights", variables=variables)
    assert done.code == 0, done
    return done.text


def test_keep_use_and_clear(binary):
    model = golden_model()
    with tempfile.TemporaryDirectory() as folder:
        variables = {"XDG_CACHE_HOME": folder}
        on = {"XDG_CACHE_HOME": folder, "BANTER_WEIGHTS_CACHE": "on"}
        described = run(binary, "info", model, variables=on).text
        if "packed " not in described:
            raise unittest.SkipTest("no kernel level here packs weights")
        assert "not on disk yet" in described, described
        assert "packed " not in run(binary, "info", model, variables=variables).text
        assert "0 files" in listed(binary, variables)

        plain = run(binary, "generate", "--model", model, *TOKENS, "-n", "64", variables=variables)
        assert plain.code == 0, plain
        assert os.listdir(folder) == []     # a small model is not kept unasked
        # The writer works where a processor is idle, and ends with the program.
        give_up = time.monotonic() + 50
        while "of tinyA-q8_0.gguf" not in listed(binary, variables):
            assert time.monotonic() < give_up
            kept = run(binary, "generate", "--model", model, *TOKENS, "-n", "64",
                       "--weights-cache", "on", variables=variables)
            assert kept.out == plain.out, kept
        assert "1 file," in listed(binary, variables)
        assert "mapped from disk" in run(binary, "info", model, variables=on).text
        for mode in "on", "off", "auto":
            kept = run(binary, "generate", "--model", model, *TOKENS, "-n", "64",
                       "--weights-cache", mode, variables=variables)
            assert kept.out == plain.out, kept

        cleared = run(binary, "weights", "--clear", variables=variables)
        assert cleared.code == 0 and cleared.out == b"", cleared
        assert "0 files" in listed(binary, variables)
        assert "not on disk yet" in run(binary, "info", model, variables=on).text
