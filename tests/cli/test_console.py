"""The web console in a real browser: Debian's Chromium, driven by console.cjs. Screenshots for people go to
build/console*.png."""
import gzip
import os
import subprocess
import threading
import urllib.error
import urllib.request

from harness import ROOT
from test_dag import DAGS, ask, run_to_end, start

LARGE = """
large:
  schedule: null
  start_date: 2026-01-01
  max_active_tasks: 64
  tasks:
    each: {operator: ShortCircuitOperator, expand: {condition: [%s]}}
""" % ", ".join(f'"{n} >= 0"' for n in range(10_000))


def browse(scene, server, screenshot=None, talk=None):
    """Plays a scene; what it printed. talk(line) hears each line as it comes."""
    env = dict(os.environ, NODE_PATH=str(ROOT / ".deps" / "web" / "node_modules"))
    args = ["node", str(ROOT / "tests" / "cli" / "console.cjs"), scene, server.http]
    process = subprocess.Popen(args + ([str(screenshot)] if screenshot else []), env=env, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    limit = threading.Timer(90, process.kill)
    limit.start()
    try:
        seen = []
        for line in process.stdout:
            seen.append(line.strip())
            if talk:
                talk(seen[-1])
        complaint = process.stderr.read()
        assert process.wait() == 0 and seen[-1:] == ["done"], (seen, complaint)
        return seen
    finally:
        limit.cancel()
        process.kill()
        process.wait()


def fetch(server, path, headers=()):
    """Status, headers, bytes."""
    request = urllib.request.Request(server.http + path, headers=dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_console_headers_and_caching(t):
    server = start(t)
    status, headers, page = fetch(server, "/")
    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert "unsafe" not in headers["Content-Security-Policy"] and "default-src 'none'" in headers["Content-Security-Policy"]
    assert fetch(server, "/dags/any/thing")[2] == page
    assert fetch(server, "/", {"If-None-Match": headers["ETag"]})[0] == 304
    script = page.decode().split('src="')[1].split('"')[0]
    status, headers, plain = fetch(server, script)
    assert status == 200 and "immutable" in headers["Cache-Control"] and not headers["Content-Encoding"]
    status, headers, packed = fetch(server, script, {"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip" and gzip.decompress(packed) == plain
    assert fetch(server, "/assets/app-0.js")[0] == 404
    assert fetch(server, "/", {"Origin": "http://evil.example"})[0] == 403


def test_console_list_trigger_log_clear_and_keys(t):
    go = t.folder / "go"
    # The task ends when the page has seen it run: a browser takes seconds on a busy machine.
    dags = DAGS.replace("for i in 1 2 3 4 5 6; do echo line $i; sleep 0.3; done",
                        f"for i in 1 2 3 4 5; do echo line $i; done; until [ -e {go} ]; do sleep 0.05; done; echo line 6")
    assert dags != DAGS
    server = start(t, dags)
    pictures = ROOT / "build" / "console.png"
    seen = browse("list", server)
    assert "rows broken idle sample sample_consumer slow" in seen and "found 1" in seen, seen
    assert ask(server, "GET", "/dags/idle")[1]["is_paused"] is False
    assert "same page true" in browse("trigger", server, pictures)
    seen = browse("log", server, talk=lambda line: line == "early 0" and go.touch())
    assert "early 0" in seen, seen
    go.unlink()
    browse("late", server, talk=lambda line: line == "asked" and go.touch())
    browse("clear", server)
    seen = browse("keys", server)
    assert "below each" in seen and any(s.lower() == "tab graph" for s in seen), seen
    browse("nothing", server)


def test_console_when_it_is_empty(t):
    browse("empty", start(t, "{}\n"))


def test_console_when_the_server_is_gone(t):
    server = start(t)
    port = server.ports["http_port"]
    yaml = t.folder / "millrace.yml"

    def talk(line):
        if line == "ready":
            server.kill()
        elif line == "lost":
            t.write("dags/late.yml", "late:\n  schedule: null\n  start_date: 2026-01-01\n  tasks: {t: {operator: EmptyOperator}}\n")
            yaml.write_text(yaml.read_text().replace("http: {listen: 127.0.0.1:0}", f"http: {{listen: 127.0.0.1:{port}}}"))
            t.up()

    browse("gone", server, talk=talk)


def test_console_ten_thousand_mapped_instances(t):
    """The page is there in a second: the grid counts them, their list asks for what is in sight."""
    server = start(t, LARGE)
    run_to_end(server, "large")
    seen = dict(line.split(" ", 1) for line in browse("large", server, ROOT / "build" / "console-large.png") if " " in line)
    assert int(seen["drawn"]) < 1000 and seen["rows"] == "true", seen


def test_console_pure_parts(t):
    """Layout, rows and words, without a browser."""
    bundle = t.folder / "pure.mjs"
    subprocess.run([ROOT / ".deps/web/esbuild", ROOT / "web/test/pure.test.ts", "--bundle", "--platform=node",
                    "--format=esm", "--log-level=warning", f"--outfile={bundle}"], check=True, timeout=60)
    done = subprocess.run(["node", "--test", "--test-reporter=tap", bundle], env=dict(os.environ, TZ="UTC"), capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0 and "# pass 5" in done.stdout, done.stdout
