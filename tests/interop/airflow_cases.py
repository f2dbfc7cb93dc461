"""Cases for the scheduler's semantics, answered by Airflow's own code. Run inside a virtual environment
with apache-airflow-core; suite_airflow_semantics.py makes one.

  airflow_cases.py SEED COUNT > cases.tsv

One case a line, tab-separated: what is asked, then what Airflow says. Times are seconds since 1970,
`-` is none. tests/unit/dag/test_airflow.c reads them.

  rule      RULE  STATES                                            VERDICT
  next      CRON  ZONE  KIND  CATCHUP  EARLIEST  START  END  NOW    LOGICAL  START  END  AFTER | none
  backfill  CRON  ZONE  KIND  FROM  TO  NOW                         LOGICAL,LOGICAL,...
  retry     DAG  TASK  DATE  TRY  DELAY  MULTIPLIER  MAX            SECONDS
"""
import os
import random
import re
import sys
import types
from datetime import datetime, timedelta, timezone

os.environ.setdefault("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "sqlite://")
os.environ.setdefault("AIRFLOW__CORE__UNIT_TEST_MODE", "True")

import pendulum  # noqa: E402
import time_machine  # noqa: E402
from airflow.models.taskinstance import TaskInstance  # noqa: E402
from airflow.ti_deps.deps.trigger_rule_dep import TriggerRuleDep  # noqa: E402
from airflow.timetables.base import DataInterval, TimeRestriction  # noqa: E402
from airflow.timetables.interval import CronDataIntervalTimetable  # noqa: E402
from airflow.timetables.trigger import CronTriggerTimetable  # noqa: E402

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo",
         "Pacific/Apia", "Africa/Casablanca"]
RULES = ["all_success", "all_failed", "all_done", "all_done_min_one_success", "all_done_setup_success", "one_success",
         "one_failed", "one_done", "none_failed", "none_failed_min_one_success", "none_skipped", "all_skipped",
         "always"]
LETTERS = {"s": "success", "k": "skipped", "f": "failed", "u": "upstream_failed", "r": "removed", ".": None}
VERDICTS = {"skipped": "skipped", "upstream_failed": "upstream_failed", "removed": "removed"}


def field(rng, low, high, words=()):
    kind = rng.randrange(8)
    a, b = sorted((rng.randint(low, high), rng.randint(low, high)))
    if kind < 3:
        return "*"
    if kind == 3:
        return f"*/{rng.randint(1, max(1, (high - low) // 2))}"
    if kind == 4 and a != b:
        return f"{a}-{b}"
    if kind == 5 and a != b:
        return f"{a}-{b}/{rng.randint(1, 4)}"
    if kind == 6 and a != b:
        return f"{a},{b}"
    return rng.choice(words) if words and rng.random() < 0.5 else str(a)


def cron(rng):
    if rng.random() < 0.1:
        return rng.choice(["@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly"])
    minute = rng.choice(["0", "30", "15", field(rng, 0, 59)])
    hour = rng.choice(["2", "3", "*", field(rng, 0, 23)])
    day = rng.choice(["*", "*", "*", "1", "L", field(rng, 1, 28)])
    month = rng.choice(["*", "*", "*", field(rng, 1, 12, ["jan", "mar", "oct"])])
    weekday = rng.choice(["*", "*", "*", field(rng, 0, 6, ["mon", "sun"]), "mon#1", "fri#2", "L5"])
    return f"{minute} {hour} {day} {month} {weekday}"


def moment(rng):
    """Often near a change of the clocks."""
    if rng.random() < 0.4:
        base = rng.choice([datetime(2026, 3, 29), datetime(2026, 10, 25), datetime(2026, 3, 8), datetime(2026, 11, 1),
                           datetime(2026, 4, 5), datetime(2026, 10, 4)])
        base += timedelta(minutes=rng.randint(-1500, 2000))
    else:
        base = datetime(2024, 1, 1) + timedelta(minutes=rng.randint(0, 3 * 525600))
    return pendulum.instance(base.replace(tzinfo=timezone.utc))


def seconds(at):
    return "-" if at is None else f"{at.timestamp():.0f}"


def timetable(rng):
    text, zone, kind = cron(rng), rng.choice(ZONES), rng.choice(["trigger", "interval"])
    made = (CronTriggerTimetable(text, timezone=zone) if kind == "trigger" else CronDataIntervalTimetable(text, zone))
    return text, zone, kind, made


def case_next(rng):
    text, zone, kind, made = timetable(rng)
    now, earliest = moment(rng), rng.choice([None, moment(rng)])
    catchup, last = rng.random() < 0.5, None
    if rng.random() < 0.6:
        start = made._align_to_next(moment(rng))
        last = DataInterval(start, start if kind == "trigger" else made._get_next(start))
    with time_machine.travel(now, tick=False):
        run = made.next_dagrun_info(last_automated_data_interval=last,
                                    restriction=TimeRestriction(earliest, None, catchup))
    says = ["none"] if run is None else [seconds(t) for t in (run.logical_date, run.data_interval.start,
                                                              run.data_interval.end, run.run_after)]
    return ["next", text, zone, kind, str(int(catchup)), seconds(earliest), seconds(last and last.start),
            seconds(last and last.end), seconds(now)] + says


def case_backfill(rng):
    text, zone, kind, made = timetable(rng)
    start = moment(rng)
    end, now = start.add(hours=rng.randint(1, 400)), start.add(hours=rng.randint(100, 500))
    dates, last = [], None
    with time_machine.travel(now, tick=False):
        while len(dates) < 200:
            run = made.next_dagrun_info(last_automated_data_interval=last,
                                        restriction=TimeRestriction(start, end, True))
            if run is None:
                break
            last = run.data_interval
            if run.data_interval.end < now:
                dates.append(seconds(run.logical_date))
    if len(dates) == 200:
        return None
    return ["backfill", text, zone, kind, seconds(start), seconds(end), seconds(now), ",".join(dates) or "-"]


class Task:
    def __init__(self, name, setup=False):
        self.task_id, self.is_setup, self.is_teardown = name, setup, False

    def get_needs_expansion(self):
        return False


def case_rule(rng, rule=None):
    rule = rule or rng.choice(RULES)
    letters = "".join(rng.choice("sskkffur..") for _ in range(rng.randint(1, 5)))
    if rng.random() < 0.3:
        letters = "".join(c.upper() if c in "skf" and rng.random() < 0.5 else c for c in letters)
    tasks = [Task(f"t{i}", c.isupper()) for i, c in enumerate(letters)]
    done = [types.SimpleNamespace(task_id=t.task_id, map_index=-1, state=LETTERS[c.lower()], task=t)
            for t, c in zip(tasks, letters) if LETTERS[c.lower()]]
    became = []
    task = types.SimpleNamespace(task_id="x", upstream_task_ids={t.task_id for t in tasks}, upstream_list=tasks,
                                 trigger_rule=rule, dag=None, is_teardown=False, task_group=None,
                                 get_closest_mapped_task_group=lambda: None, get_upstreams_only_setups=lambda: [])
    ti = types.SimpleNamespace(task=task, map_index=-1, dag_id="d", run_id="r", task_id="x",
                               get_dagrun=lambda session: None,
                               set_state=lambda state, session: became.append(getattr(state, "value", state)) or True)
    context = types.SimpleNamespace(flag_upstream_failed=True, wait_for_past_depends_before_skipping=False,
                                    have_changed_ti_states=False, upstream_task_id_counts={},
                                    ensure_finished_tis=lambda dag_run, session: done)
    passed = all(s.passed for s in TriggerRuleDep()._get_dep_statuses(ti, context, session=None))
    says = VERDICTS[became[0]] if became else "run" if passed else "wait"
    return ["rule", rule, letters, says]


def case_retry(rng):
    dag, task, date = f"dag{rng.randint(0, 99)}", f"task{rng.randint(0, 99)}", moment(rng)
    number, delay = rng.randint(1, rng.choice([5, 40])), rng.choice([1, 10, 60, 300, 0.5])
    multiplier, most = rng.choice([0, 1.5, 2, 3]), rng.choice([None, 60, 3600])
    fake = types.SimpleNamespace(
        retry_delay_override=None, dag_id=dag, task_id=task, logical_date=date, try_number=number,
        end_date=datetime(2026, 1, 1, tzinfo=timezone.utc), log=types.SimpleNamespace(warning=lambda *a: None),
        task=types.SimpleNamespace(retry_delay=timedelta(seconds=delay), retry_exponential_backoff=multiplier,
                                   max_retry_delay=most and timedelta(seconds=most)))
    wait = TaskInstance.next_retry_datetime(fake) - fake.end_date
    return ["retry", dag, task, seconds(date), str(number), str(delay), str(multiplier), str(most or 0),
            f"{wait.total_seconds():g}"]


def main():
    rng, count = random.Random(int(sys.argv[1])), int(sys.argv[2])
    kinds = [case_next, case_next, case_rule, case_retry, case_backfill]
    made = 0
    while made < count:
        try:
            case = kinds[made % len(kinds)](rng)
        except Exception as e:  # croniter refuses it, it never fires, or Airflow's timetable gives up
            if "Croniter" not in type(e).__name__ and not re.search("did not advance|shouldn't be earlier", str(e)):
                raise
            continue
        if case:
            print("\t".join(case))
            made += 1


if __name__ == "__main__":
    main()
