"""CPU seconds and memory of processes and all their descendants, from /proc."""
import os

TICK = os.sysconf("SC_CLK_TCK")


def _stats():
    out = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    text = f.read()
            except OSError:
                continue
            fields = text[text.rindex(")") + 2:].split()
            out[int(entry)] = int(fields[1]), sum(map(int, fields[11:15])) / TICK  # ended children are in the last two
    return out


def tree(pids, stats=None):
    stats = stats or _stats()
    found = {p for p in pids if p in stats}
    while True:
        more = {p for p, (parent, _) in stats.items() if parent in found and p not in found}
        if not more:
            return found
        found |= more


def cpu_seconds(pids):
    """User and system, children that ended included."""
    stats = _stats()
    return sum(stats[p][1] for p in tree(pids, stats))


def memory_mb(pids):
    """Proportional shares: pages of forked processes are counted once."""
    total = 0
    for pid in tree(pids):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        except OSError:
            pass
    return total / 1024
