from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import subprocess
import sys

import pytest

from agent.cli import main
from agent.commands.learning import ports
from agent.config import load
from hardware.learning import Step
from hardware.ports import SerialPort
from tests.hardware.modules import ModuleInHand, Setting
from tests.peers.scanner import PtyScanner


class Desk:
    """A command line beside a scanner."""

    def __init__(self, folder, capsys):
        self.scanner = PtyScanner(folder / "port")
        self.path = folder / "agent.toml"
        self.folder = folder
        self._capsys = capsys
        self.written = ""
        self.configure()

    def configure(self, text=""):
        self.path.write_text(f'[[scanner]]\nname = "counter"\nport = "{self.scanner.port}"\n{text}')

    def run(self, *arguments):
        code = main([*map(str, arguments), "--config", str(self.path)])
        written = self._capsys.readouterr()
        return code, written.out, written.err


@pytest.fixture
def desk(tmp_path, capsys):
    desk = Desk(tmp_path, capsys)
    yield desk
    desk.scanner.close()


def test_scan_shows_one_code_raw_and_parsed_with_its_rule(desk):
    desk.configure('[[rule]]\nidentifiers = ["01"]\nkind = "article"\nvalue = "{01}"\n')
    desk.scanner.types(b"]C1010950600013435210LOT7\r")
    code, out, _ = desk.run("scan", "--seconds", "10")
    assert code == 0
    for line in (
        f"counter: found at {desk.scanner.port}",
        "  symbology  gs1-128 (]C1)",
        "  GS1        (01)09506000134352(10)LOT7",
        "  rule       kind article, value 09506000134352",
    ):
        assert line in out.splitlines()
    assert "counter: bytes 5d 43 31 30" in out, "with the terminator, as it came"
    assert "|]C1010950600013435210LOT7.|" in out


def test_scan_watch_goes_on_and_shows_what_is_refused_in_hex(desk):
    desk.scanner.types(b"\xff\xfe\rINV-1\rINV-2\r")
    code, out, _ = desk.run("scan", "--watch", "--json", "--seconds", "2")
    facts = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [fact["raw"] for fact in facts if fact["is"] == "ScanRefused"] == ["fffe"]
    assert [fact["value"] for fact in facts if fact["is"] == "CodeScanned"] == ["INV-1", "INV-2"]


def test_scan_shows_what_undecodable_bytes_are_in_other_character_sets(desk):
    desk.scanner.types("Größe 7".encode("latin-1") + b"\r")
    _, out, _ = desk.run("scan", "--seconds", "2")
    assert "counter: refused, undecodable (not utf-8 at byte 3)" in out
    assert '  latin-1    "Größe 7"' in out.splitlines()
    desk.scanner.types("件 7".encode("gbk") + b"\r")
    assert '  gbk        "件 7"' in desk.run("scan", "--seconds", "2")[1].splitlines()


def test_scan_without_a_scanner_or_a_code_says_so(desk):
    assert desk.run("scan", "--seconds", "0.2")[0] == 1
    desk.path.write_text("")
    code, _, err = desk.run("scan")
    assert (code, err.startswith("agent.toml names no scanner")) == (1, True)


def test_a_recording_tells_the_same_again(desk):
    desk.scanner.types(b"INV-1\r\xff\r")
    recording = desk.folder / "counter.rec"
    code, out, _ = desk.run("record", recording, "--seconds", "2")
    assert (code, stat.S_IMODE(os.stat(recording).st_mode)) == (0, 0o600)
    assert "records in" in out
    code, out, _ = desk.run("replay", recording)
    assert code == 0
    assert 'counter: code "INV-1"' in out
    assert "counter: refused, undecodable" in out


def test_a_recording_is_never_written_over(desk):
    (desk.folder / "old.rec").write_text("precious")
    code, _, err = desk.run("record", desk.folder / "old.rec")
    assert (code, err) == (1, f"{desk.folder}/old.rec cannot be made: file exists\n")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read: no such file or directory"),
        (b"\xff\xfe", "is no recording"),
        (b"hello\nyou\n", "line 1 is not of a recording"),
    ],
)
def test_what_is_no_recording_is_refused(desk, content, sentence):
    path = desk.folder / "a.rec"
    if content is not None:
        path.write_bytes(content)
    code, _, err = desk.run("replay", path)
    assert code == 1
    assert sentence in err


def test_gestures_of_a_recording_are_shown(desk):
    desk.configure('[[button]]\nname = "help"\npin = 17\ngestures = { double = "/a", long = "/b" }\n')
    lines = ["1.0 edge 1 help", "1.1 edge 0 help", "1.2 edge 1 help", "1.3 edge 0 help", "5.0 edge 1 help"]
    (desk.folder / "a.rec").write_text("\n".join([*lines, "7.0 edge 0 help", ""]))
    assert desk.run("replay", desk.folder / "a.rec")[1].splitlines() == [
        "help: double at 1.300",
        "help: long at 5.800",
    ]


def test_learn_prints_the_lines_of_a_configuration(desk):
    setting = Setting(baud=115200, tail=b"\t", encoding="gbk")
    with ModuleInHand(desk.folder / "module", setting) as module:
        command = [sys.executable, "-m", "agent", "learn", "scanner", "--port", module.port, "--name", "till"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as learning:
            assert learning.stdout
            assert learning.stderr
            baud = 9600
            for line in learning.stderr:  # the person does what it says; the module knows the speed by the port
                if trying := re.search(r"now trying ([0-9]+) baud", line):
                    baud = int(trying[1])
                for code, name in enumerate(("first code", "second code", "third code")):
                    if name in line:
                        place = code
                if line.startswith(("Scan", "That")):
                    module.hear(Step("scan", place, baud))
            desk.path.write_text(learning.stdout.read())
            assert learning.wait(10) == 0
        (scanner,) = load(desk.path).scanners
        assert (scanner.name, scanner.port, scanner.speed()) == ("till", module.port, 115200)
        assert (scanner.framing().terminators, scanner.reading().encoding) == ((b"\t",), "gbk")


def test_learn_tells_where_the_lines_go_and_what_the_scanner_sends(desk):
    with ModuleInHand(desk.folder / "module", Setting(aim=True, gs=b"")) as module:
        command = [
            sys.executable,
            "-m",
            "agent",
            "learn",
            "scanner",
            "--config",
            "/etc/mine.toml",
            "--port",
            module.port,
        ]
        command += ["--port", str(desk.folder / "gone")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as learning:
            assert learning.stdout
            assert learning.stderr
            said = []
            for line in learning.stderr:
                said.append(line.strip())
                if line.startswith("Scan"):
                    module.hear(Step("scan", sum(text.startswith("Scan") for text in said) - 1, 9600))
            lines = learning.stdout.read().splitlines()
            assert learning.wait(10) == 0
    assert lines == ["[[scanner]]", 'name = "counter"', f'port = "{module.port}"']
    assert said[0] == f"Left out: there is no serial port {desk.folder / 'gone'}"
    assert said[1] == f"Listening at {module.port}."
    assert "Found. For /etc/mine.toml, and then: sudo systemctl restart thalovant-agent" in said
    assert "It sends AIM identifiers (]E0, ]Q1, ]d2); they are read and cut off." in said
    assert said[-1].startswith("It leaves out the GS of GS1 codes")


def test_learn_names_a_port_that_the_agent_holds(desk):
    with contextlib.closing(SerialPort.open(desk.scanner.port, 9600)):
        code, out, err = desk.run("learn", "scanner", "--port", desk.scanner.port)
    assert (code, out) == (1, "")
    assert "another program holds it" in err
    assert "sudo systemctl stop thalovant-agent" in err
    assert err.splitlines()[-1].startswith("there is no serial port to listen at; plug the scanner in")


def test_learn_says_that_nothing_was_scanned(desk):
    code, _, err = desk.run("learn", "scanner", "--port", desk.scanner.port, "--seconds", "0.2")
    assert code == 1
    assert "learn-scanner.svg" in err
    assert "nothing was scanned in time" in err


def test_each_port_is_listened_at_once_under_its_most_lasting_name(tmp_path):
    for name in ("ttyACM0", "ttyACM1"):
        (tmp_path / name).touch()
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-id" / "usb-Maker").symlink_to(tmp_path / "ttyACM1")
    found = ports((f"{tmp_path}/by-id/*", f"{tmp_path}/ttyACM*"))
    assert found == [f"{tmp_path}/by-id/usb-Maker", f"{tmp_path}/ttyACM0"]
