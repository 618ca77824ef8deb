#!/usr/bin/env python3
"""Write the small F32 models of the golden tests: random weights, the same bytes every time.

The quantised models in data/ were made from these by llama.cpp's quantiser; the F32 ones are
larger and follow from a seed, so they are written when a test needs them.  Vocabulary and chat
template come from data/tinyA-q8_0.gguf.  Each file is checked against its sha256, because numpy
does not promise the same random stream for ever.

usage: write_models.py FOLDER [NAME ...]      NAME: tinyA-f32 tinyB-f32 tinyM-f32; without: all
In a test: path = write_models.write("tinyA-f32", folder)
"""
import hashlib
import os
import struct
import sys
import zlib

import numpy

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")

# Value types of GGUF that are used here, and how they are packed.
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
PACKED = {0: "B", 1: "b", 2: "H", 3: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", 10: "Q",
          11: "q", 12: "d"}

ALIGNMENT = 32
VOCABULARY = 512
CONVOLUTION = 4
INTERVAL = 4  # every fourth layer is full attention
FIRST_SPECIAL = VOCABULARY - 26


class Shape:
    """The sizes of one model, by the words of the fact sheet."""

    def __init__(self, seed, layers, width, ffn, heads, heads_kv, head, key_heads, value_heads,
                 state, tied, nextn, sha256):
        self.seed, self.layers, self.width, self.ffn = seed, layers, width, ffn
        self.heads, self.heads_kv, self.head = heads, heads_kv, head
        self.key_heads, self.value_heads, self.state = key_heads, value_heads, state
        self.tied, self.nextn, self.sha256 = tied, nextn, sha256


MODELS = {
    "tinyA-f32": Shape(75, 4, 256, 512, 4, 2, 64, 2, 4, 64, True, 0,
                       "6914343394a8f1b01f575cd1ca484310979e2bc8c3494553f3e9201727c47ba1"),
    "tinyB-f32": Shape(76, 8, 256, 768, 4, 1, 256, 2, 6, 128, False, 0,
                       "e603c1a19fd051bc2ed3a1e680691abb1593448702650c096aab2057a0c78581"),
    "tinyM-f32": Shape(87, 4, 256, 512, 4, 2, 64, 2, 4, 64, True, 1,
                       "21974fd9e5295d6e316dce56bfcf86789f3cb3390d93bd62db2c808075b839a9"),
}


class Reader:
    """Just enough of a GGUF reader for the keys of our own file."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = file.read()
        self.at = 0

    def number(self, code):
        value, = struct.unpack_from("<" + code, self.bytes, self.at)
        self.at += struct.calcsize("<" + code)
        return value

    def string(self):
        length = self.number("Q")
        self.at += length
        return self.bytes[self.at - length:self.at]

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            element, count = self.number("I"), self.number("Q")
            return [self.value(element) for _ in range(count)]
        return self.number(PACKED[kind])

    def keys(self):
        magic, _, _, count = struct.unpack_from("<4sIQQ", self.bytes)
        if magic != b"GGUF":
            raise ValueError("not a GGUF file")
        self.at = 24
        found = {}
        for _ in range(count):
            name = self.string().decode()
            found[name] = self.value(self.number("I"))
        return found


def packed_string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


class Keys:
    """Key/value pairs in the order they are added."""

    def __init__(self):
        self.parts = []

    def add(self, name, kind, value):
        if kind == STRING:
            body = packed_string(value)
        else:
            body = struct.pack("<" + PACKED[kind], value)
        self.parts.append(packed_string(name) + struct.pack("<I", kind) + body)

    def array(self, name, kind, values):
        if kind == STRING:
            body = b"".join(packed_string(value) for value in values)
        else:
            body = struct.pack("<%d%s" % (len(values), PACKED[kind]), *values)
        self.parts.append(packed_string(name) +
                          struct.pack("<IIQ", ARRAY, kind, len(values)) + body)


def metadata(name, shape):
    keys = Keys()
    keys.add("general.architecture", STRING, "qwen35")
    keys.add("general.name", STRING,
             "synthetic Qwen3.5-%s seed %d" % (name.split("-")[0], shape.seed))
    keys.add("general.file_type", U32, 0)
    keys.add("general.quantization_version", U32, 2)
    keys.add("general.alignment", U32, ALIGNMENT)
    rotary = shape.head // 4
    if rotary == 64:
        sections = [11, 11, 10, 0]
    else:
        sections = [rotary // 2 - 2 * (rotary // 6), rotary // 6, rotary // 6, 0]
    for key, kind, value in (
            ("block_count", U32, shape.layers + shape.nextn),
            ("context_length", U32, 262144),
            ("embedding_length", U32, shape.width),
            ("feed_forward_length", U32, shape.ffn),
            ("attention.head_count", U32, shape.heads),
            ("attention.head_count_kv", U32, shape.heads_kv),
            ("attention.key_length", U32, shape.head),
            ("attention.value_length", U32, shape.head),
            ("attention.layer_norm_rms_epsilon", F32, 1e-6),
            ("rope.freq_base", F32, 1e7),
            ("rope.dimension_count", U32, rotary)):
        keys.add("qwen35." + key, kind, value)
    keys.array("qwen35.rope.dimension_sections", I32, sections)
    for key, value in (
            ("ssm.conv_kernel", CONVOLUTION),
            ("ssm.state_size", shape.state),
            ("ssm.group_count", shape.key_heads),
            ("ssm.time_step_rank", shape.value_heads),
            ("ssm.inner_size", shape.state * shape.value_heads),
            ("full_attention_interval", INTERVAL)):
        keys.add("qwen35." + key, U32, value)
    if shape.nextn:
        keys.add("qwen35.nextn_predict_layers", U32, shape.nextn)
    source = Reader(os.path.join(DATA, "tinyA-q8_0.gguf")).keys()
    keys.add("tokenizer.ggml.model", STRING, "gpt2")
    keys.add("tokenizer.ggml.pre", STRING, "qwen35")
    keys.array("tokenizer.ggml.tokens", STRING, source["tokenizer.ggml.tokens"])
    keys.array("tokenizer.ggml.token_type", I32, source["tokenizer.ggml.token_type"])
    keys.array("tokenizer.ggml.merges", STRING, source["tokenizer.ggml.merges"])
    keys.add("tokenizer.ggml.eos_token_id", U32, FIRST_SPECIAL + 2)
    keys.add("tokenizer.ggml.padding_token_id", U32, FIRST_SPECIAL)
    keys.add("tokenizer.ggml.add_bos_token", BOOL, False)
    if source.get("tokenizer.chat_template"):
        keys.add("tokenizer.chat_template", STRING, source["tokenizer.chat_template"])
    return keys


# How a tensor is filled.  The matrices of a layer keep the size of what passes through them;
# norms and decay parameters lie where trained models have theirs.

def matrix(outputs, inputs, gain=1.0):
    deviation = numpy.float32(gain / inputs ** .5)
    return (inputs, outputs), lambda random, n: \
        random.standard_normal(n, dtype=numpy.float32) * deviation


def norm(size, low=0.8, high=1.2):
    return (size,), lambda random, n: random.uniform(low, high, n)


def convolution(channels):
    return (CONVOLUTION, channels), lambda random, n: \
        random.standard_normal(n, dtype=numpy.float32) * 0.6


def time_step(heads):
    return (heads,), lambda random, n: random.uniform(-4, 1, n)


def decay(heads):
    return (heads,), lambda random, n: \
        -numpy.exp(random.uniform(numpy.log(.05), numpy.log(6.), n))


def attention_tensors(shape):
    width, head = shape.width, shape.head
    return {"attn_q.weight": matrix(2 * head * shape.heads, width),
            "attn_k.weight": matrix(head * shape.heads_kv, width),
            "attn_v.weight": matrix(head * shape.heads_kv, width),
            "attn_output.weight": matrix(width, head * shape.heads),
            "attn_q_norm.weight": norm(head, 1.0, 2.0),
            "attn_k_norm.weight": norm(head, 1.0, 2.0)}


def recurrent_tensors(shape):
    width = shape.width
    keys, values = shape.state * shape.key_heads, shape.state * shape.value_heads
    return {"attn_qkv.weight": matrix(2 * keys + values, width),
            "attn_gate.weight": matrix(values, width),
            "ssm_conv1d.weight": convolution(2 * keys + values),
            "ssm_dt.bias": time_step(shape.value_heads),
            "ssm_a": decay(shape.value_heads),
            "ssm_beta.weight": matrix(shape.value_heads, width),
            "ssm_alpha.weight": matrix(shape.value_heads, width),
            "ssm_norm.weight": norm(shape.state),
            "ssm_out.weight": matrix(width, values)}


def ffn_tensors(shape):
    return {"post_attention_norm.weight": norm(shape.width),
            "ffn_gate.weight": matrix(shape.ffn, shape.width, 1.4),
            "ffn_up.weight": matrix(shape.ffn, shape.width, 1.4),
            "ffn_down.weight": matrix(shape.width, shape.ffn)}


def nextn_tensors(shape):
    return {"nextn.eh_proj.weight": matrix(shape.width, 2 * shape.width),
            "nextn.enorm.weight": norm(shape.width),
            "nextn.hnorm.weight": norm(shape.width),
            "nextn.shared_head_norm.weight": norm(shape.width)}


def tensors(shape):
    """{name: (ne, fill)} in the order of the file."""
    found = {"token_embd.weight": matrix(VOCABULARY, shape.width, 3.0)}
    for layer in range(shape.layers + shape.nextn):
        block = {"attn_norm.weight": norm(shape.width)}
        if layer >= shape.layers or (layer + 1) % INTERVAL == 0:
            block.update(attention_tensors(shape))
        else:
            block.update(recurrent_tensors(shape))
        block.update(ffn_tensors(shape))
        if layer >= shape.layers:
            block.update(nextn_tensors(shape))
        found.update(("blk.%d.%s" % (layer, key), value) for key, value in block.items())
    found["output_norm.weight"] = norm(shape.width)
    if not shape.tied:
        found["output.weight"] = matrix(VOCABULARY, shape.width, 3.0)
    return found


def model_bytes(name):
    shape = MODELS[name]
    keys = metadata(name, shape)
    directory, data, offset = [], [], 0
    for tensor, (ne, fill) in tensors(shape).items():
        # Each tensor has a stream of its own, so that one more tensor changes no other.
        random = numpy.random.Generator(
            numpy.random.SFC64([shape.seed, zlib.crc32(tensor.encode())]))
        values = fill(random, int(numpy.prod(ne))).astype("<f4").tobytes()
        directory.append(packed_string(tensor) +
                         struct.pack("<I%dQIQ" % len(ne), len(ne), *ne, 0, offset))
        padded = values + bytes(-len(values) % ALIGNMENT)
        data.append(padded)
        offset += len(padded)
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(directory), len(keys.parts))
    head += b"".join(keys.parts) + b"".join(directory)
    return head + bytes(-len(head) % ALIGNMENT) + b"".join(data)


def write(name, folder):
    """Write model name into folder unless it is there already; returns its path."""
    path = os.path.join(folder, name + ".gguf")
    if os.path.exists(path):
        with open(path, "rb") as file:
            if hashlib.sha256(file.read()).hexdigest() == MODELS[name].sha256:
                return path
    data = model_bytes(name)
    if hashlib.sha256(data).hexdigest() != MODELS[name].sha256:
        raise RuntimeError("%s differs from the model that the golden numbers belong to "
                           "(numpy %s)" % (name, numpy.__version__))
    os.makedirs(folder, exist_ok=True)
    temporary = "%s.%d" % (path, os.getpid())
    with open(temporary, "wb") as file:
        file.write(data)
    os.replace(temporary, path)
    return path


def main():
    if len(sys.argv) < 2 or any(name not in MODELS for name in sys.argv[2:]):
        sys.exit(__doc__)
    for name in sys.argv[2:] or MODELS:
        print(write(name, sys.argv[1]))


if __name__ == "__main__":
    main()
