"""Configuration files, environment and flags through the binary: precedence, origins, refusals."""
import json
import os
import tempfile

from command_support import expect, run


class Home:
    """A home folder with configuration files in it."""

    def __init__(self, user=None, system=None):
        self.folder = tempfile.TemporaryDirectory()
        self.user = self.write("config", user)
        self.system = self.write("etc", system)
        self.variables = {"HOME": self.folder.name,
                          "XDG_CONFIG_HOME": os.path.join(self.folder.name, "config"),
                          "XDG_CONFIG_DIRS": os.path.join(self.folder.name, "etc")}

    def write(self, place, text):
        path = os.path.join(self.folder.name, place, "banter", "config.yaml")
        os.makedirs(os.path.dirname(path))
        if text is not None:
            with open(path, "wb") as file:
                file.write(text if isinstance(text, bytes) else text.encode())
        return path

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.folder.cleanup()


def origins(text):
    """key -> (value, origin) from `config show --origin`."""
    found = {}
    for line in text.splitlines():
        if line.startswith("  ") and " # " in line[4:]:
            setting, origin = line.strip().rsplit(" # ", 1)
            key, value = setting.lstrip("# ").split(":", 1)
            found[key] = (value.strip(), origin)
    return found


def test_precedence_and_origins(binary):
    system = "sampling:\n  top_k: 1\n  top_p: 0.1\n  min_p: 0.1\n  seed: 1\n"
    user = "version: 1\nsampling:\n  top_p: 0.2\n  min_p: 0.2\n  seed: 2\n"
    with Home(user, system) as home:
        variables = dict(home.variables, BANTER_MIN_P="0.3", BANTER_SEED="3", BANTER_KV="")
        done = expect(run(binary, "config", "show", "--origin", "--seed", "4", "--no-history",
                          variables=variables))
        found = origins(done.text)
        assert found["top_k"] == ("1", home.system + ":2"), done
        assert found["top_p"] == ("0.2", home.user + ":3"), done
        assert found["min_p"] == ("0.3", "BANTER_MIN_P"), done
        assert found["seed"] == ("4", "--seed"), done
        assert found["history"] == ("false", "--history"), done
        assert found["kv"] == ("f16", "built-in"), done
        assert found["temperature"] == ("", "not set"), done
        without = origins(run(binary, "config", "show", "--origin", "--no-config",
                              variables=variables).text)
        assert without["top_k"] == ("", "not set") and without["min_p"][0] == "0.3", without


def test_show_is_a_configuration_file(binary):
    text = 'a: "b"\n\t# \u00fc \\ \x01 end '
    with Home() as home:
        arguments = ["--system", text, "--temperature", "0.30000000000000004", "--ascii",
                     "--model", "/some where/x.gguf"]
        shown = expect(run(binary, "config", "show", *arguments)).out
        path = home.write("again", shown)
        expect(run(binary, "config", "check", path), 0, path + ": good\n")
        again = expect(run(binary, "config", "show", "--config", path)).out
        assert again == shown, (again, shown)


def test_check_tells_all_problems(binary):
    text = "engine:\n  tempreature: 1\n  threads: many\nsampling:\n  seed: \"1\"\n  seed: 2\n"
    with Home(text) as home:
        done = expect(run(binary, "config", "check", variables=home.variables), 78)
        lines = done.message.splitlines()
        assert [line.split(" ", 1)[0] for line in lines] == [
            home.user + place for place in (":2:3:", ":3:12:", ":5:9:", ":6:3:")], done
        # Every command stops at it, and no value of the file is taken.
        expect(run(binary, "-p", "x", variables=home.variables), 78, "", ":2:3:")
        expect(run(binary, "-p", "x", "--no-config", variables=home.variables), 3)


def test_check_of_the_usual_places(binary):
    with Home("screen:\n  ascii: true\n") as home:
        done = expect(run(binary, "config", "check", variables=home.variables))
        assert done.text == "%s: not there\n%s: good\n" % (home.system, home.user), done
        typo = dict(home.variables, BANTER_TEMPRATURE="1", BANTER_MODELS="/x", BANTER_TEST_X="1")
        done = expect(run(binary, "config", "check", variables=typo), 0, None,
                      "BANTER_TEMPRATURE means nothing to banter (did you mean "
                      "BANTER_TEMPERATURE?)")
        assert len(done.message.splitlines()) == 1, done
        bad = dict(home.variables, BANTER_THREADS="x")
        expect(run(binary, "config", "check", variables=bad), 78, None,
               'BANTER_THREADS: "threads" must be a whole number in [0, 1024], got "x"')
        expect(run(binary, "config", "show", variables=bad), 78, "", "BANTER_THREADS")


def test_hostile_files(binary):
    laughs = "".join("%s: &%s [%s]\n" % (c, c, ",".join(["*" + chr(ord(c) - 1)] * 9))
                     for c in "bcdefghi")
    cases = [("a: &a [x]\n" + laughs, "anchors are not allowed"),
             ("[" * 10000, "nested too deeply"),
             ("chat: {system: \"" + "x" * (1 << 20) + "\"}\n", "larger than 1 MiB"),
             (b"chat:\n  system: a\0b\n", ":2:12: a NUL byte"),
             (b"chat:\n  system: \xff\n", ":2:11: not well-formed UTF-8"),
             (b"\xff\xfev\0e\0r\0", ":1:1: not well-formed UTF-8"),
             ("chat:\n  system: x\x1b[31m\n", "control characters are not allowed"),
             ("\u202e\u202e: 1\n", "<U+202E>")]
    for text, message in cases:
        with Home(text) as home:
            done = expect(run(binary, "config", "check", home.user), 78, "", message)
            assert "\u202e" not in done.message and b"\x1b" not in done.err, done


def test_named_file(binary):
    expect(run(binary, "config", "show", "--config", "/nonexistent/x.yaml"), 78, "",
           "/nonexistent/x.yaml: No such file or directory")
    expect(run(binary, "config", "show", "--config", "/"), 78, "", "Is a directory")
    expect(run(binary, "config", "show", "--config", "/dev/zero"), 78, "", "larger than 1 MiB")
    done = expect(run(binary, "config", "show", "--config", "/dev/stdin",
                      stdin=b"engine:\n  threads: 3\n"))
    assert "  threads: 3\n" in done.text, done


def test_relative_paths_belong_to_their_file(binary):
    with Home("engine:\n  model: models/a.gguf\n") as home:
        shown = run(binary, "config", "show", variables=home.variables).text
        wanted = os.path.join(os.path.dirname(home.user), "models/a.gguf")
        assert "  model: %s\n" % wanted in shown, shown
        variables = dict(home.variables, BANTER_MODEL="~/b.gguf")
        shown = run(binary, "config", "show", variables=variables).text
        assert "  model: %s/b.gguf\n" % home.folder.name in shown, shown


def test_schema_is_json(binary):
    rows = json.loads(expect(run(binary, "config", "schema")).text)
    by_key = {row["key"]: row for row in rows}
    assert len(by_key) == len(rows) > 20
    assert by_key["top_p"]["minimum"] == 0 and not by_key["top_p"]["minimum_allowed"]
    assert by_key["kv"]["choices"] == ["f16", "f32"]
    assert len({row["environment"] for row in rows}) == len(rows)
    for row in rows:
        assert row["environment"] == "BANTER_" + row["key"].upper()
        assert row["flag"] == row["key"].replace("_", "-")
