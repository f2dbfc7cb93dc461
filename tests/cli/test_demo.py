"""The demo, as a person runs it, and the commands around it."""
import signal
import subprocess
import time

from harness import ENV, ROOT

LINE = '192.0.2.%d - - [22/Apr/2009:18:5%d:51 +1200] "GET /page/%d HTTP/1.1" 200 %d "-" "agent"\n'


def write_log(t, lines):
    return t.write("access.log", "".join(LINE % (i % 200, i % 10, i % 17, i) for i in range(lines)))


def test_demo_balances_and_leaves_a_project(t):
    log = write_log(t, 2000)
    for _ in range(2):  # a second run starts clean
        out, err = t.run("demo", "--log", log, "--seconds", "2", "--rate", "500", binary=t.release)
        assert "balances: every line is where it belongs, once" in out, out
        assert "lines sent                                         3005" in out, out
        assert "event to queryable: p50" in err, err
    folder = t.folder / "millrace-demo"
    assert t.value("SELECT count(*) FROM bronze.access_log", cwd=folder) == 3000
    assert t.value("SELECT count(*) FROM silver.page_views", cwd=folder) == 3000
    assert t.value("SELECT sum(views) FROM gold.views_per_minute", cwd=folder) == 3000
    out, _ = t.run("table", "history", "silver.page_views", "-C", folder, "-o", "csv")
    assert "STREAMING UPDATE" in out and "CREATE TABLE" in out


def test_demo_ends_cleanly_on_ctrl_c(t):
    log = write_log(t, 1000)
    with open(t.folder / "err", "w") as err:
        demo = subprocess.Popen([t.release, "demo", "--log", log, "--seconds", "30"], cwd=t.folder, env=ENV,
                                stdout=subprocess.DEVNULL, stderr=err)
    time.sleep(2)
    demo.send_signal(signal.SIGINT)
    assert demo.wait(10) == 130, (t.folder / "err").read_text()
    # What was acknowledged is there.
    assert t.value("SELECT count(*) FROM bronze.access_log", cwd=t.folder / "millrace-demo") >= 1000


def test_demo_touches_no_other_project(t):
    log = write_log(t, 10)
    t.write("mine/millrace.yml", "name: mine\n")
    _, err = t.run("demo", "--log", log, "--dir", "mine", code=1, binary=t.release)
    assert "no demo made" in err, err


def test_init_doctor_help_and_unknown_words(t):
    out, _ = t.run("init", "shop")
    assert "millrace up shop" in out
    _, err = t.run("init", "shop", code=1)
    assert "already" in err
    out, _ = t.run("doctor", "shop")
    assert "FAILED" not in out, out
    out, _ = t.run("help")
    assert "demo" in out and "sql" in out
    _, err = t.run("sqll", code=2)
    assert "did you mean 'millrace sql'?" in err
    _, err = t.run("sql", "--fromat", "csv", code=2)
    assert "--format" in err
    out, _ = t.run("gateway", "--test", write_log(t, 2), "-C", "shop")
    assert "logs-access" in out, out


def test_topic_commands(t):
    t.project("name: x\n")
    server = t.up()
    t.run("topic", "create", "things", "-p", "2")
    _, err = t.run("topic", "create", "things", code=1)
    assert "exists" in err
    t.run("topic", "produce", "things", input="a\nb\nc\n")
    out, _ = t.run("topic", "consume", "things", "-e", "-f", "%v\\n")
    assert sorted(out.split()) == ["a", "b", "c"], out
    assert "things" in t.kcat(server, "-L")
    t.run("topic", "delete", "things")
    out, _ = t.run("topic", "list", "-f", "csv")
    assert "things" not in out
    out, _ = t.run("status", "-o", "json")
    assert out
