"""`make install-packages`: what it asks, runs and prints, with stand-ins for Debian's commands."""
import os
import pty
import stat
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Machine:
    """A PATH whose dpkg-query knows the package `present` and whose commands write what they did."""

    def __init__(self, user="0", sudo=False, debian=True):
        self.folder = tempfile.TemporaryDirectory()
        self.log = os.path.join(self.folder.name, "log")
        for name in ("make", "sh", "grep", "mkdir", "uname", "find", "rm"):
            path = subprocess.run(["sh", "-c", "command -v " + name], stdout=subprocess.PIPE,
                                  check=True, text=True).stdout.strip()
            os.symlink(path, os.path.join(self.folder.name, name))
        self.command("id", "echo " + user)
        if debian:
            self.command("dpkg-query",
                         'case "$*" in *present*) echo "install ok installed";; *) exit 1;; esac')
            self.command("apt-get", 'echo "apt-get $*" >>"%s"' % self.log)
        if sudo:
            self.command("sudo", 'echo "sudo $*" >>"%s"' % self.log)

    def command(self, name, body):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="ascii") as script:
            script.write("#!/bin/sh\n" + body + "\n")
        os.chmod(path, stat.S_IRWXU)

    def run(self, *arguments, answer=None):
        """Exit status and output; with an answer, on a terminal that gives it."""
        environment = {"PATH": self.folder.name, "HOME": self.folder.name}
        call = ["make", "-s", "--no-print-directory", "install-packages",
                "BUILD=" + os.path.join(self.folder.name, "build"), *arguments]
        stdin = subprocess.DEVNULL
        if answer is not None:
            leader, stdin = pty.openpty()
            os.write(leader, answer.encode())
        done = subprocess.run(call, cwd=ROOT, env=environment, stdin=stdin, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              text=True)
        if answer is not None:
            os.close(stdin)
            os.close(leader)
        return done.returncode, done.stdout

    def did(self):
        if not os.path.exists(self.log):
            return []
        with open(self.log, encoding="ascii") as log:
            return log.read().splitlines()


def test_nothing_missing_does_nothing():
    machine = Machine()
    assert machine.run("PACKAGES=present-one present-two") == (0, "")
    assert machine.did() == []


def test_root_without_terminal_updates_first():
    machine = Machine()
    status, _ = machine.run("PACKAGES=present lacking")
    assert status == 0
    did = machine.did()
    assert did[0].startswith("apt-get update") and did[1].startswith("apt-get install"), did
    assert "lacking" in did[1] and "present" not in did[1], did


def test_install_no_prints_the_command():
    machine = Machine()
    status, output = machine.run("PACKAGES=lacking", "INSTALL=no")
    assert status != 0 and "apt-get update && apt-get install" in output and "lacking" in output
    assert machine.did() == []


def test_a_terminal_is_asked():
    machine = Machine()
    status, output = machine.run("PACKAGES=lacking", answer="n\n")
    assert status != 0 and "Run as root:" in output, output
    assert machine.did() == []
    status, output = machine.run("PACKAGES=lacking", answer="\n")
    assert status == 0 and len(machine.did()) == 2, output


def test_not_root_without_sudo_prints_the_command():
    machine = Machine(user="1000")
    status, output = machine.run("PACKAGES=lacking", answer="y\n")
    assert status != 0 and "run as root: apt-get update" in output, output
    assert machine.did() == []


def test_not_root_with_sudo_asks_and_uses_it():
    machine = Machine(user="1000", sudo=True)
    status, output = machine.run("PACKAGES=lacking", answer="y\n")
    did = machine.did()
    assert status == 0 and all(line.startswith("sudo apt-get") for line in did), (did, output)
    assert machine.run("PACKAGES=lacking")[0] != 0, "no terminal: sudo could not ask"


def test_other_systems_are_told_the_names():
    machine = Machine(debian=False)
    status, output = machine.run("PACKAGES=lacking")
    assert status != 0 and "needs these libraries" in output and "lacking" in output, output
