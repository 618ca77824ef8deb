"""`banter quantize` against files that llama-quantize made of the same weights."""
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

from command_support import ROOT, environment, expect, golden_model, run

sys.path.insert(0, os.path.join(ROOT, "tests", "golden"))
try:
    import write_models
except ImportError:  # it needs numpy
    write_models = None

BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 6: (32, 22), 7: (32, 24), 8: (32, 34),
          12: (256, 144), 13: (256, 176), 14: (256, 210), 30: (1, 2)}
MIXES = ("F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0")


def need_numpy():
    if write_models is None:
        raise unittest.SkipTest("python3-numpy is not installed")


def original(name, folder):
    need_numpy()
    return write_models.write(name, folder)


class Model:
    """Keys, and tensors by name: (type, dimensions, bytes)."""

    def __init__(self, path):
        need_numpy()
        reader = write_models.Reader(path)
        self.keys = reader.keys()
        n_tensors, = struct.unpack_from("<Q", reader.bytes, 8)
        places = []
        for _ in range(n_tensors):
            name = reader.string().decode()
            shape = [reader.number("Q") for _ in range(reader.number("I"))]
            places.append((name, shape, reader.number("I"), reader.number("Q")))
        start = (reader.at + 31) // 32 * 32
        self.tensors = {}
        for name, shape, kind, offset in places:
            elements, size = BLOCKS[kind]
            n_bytes = size
            for width in shape:
                n_bytes *= width
            n_bytes //= elements
            self.tensors[name] = (kind, shape,
                                  reader.bytes[start + offset:start + offset + n_bytes])

    def types(self):
        return {name: tensor[0] for name, tensor in self.tensors.items()}


def quantize(binary, source, out, mix, *more):
    return expect(run(binary, "quantize", source, out, "--type", mix, *more), err="")


def test_q8_0_has_the_bytes_of_llama_quantize(binary):
    with tempfile.TemporaryDirectory() as folder:
        source, out = original("tinyA-f32", folder), os.path.join(folder, "out.gguf")
        done = quantize(binary, source, out, "Q8_0")
        assert done.text == out + ": 11.1 MB became 3.0 MB; 32 tensors converted, 23 kept\n"
        ours, theirs = Model(out), Model(golden_model("tinyA-q8_0.gguf"))
        assert ours.tensors == theirs.tensors
        assert ours.keys == theirs.keys


def floats(binary, path, folder):
    """The values of all tensors, decoded by the engine."""
    import numpy
    out = os.path.join(folder, "decoded.gguf")
    quantize(binary, path, out, "F32")
    return {name: numpy.frombuffer(tensor[2], "<f4").astype("f8")
            for name, tensor in Model(out).tensors.items()}


def test_q4_k_m_has_the_types_of_llama_quantize_and_no_more_error(binary):
    with tempfile.TemporaryDirectory() as folder:
        source, out = original("tinyA-f32", folder), os.path.join(folder, "out.gguf")
        quantize(binary, source, out, "Q4_K_M")
        golden = golden_model("tinyA-q4_k_m.gguf")
        assert Model(out).types() == Model(golden).types()
        assert Model(out).keys == Model(golden).keys
        exact, ours, theirs = (floats(binary, path, folder) for path in (source, out, golden))
        squares = {12: [0.0, 0.0], 14: [0.0, 0.0]}
        for name, kind in Model(out).types().items():
            if kind in squares:
                squares[kind][0] += ((ours[name] - exact[name]) ** 2).sum()
                squares[kind][1] += ((theirs[name] - exact[name]) ** 2).sum()
        for kind, (mine, other) in squares.items():
            assert 0 < mine <= 1.05 ** 2 * other, (kind, (mine / other) ** 0.5)


def test_every_mix_loads_and_speaks(binary):
    """A multi-token-prediction block too."""
    with tempfile.TemporaryDirectory() as folder:
        source, sizes = original("tinyM-f32", folder), {}
        for mix in MIXES:
            out = os.path.join(folder, mix)
            quantize(binary, source, out, mix)
            model = Model(out)
            assert model.tensors.keys() == Model(source).tensors.keys()
            kinds = model.types()
            assert kinds["blk.4.nextn.eh_proj.weight"] == kinds["blk.0.ffn_up.weight"]
            for name, kind in kinds.items():
                exact = name.endswith(("norm.weight", "conv1d.weight", "ssm_a", "dt.bias"))
                assert not exact or kind == 0, (name, kind)
            sizes[mix] = os.path.getsize(out)
            expect(run(binary, "generate", "--model", out, "--tokens", "1,2,3", "-n", "4"))
        assert sizes["Q4_K_M"] < sizes["Q5_K_M"] < sizes["Q6_K"] < sizes["Q8_0"] < sizes["F16"]
        assert sizes["F16"] == sizes["BF16"] < sizes["F32"] == os.path.getsize(source)
        assert Model(os.path.join(folder, "F32")).tensors == Model(source).tensors


def test_threads_change_no_byte_and_a_file_may_replace_itself(binary):
    with tempfile.TemporaryDirectory() as folder:
        source = original("tinyA-f32", folder)
        outs = [os.path.join(folder, name) for name in ("1", "3")]
        for out in outs:
            quantize(binary, source, out, "Q4_0", "--threads", os.path.basename(out))
        quantize(binary, source, source, "Q4_0")
        first, second, third = (open(path, "rb").read() for path in outs + [source])
        assert first == second == third
        assert sorted(os.listdir(folder)) == ["1", "3", "tinyA-f32.gguf"]


def test_rows_that_do_not_fit(binary):
    """A file with one matrix of 96 columns, and one of 40."""
    need_numpy()
    packed_string = write_models.packed_string
    with tempfile.TemporaryDirectory() as folder:
        source, out = (os.path.join(folder, name) for name in ("in.gguf", "out.gguf"))
        head = struct.pack("<4sIQQ", b"GGUF", 3, 2, 1)
        head += packed_string("general.architecture") + struct.pack("<I", 8)
        head += packed_string("qwen35")
        offset = 0
        for name, columns in (("blk.0.ffn_up.weight", 96), ("blk.0.ffn_gate.weight", 40)):
            head += packed_string(name)
            head += struct.pack("<IQQIQ", 2, columns, 4, 0, offset)
            offset += columns * 4 * 4
        head += b"\0" * (-len(head) % 32)
        values = struct.pack("<544f", *(i / 7 - 30 for i in range(544)))
        with open(source, "wb") as file:
            file.write(head + values)
        done = quantize(binary, source, out, "Q4_K_M")
        assert "2 tensors converted, 0 kept; 2 in a type of smaller blocks" in done.text, done
        assert Model(out).types() == {"blk.0.ffn_up.weight": 6, "blk.0.ffn_gate.weight": 1}
        with open(source, "r+b") as file:
            file.seek(len(head) + 4 * 200)
            file.write(struct.pack("<f", float("inf")))
        before = open(out, "rb").read()
        expect(run(binary, "quantize", source, out, "--type", "Q8_0"), 65, "",
               "in.gguf: tensor blk.0.ffn_up.weight holds a value that is not finite")
        assert open(out, "rb").read() == before


def write_parts(source, folder):
    """The model in two files, as llama-gguf-split cuts it; their paths."""
    reader = write_models.Reader(source)
    reader.keys()
    keys, n_keys = reader.bytes[24:reader.at], struct.unpack_from("<Q", reader.bytes, 16)[0]
    tensors = list(Model(source).tensors.items())
    half = len(tensors) // 2
    paths = []
    for part, some in enumerate((tensors[:half], tensors[half:])):
        head = b"".join(write_models.packed_string(name) + struct.pack("<I", kind) + value
                        for name, kind, value in (
                            ("split.no", 2, struct.pack("<H", part)),
                            ("split.count", 2, struct.pack("<H", 2)),
                            ("split.tensors.count", 5, struct.pack("<i", len(tensors)))))
        head = struct.pack("<4sIQQ", b"GGUF", 3, len(some), 3 + (n_keys if part == 0 else 0)) + (
            keys if part == 0 else b"") + head
        data = b""
        for name, (kind, shape, values) in some:
            data += b"\0" * (-len(data) % 32)
            head += write_models.packed_string(name) + struct.pack("<I", len(shape))
            head += struct.pack("<%dQIQ" % len(shape), *shape, kind, len(data))
            data += values
        paths.append(os.path.join(folder, "cut-0000%d-of-00002.gguf" % (part + 1)))
        with open(paths[-1], "wb") as file:
            file.write(head + b"\0" * (-len(head) % 32) + data)
    return paths


def test_the_parts_of_a_split_file_become_one(binary):
    need_numpy()
    with tempfile.TemporaryDirectory() as folder:
        source = golden_model("tinyA-q8_0.gguf")
        whole, out = (os.path.join(folder, name) for name in ("whole.gguf", "out.gguf"))
        quantize(binary, source, whole, "Q4_0")
        parts = write_parts(source, folder)
        for path in parts:
            done = quantize(binary, path, out, "Q4_0")
            assert ": 3.0 MB became 1.6 MB; " in done.text, done
            assert Model(out).keys == Model(whole).keys
            assert Model(out).tensors == Model(whole).tensors
        os.remove(parts[1])
        expect(run(binary, "quantize", parts[0], out, "--type", "F16"), 3, "", "00002-of-00002")
        assert Model(out).tensors == Model(whole).tensors


def test_full_disk_leaves_the_old_file(binary):
    with tempfile.TemporaryDirectory() as folder:
        source = original("tinyA-f32", folder)
        before = open(source, "rb").read()

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        done = subprocess.run([binary, "quantize", source, source, "--type", "Q8_0"],
                              capture_output=True, env=environment(), preexec_fn=limit,
                              timeout=60, check=False)
        assert done.returncode == 74, done
        assert b"the file that was there before is untouched" in done.stderr, done
        assert open(source, "rb").read() == before
        assert os.listdir(folder) == ["tinyA-f32.gguf"]


def test_interrupted(binary):
    """The signal comes while it works: nothing is left behind."""
    with tempfile.TemporaryDirectory() as folder:
        source = original("tinyA-f32", folder)
        out = os.path.join(folder, "out.gguf")
        program = subprocess.Popen([binary, "quantize", source, out, "--type", "Q4_K_M",
                                    "--threads", "1"], env=environment(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not [name for name in os.listdir(folder) if name.endswith(".tmp")]:
            assert program.poll() is None, program.communicate()
        program.send_signal(signal.SIGINT)
        program.communicate(timeout=60)
        assert program.returncode in (-signal.SIGINT, 0), program.returncode
        left = os.listdir(folder)
        assert sorted(left) == sorted(["tinyA-f32.gguf"] +
                                      ["out.gguf"] * (program.returncode == 0)), left


def test_refusals(binary):
    with tempfile.TemporaryDirectory() as folder:
        source, out = golden_model("tinyA-q8_0.gguf"), os.path.join(folder, "out.gguf")
        cut = os.path.join(folder, "cut.gguf")
        with open(source, "rb") as file, open(cut, "wb") as half:
            half.write(file.read()[:1000000])
        for code, message, arguments in (
                (2, "quantize needs two files", (source, "--type", "Q8_0")),
                (2, "quantize needs two files", ("--type", "Q8_0")),
                (2, "quantize needs --type", (source, out)),
                (2, "--type must be one of F32, F16", (source, out, "--type", "Q3_K")),
                (3, "missing.gguf", ("missing.gguf", out, "--type", "Q8_0")),
                (65, "cut.gguf", (cut, out, "--type", "Q8_0")),
                (74, "nowhere", (source, "/nowhere/out.gguf", "--type", "Q8_0"))):
            expect(run(binary, "quantize", *arguments), code, "", message)
        assert os.listdir(folder) == ["cut.gguf"]
