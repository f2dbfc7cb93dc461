"""Topics, groups and connections as operators see them: system.* tables, metrics, millrace topic and group."""
import subprocess
import time
import urllib.request

from harness import ENV

PROJECT = """kafka:
  listen: 127.0.0.1:0
http:
  listen: 127.0.0.1:0
topics:
  events:
    partitions: 2
"""


def started(t):
    t.write("millrace.yml", PROJECT)
    return t.up()


def libraries(server):
    with open(f"/proc/{server.process.pid}/maps", encoding="utf-8") as maps:
        text = maps.read()
    return {name for name in ("libduckdb", "libcurl", "libpq", "libmicrohttpd") if name in text}


def test_libraries_are_loaded_at_their_first_use(t):
    t.write("millrace.yml", PROJECT)
    server = t.up(binary=t.release)
    t.kcat(server, "-P", "-t", "events", input="a line\n")
    assert libraries(server) == {"libmicrohttpd"}
    assert t.value("SELECT count(*) FROM events") == 1
    assert libraries(server) == {"libmicrohttpd", "libduckdb"}


def test_system_tables_of_groups(t):
    server = started(t)
    t.kcat(server, "-P", "-t", "events", "-p", "0", input="".join(f"line {i}\n" for i in range(10)))
    consumer = subprocess.Popen(["kcat", "-b", server.kafka, "-u", "-G", "readers", "-X", "auto.offset.reset=earliest",
                                 "-X", "auto.commit.interval.ms=100", "events"], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)
    try:
        assert [consumer.stdout.readline() for _ in range(10)][-1] == "line 9\n"
        until = time.monotonic() + 20
        while not (lag := t.sql("SELECT * FROM system.group_lag WHERE partition = 0")) or lag[0]["lag_rows"]:
            assert time.monotonic() < until, lag
            time.sleep(0.1)
        assert lag[0]["group_id"] == "readers" and lag[0]["committed_offset"] == 10, lag
        assert lag[0]["client_id"] == "rdkafka", lag
        group = t.sql("SELECT * FROM system.groups")[0]
        assert (group["kind"], group["state"], group["members"]) == ("classic", "Stable", 1), group
        member = t.sql("SELECT * FROM system.group_members")[0]
        assert member["client_id"] == "rdkafka" and member["leader"] is True, member
        open_now = t.sql("SELECT * FROM system.connections")
        assert any(c["software_name"] == "librdkafka" and c["requests"] > 2 for c in open_now), open_now
    finally:
        consumer.kill()
        consumer.wait()
    text = urllib.request.urlopen(server.http + "/metrics", timeout=10).read().decode()
    assert 'millrace_group_lag_rows{group="readers",topic="events",partition="0"} 0' in text, text


def filled(t):
    server = started(t)
    t.kcat(server, "-P", "-t", "events", "-p", "0", "-k", "k", input="".join(f"{i}\n" for i in range(10)))
    t.kcat(server, "-P", "-t", "events", "-p", "1", input="".join(f"{i}\n" for i in range(10, 15)))
    return server


def out(t, *args, **more):
    return t.run(*args, **more)[0]


def test_topic_consume_places_formats_and_following(t):
    filled(t)
    records = out(t, "topic", "consume", "events", "-e").splitlines()
    assert len(records) == 15 and '"key":"k","value":"0"' in records[0], records[0]
    assert out(t, "topic", "consume", "events", "-o", "@2h", "-n", "2", "-f", "%t %k %v\\n") == "events k 0\nevents k 1\n"
    assert out(t, "topic", "consume", "events", "-o", "-2", "-p", "1", "-e", "-f", "%p:%o=%v,") == "1:3=13,1:4=14,"
    assert out(t, "topic", "consume", "events", "-o", "1:3", "-p", "0", "-f", "%v ") == "1 2 "
    assert "nothing that a format can hold" in t.run("topic", "consume", "events", "-f", "%q", code=2)[1]
    assert "no place in a topic" in t.run("topic", "consume", "events", "-o", "soon", code=2)[1]
    follower = subprocess.Popen([t.binary, "topic", "consume", "events", "-o", "end", "-f", "%v\n", "-n", "2"],
                                cwd=t.folder, stdout=subprocess.PIPE, text=True, env=ENV)
    time.sleep(0.5)
    t.run("topic", "produce", "events", input="live 1\n")
    assert follower.stdout.readline() == "live 1\n"
    t.run("topic", "produce", "events", input="live 2\n")
    assert follower.communicate(timeout=20)[0] == "live 2\n"


def test_topics_are_altered_widened_and_trimmed(t):
    filled(t)
    t.run("topic", "create", "made", "-p", "3", "retention.ms=7d", "--set", "cleanup.policy=compact,delete")
    described = out(t, "topic", "describe", "made")
    assert "retention.ms\t604800000\ttopic" in described and "cleanup.policy\tcompact,delete\ttopic" in described
    t.run("topic", "alter", "made", "retention.ms=", "segment.bytes=16MiB")
    described = out(t, "topic", "describe", "made")
    assert "retention.ms\t604800000\tdefault" in described and "segment.bytes\t16777216\ttopic" in described
    assert "retention.ms" in t.run("topic", "alter", "made", "retentin.ms=1", code=2)[1]
    t.run("topic", "add-partitions", "made", "-p", "5")
    assert t.value("SELECT partitions FROM system.topics WHERE topic = 'made'") == 5
    t.run("topic", "add-partitions", "made", "-p", "2", code=None)
    assert t.value("SELECT partitions FROM system.topics WHERE topic = 'made'") == 5
    assert out(t, "topic", "trim", "events", "--to", "-3", "--dry-run") == "partition\tbefore\tafter\n0\t0\t7\n1\t0\t2\n"
    t.run("topic", "trim", "events", "--to", "7", "-p", "0")
    assert out(t, "topic", "consume", "events", "-e", "-p", "0", "-f", "%o ") == "7 8 9 "
    t.run("topic", "delete", "made")
    assert "there is no topic made" in t.run("topic", "trim", "made", "--to", "end", code=None)[1]


def test_groups_are_sought_and_deleted(t):
    server = filled(t)
    assert "which topics" in t.run("group", "seek", "readers", "--to", "end", code=None)[1]
    out(t, "group", "seek", "readers", "-t", "events", "--to", "end")
    dry = out(t, "group", "seek", "readers", "--to", "4", "--dry-run")
    assert dry == "topic\tpartition\tbefore\tafter\nevents\t0\t10\t4\nevents\t1\t5\t4\n", dry
    out(t, "group", "seek", "readers", "--to", "-1", "-p", "1")
    lag = t.sql("SELECT \"partition\", lag_rows FROM system.group_lag ORDER BY 1")
    assert [row["lag_rows"] for row in lag] == [0, 1], lag
    read = t.kcat(server, "-G", "readers", "-u", "-c", "1", "events", code=None)
    assert read == "14\n", read
    member = subprocess.Popen(["kcat", "-b", server.kafka, "-u", "-G", "readers", "events"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        t.until("SELECT count(*) FROM system.group_members", 1)
        assert "has members" in t.run("group", "seek", "readers", "--to", "start", code=None)[1]
        assert "has members" in t.run("group", "delete", "readers", code=None)[1]
    finally:
        member.terminate()
        member.wait(20)
    t.until("SELECT count(*) FROM system.group_members", 0)
    t.run("group", "delete", "readers", "-t", "events")
    assert t.sql("SELECT * FROM system.group_lag") == []
    t.run("group", "delete", "readers", code=None)
    assert "no group readers" in t.run("group", "delete", "readers", code=None)[1]


def test_users_and_acls_by_command(t):
    server = started(t)
    t.run("user", "add", "root", "--super", input="secret\n")
    t.run("user", "add", "alice", input="wonder\n")
    assert "exists already" in t.run("user", "add", "alice", input="x\n", code=None)[1]
    assert "no user bob" in t.run("user", "passwd", "bob", input="x\n", code=None)[1]
    assert [row.split("\t")[:2] for row in out(t, "user", "list").splitlines()[1:]] == [["alice", "false"], ["root", "true"]]
    sasl = ["-X", "security.protocol=SASL_PLAINTEXT", "-X", "sasl.mechanism=SCRAM-SHA-256", "-X", "sasl.username=alice",
            "-X", "sasl.password=wonder"]
    assert "events" not in t.kcat(server, "-L", *sasl)
    t.run("acl", "add", "--user", "alice", "--operation", "read", "--topic", "events")
    assert 'topic "events"' in t.kcat(server, "-L", *sasl)
    assert out(t, "acl", "list", "--user", "alice").splitlines()[1] == "User:alice\tALLOW\tREAD\tTOPIC\tLITERAL\tevents\t*"
    assert "which ACLs" in t.run("acl", "remove", code=None)[1]
    t.run("acl", "remove", "--topic", "events")
    assert "events" not in t.kcat(server, "-L", *sasl)
    t.run("user", "remove", "alice")
    server.stop()
    assert out(t, "user", "list").splitlines()[1].startswith("root\ttrue")  # without a server: from the folder


def test_configurations_of_topics_in_the_project_file(t):
    t.write("millrace.yml", PROJECT + "    config: {retention.ms: 2d, cleanup.policy: 'compact,delete'}\n")
    server = t.up()
    described = out(t, "topic", "describe", "events")
    assert "retention.ms\t172800000\ttopic" in described and "cleanup.policy\tcompact,delete\ttopic" in described
    server.stop()
    t.write("millrace.yml", PROJECT + "    config:\n      retentin.ms: 2d\n")
    server = t.up(ready=False)
    assert server.process.wait(20) != 0
    assert "millrace.yml:9:7" in server.log() and "retention.ms" in server.log(), server.log()
