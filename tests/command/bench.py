"""banter bench: figures that can be true."""
import json
import os

from command_support import expect, run


def test_training_products(binary):
    # Two threads at most: a test machine may have many, and they wait for each other.
    threads = min(2, os.cpu_count() or 1)
    figures = json.loads(expect(run(binary, "bench", "train", "-o", "json",
                                    "--threads", threads)).text)
    assert [run["threads"] for run in figures["peak"]] == ([2, 1] if threads == 2 else [1])
    assert {row["product"] for row in figures["products"]} == {
        "forward", "input gradient", "weight gradient"}
    for row in figures["products"]:
        assert len(row["runs"]) == len(figures["peak"])
        for run_figures, peak in zip(row["runs"], figures["peak"]):
            # A busy machine slows anything; a wrong count of operations shows as more than all.
            assert 0 < run_figures["share"] < 1.1, row
            assert abs(run_figures["gops"] - run_figures["share"] * peak["gops"]) < \
                1e-3 * peak["gops"], row


def test_usage(binary):
    expect(run(binary, "bench"), 2, "", "train")
    expect(run(binary, "bench", "tea"), 2, "", '"tea"')
    expect(run(binary, "bench", "train", "--model", "x"), 2, "", "--model")
