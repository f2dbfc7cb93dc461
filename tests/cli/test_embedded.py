"""millrace broker --ephemeral: one line says where it listens, and nothing is left behind."""
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from harness import ENV


def start(t, *args, stdin=subprocess.DEVNULL):
    process = subprocess.Popen([t.binary, "broker", "--ephemeral", "--port", "0", *args], stdin=stdin,
                               stdout=subprocess.PIPE, text=True, env=dict(ENV, TMPDIR=str(t.folder)))
    return process, json.loads(process.stdout.readline())


def folders(t):
    return list(Path(t.folder).glob("millrace-ephemeral-*"))


def gone(t, seconds=10):
    until = time.monotonic() + seconds
    while folders(t):
        assert time.monotonic() < until, f"left behind: {folders(t)}"
        time.sleep(0.02)


def round_trip(address):
    for i in range(3):
        subprocess.run(["kcat", "-P", "-b", address, "-t", "events"], input=f"message {i}\n", text=True, check=True,
                       timeout=30)
    read = subprocess.run(["kcat", "-C", "-e", "-q", "-b", address, "-t", "events"], capture_output=True, text=True,
                          check=True, timeout=30).stdout
    assert read.splitlines() == [f"message {i}" for i in range(3)], read


def test_ephemeral_serves_and_leaves_nothing(t):
    for end in (signal.SIGTERM, signal.SIGKILL):
        process, said = start(t)
        assert said["pid"] == process.pid and said["kafka"] == f"127.0.0.1:{said['port']}", said
        assert len(folders(t)) == 1
        round_trip(said["kafka"])
        process.send_signal(end)
        process.wait(20)
        gone(t)


def test_ephemeral_ends_with_its_standard_input(t):
    reader, writer = os.pipe()
    process, said = start(t, "--until-stdin-ends", "--durable", stdin=reader)
    os.close(reader)
    round_trip(said["kafka"])
    os.close(writer)
    assert process.wait(20) == 0
    gone(t)


def test_two_at_once(t):
    first, one = start(t)
    second, two = start(t)
    assert one["port"] != two["port"]
    first.terminate()
    first.wait(20)
    round_trip(two["kafka"])
    second.terminate()
    second.wait(20)
    gone(t)


def test_broker_in_a_folder_keeps_its_data(t):
    folder = t.folder / "kept"
    for _ in range(2):
        process = subprocess.Popen([t.binary, "broker", folder, "--port", "0"], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True, env=ENV)
        said = json.loads(process.stdout.readline())
        subprocess.run(["kcat", "-P", "-b", said["kafka"], "-t", "events"], input="x\n", text=True, check=True,
                       timeout=30)
        process.terminate()
        assert process.wait(20) == 0
    process = subprocess.Popen([t.binary, "broker", folder, "--port", "0"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True, env=ENV)
    said = json.loads(process.stdout.readline())
    read = subprocess.run(["kcat", "-C", "-e", "-q", "-b", said["kafka"], "-t", "events"], capture_output=True,
                          text=True, check=True, timeout=30).stdout
    process.terminate()
    process.wait(20)
    assert read == "x\nx\n", read
