"""Topics, groups and connections as operators see them: system.* tables, metrics, millrace topic and group."""
import subprocess
import time
import urllib.request

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
