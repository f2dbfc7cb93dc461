# One try: the supervisor's side of Airflow's Task SDK (docs/airflow.md). What it cannot answer itself it asks
# the scheduler, by its REST API over DATA/dag/airflow.sock (src/api/task_channel.h).


class Channel:
    """Requests to the scheduler. One that is away is waited for: it is the next one that answers."""

    AGAIN_SECONDS = 0.5

    def __init__(self, folder, identity):
        self.folder, self.identity, self.sock = folder, identity, None

    def connect(self):
        directory = os.open(self.folder, os.O_PATH | os.O_DIRECTORY)  # names of sockets are short
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.connect(f"/proc/self/fd/{directory}/airflow.sock")
        finally:
            os.close(directory)
        if self.exchange(self.identity)["status"] != 200:
            raise PermissionError("the scheduler does not know this try")

    def exchange(self, message):
        data = json.dumps(message).encode()
        self.sock.sendall(len(data).to_bytes(4, "big") + data)
        head = read_exactly(self.sock, 4)
        body = head and read_exactly(self.sock, int.from_bytes(head, "big"))
        if body is None:
            raise ConnectionResetError("the scheduler went away")
        return json.loads(body)

    def ask(self, message):
        told = False
        while True:
            try:
                if self.sock is None:
                    self.connect()
                return self.exchange(message)
            except PermissionError:
                raise
            except OSError as error:
                if not told:
                    print(f"the scheduler does not answer ({error}): waiting for it", flush=True)
                told, self.sock = True, None
                time.sleep(self.AGAIN_SECONDS)


def read_exactly(sock, count):
    data = bytearray()
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            return None
        data += part
    return bytes(data)


class Failed(Exception):
    """An ErrorResponse: Airflow's name of the error, and what it says."""

    def __init__(self, error, **detail):
        super().__init__(error)
        self.body = {"type": "ErrorResponse", "error": error, "detail": detail}


def iso(moment):
    return moment.isoformat() if hasattr(moment, "isoformat") else moment


class Store:
    """The scheduler's store, by its REST API."""

    def __init__(self, channel):
        self.channel = channel

    @staticmethod
    def target(parts, query):
        path = "".join("/" + urllib.parse.quote(str(part), safe="~") for part in parts)
        pairs = [(name, iso(one)) for name, value in query.items() if value is not None
                 for one in (value if isinstance(value, (list, tuple)) else [value])]
        return path + ("?" + urllib.parse.urlencode(pairs, quote_via=urllib.parse.quote) if pairs else "")

    def call(self, method, *parts, body=None, **query):
        """(status, body)"""
        answer = self.channel.ask({"method": method, "target": self.target(parts, query), "body": body})
        return answer["status"], answer["body"]

    def must(self, method, *parts, body=None, **query):
        status, answer = self.call(method, *parts, body=body, **query)
        if status >= 300:
            raise Failed("API_SERVER_ERROR", status_code=status, message=str((answer or {}).get("detail")))
        return answer

    def get(self, *parts, **query):
        """None when there is no such thing."""
        status, answer = self.call("GET", *parts, **query)
        if status not in (200, 404):
            raise Failed("API_SERVER_ERROR", status_code=status, message=str((answer or {}).get("detail")))
        return answer if status == 200 else None

    def all(self, key, *parts, **query):
        """Every item of a list, page by page."""
        offset, page = 0, 1000
        while items := (self.get(*parts, limit=page, offset=offset, **query) or {}).get(key, []):
            yield from items
            if len(items) < page:
                return
            offset += page

    def secret(self, kind, name):
        answer = self.channel.ask({"secret": kind, "name": name})
        if answer["status"] == 500:
            raise Failed("API_SERVER_ERROR", status_code=500, message=answer["body"])
        return answer["body"] if answer["status"] == 200 else None


class States:
    """Airflow's state stores of tasks and assets: a file of JSON each, replaced as a whole."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, *owner):
        return os.path.join(self.folder, hashlib.sha256("\0".join(map(str, owner)).encode()).hexdigest() + ".json")

    def read(self, *owner):
        try:
            with open(self.path(*owner)) as file:
                return json.load(file)["values"]
        except FileNotFoundError:
            return {}

    def change(self, owner, change):
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        path = self.path(*owner)
        with open(path + ".lock", "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            values = self.read(*owner)
            change(values)
            with open(path + ".new", "w") as file:
                json.dump({"owner": owner, "values": values}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(path + ".new", path)


def asset_event(row):
    """A row of /assets/events as an AssetEventResponse. An alias's event carries the asset that it was."""
    extra, name, uri = row["extra"] or {}, row["name"], row["uri"]
    if uri.startswith(ALIAS):
        name, uri, extra = extra["name"], extra["uri"], extra["extra"]
    return {"id": row["id"], "timestamp": row["timestamp"], "extra": extra,
            "asset": {"name": name, "uri": uri, "group": "asset"}, "created_dagruns": [],
            "source_task_id": row["source_task_id"], "source_dag_id": row["source_dag_id"],
            "source_run_id": row["source_run_id"], "source_map_index": row["source_map_index"]}


def reference(uri, event):
    """An event that a run is for, as an AssetEventDagRunReference."""
    extra, name, aliases = event.get("extra") or {}, uri, []
    if uri.startswith(ALIAS):
        aliases = [{"name": uri[len(ALIAS):]}]
        name, uri, extra = extra["name"], extra["uri"], extra["extra"]
    return {"asset": {"name": name, "uri": uri, "extra": {}}, "extra": extra, "source_task_id": event.get("source_task_id"),
            "source_dag_id": event.get("source_dag_id"), "source_run_id": event.get("source_run_id"), "source_map_index": -1,
            "source_aliases": aliases, "timestamp": event["timestamp"]}


RUN_MEMBERS = ("dag_id", "logical_date", "data_interval_start", "data_interval_end", "run_after", "start_date",
               "end_date", "run_type", "state", "conf")


def dag_run(row):
    return {**{name: row[name] for name in RUN_MEMBERS}, "run_id": row["dag_run_id"], "consumed_asset_events": [],
            "partition_key": None}


class Answers:
    """One method a request of the task runner: the answer's body, None, or Failed."""

    def __init__(self, job, store, states):
        self.job, self.store, self.states = job, store, states
        self.xcoms, self.skip, self.end = {}, [], None

    # ---- XComs: what the task pushed is here and is stored with its end ----

    def own(self, body):
        job, index = self.job, body.get("map_index")
        return ((body["dag_id"], body["run_id"], body["task_id"]) == (job["dag_id"], job["run_id"], job["task_id"])
                and (index is None or index == job["map_index"]))

    def xcom_path(self, body, run_id=None):
        return ("dags", body["dag_id"], "dagRuns", run_id or body["run_id"], "taskInstances", body["task_id"], "xcomEntries")

    def xcom(self, body, run_id, index):
        return self.store.get(*self.xcom_path(body, run_id), body["key"], map_index=index)

    def earlier_runs(self, body):
        """Of the run, and of those before it, newest first."""
        yield body["run_id"]
        if body.get("include_prior_dates"):
            this = self.store.get("dags", body["dag_id"], "dagRuns", body["run_id"]) or {}
            for run in self.store.all("dag_runs", "dags", body["dag_id"], "dagRuns", order_by="-logical_date",
                                      logical_date_lt=this.get("logical_date")):
                yield run["dag_run_id"]

    def GetXCom(self, body):
        if self.own(body) and body["key"] in self.xcoms:
            return {"type": "XComResult", "key": body["key"], "value": self.xcoms[body["key"]]}
        index = body.get("map_index")
        for run_id in self.earlier_runs(body):
            found = self.xcom(body, run_id, -1 if index is None else index)
            if found:
                return {"type": "XComResult", "key": body["key"], "value": found["value"]}
        return {"type": "XComResult", "key": body["key"], "value": None}

    def indexes(self, body, run_id=None):
        rows = self.store.all("xcom_entries", *self.xcom_path(body, run_id), xcom_key=body["key"])
        return sorted(row["map_index"] for row in rows)

    def GetXComCount(self, body):
        return {"type": "XComCountResponse", "len": len(self.indexes(body))}

    def GetXComSequenceItem(self, body):
        indexes, offset = self.indexes(body), body["offset"]
        if not -len(indexes) <= offset < len(indexes):
            raise Failed("XCOM_NOT_FOUND", offset=offset)
        return {"type": "XComSequenceIndexResult", "root": self.xcom(body, body["run_id"], indexes[offset])["value"]}

    def GetXComSequenceSlice(self, body):
        part = slice(body["start"], body["stop"], body["step"])
        for run_id in self.earlier_runs(body):
            if indexes := self.indexes(body, run_id):
                return {"type": "XComSequenceSliceResult",
                        "root": [self.xcom(body, run_id, index)["value"] for index in indexes[part]]}
        return {"type": "XComSequenceSliceResult", "root": []}

    def SetXCom(self, body):
        if not self.own(body):
            raise Failed("PERMISSION_DENIED", message="a task sets XComs of its own only")
        self.xcoms[body["key"]] = body["value"]

    def DeleteXCom(self, body):
        self.xcoms.pop(body["key"], None)

    # ---- variables, connections ----

    def GetVariable(self, body):
        value = self.store.secret("variable", body["key"])
        if value is None:
            raise Failed("VARIABLE_NOT_FOUND", key=body["key"])
        return {"type": "VariableResult", "key": body["key"], "value": value}

    def GetVariableKeys(self, body):
        prefix = body.get("prefix") or ""
        keys = [one["key"] for one in self.store.all("variables", "variables") if one["key"].startswith(prefix)]
        start = body.get("offset", 0)
        return {"type": "VariableKeysResult", "keys": keys[start:start + body.get("limit", 1000)], "total_entries": len(keys)}

    def PutVariable(self, body):
        value = {"key": body["key"], "value": body["value"] or ""}
        status, _ = self.store.call("PATCH", "variables", body["key"], body=value)
        if status == 404:
            self.store.must("POST", "variables", body=value)
        return {"type": "OKResponse", "ok": True}

    def DeleteVariable(self, body):
        self.store.call("DELETE", "variables", body["key"])
        return {"type": "OKResponse", "ok": True}

    def GetConnection(self, body):
        text = self.store.secret("connection", body["conn_id"])
        if text is None:
            raise Failed("CONNECTION_NOT_FOUND", conn_id=body["conn_id"])
        found = {name: value or None for name, value in json.loads(text).items()}
        return {"type": "ConnectionResult", **found, "conn_id": body["conn_id"], "conn_type": found["conn_type"] or ""}

    # ---- runs and task instances ----

    def TriggerDagRun(self, body):
        path = ("dags", body["dag_id"], "dagRuns")
        wanted = {"dag_run_id": body["run_id"], "logical_date": iso(body.get("logical_date")), "conf": body.get("conf") or {},
                  "note": body.get("note")}
        status, answer = self.store.call("POST", *path, body={k: v for k, v in wanted.items() if v is not None or k == "logical_date"})
        if status == 409 and body.get("reset_dag_run"):
            self.store.must("POST", *path, body["run_id"], "clear", body={"dry_run": False})
        elif status == 409:
            raise Failed("DAGRUN_ALREADY_EXISTS", dag_id=body["dag_id"], run_id=body["run_id"])
        elif status >= 300:
            raise Failed("API_SERVER_ERROR", status_code=status, message=str(answer.get("detail")))
        return {"type": "OKResponse", "ok": True}

    def run(self, body):
        run = self.store.get("dags", body["dag_id"], "dagRuns", body["run_id"])
        if run is None:
            raise Failed("API_SERVER_ERROR", status_code=404, message=f"there is no run {body['run_id']} of {body['dag_id']}")
        return run

    def GetDagRun(self, body):
        return {"type": "DagRunResult", **dag_run(self.run(body))}

    def GetDagRunState(self, body):
        return {"type": "DagRunStateResult", "state": self.run(body)["state"]}

    def previous_run(self, dag_id, before, **query):
        rows = before and self.store.get("dags", dag_id, "dagRuns", logical_date_lt=iso(before), order_by="-logical_date",
                                         limit=1, **query)
        return dag_run(rows["dag_runs"][0]) if rows and rows["dag_runs"] else None

    def GetPreviousDagRun(self, body):
        found = self.previous_run(body["dag_id"], body["logical_date"], state=body.get("state"))
        return {"type": "PreviousDagRunResult", "dag_run": found}

    def GetPrevSuccessfulDagRun(self, body):
        found = self.previous_run(self.job["dag_id"], self.job["dag_run"]["logical_date"], state="success") or {}
        return {"type": "PrevSuccessfulDagRunResult",
                **{name: found.get(name) for name in ("data_interval_start", "data_interval_end", "start_date", "end_date")}}

    def GetPreviousTI(self, body):
        rows = self.store.get("dags", body["dag_id"], "dagRuns", "~", "taskInstances", task_id=body["task_id"],
                              map_index=body.get("map_index", -1), state=body.get("state"),
                              logical_date_lt=body.get("logical_date"), order_by="-logical_date", limit=1)
        found = next(iter(rows["task_instances"] if rows else []), None)
        names = ("task_id", "dag_id", "logical_date", "start_date", "end_date", "state", "try_number", "map_index", "duration")
        return {"type": "PreviousTIResult",
                "task_instance": found and {**{name: found[name] for name in names}, "run_id": found["dag_run_id"]}}

    def instances(self, body):
        group = body.get("task_group_id")
        moments = body.get("logical_dates")
        moments = moments and {instant(one) for one in moments}
        for one in self.store.all("task_instances", "dags", body["dag_id"], "dagRuns", "~", "taskInstances",
                                  run_id=body.get("run_ids"), task_id=body.get("task_ids"), map_index=body.get("map_index")):
            if group and not one["task_id"].startswith(group + "."):
                continue
            if not moments or (one["logical_date"] and instant(one["logical_date"]) in moments):
                yield one

    def GetTICount(self, body):
        states = body.get("states")
        return {"type": "TICount", "count": sum(1 for one in self.instances(body)
                                                if not states or (one["state"] or "none") in states)}

    def GetTaskStates(self, body):
        found = {}
        for one in self.instances(body):
            name = one["task_id"] + (f"_{one['map_index']}" if one["map_index"] >= 0 else "")
            found.setdefault(one["dag_run_id"], {})[name] = one["state"]
        return {"type": "TaskStatesResult", "task_states": found}

    def GetDRCount(self, body):
        moments = {instant(one) for one in body.get("logical_dates") or []}
        runs = self.store.all("dag_runs", "dags", body["dag_id"], "dagRuns", run_id=body.get("run_ids"), state=body.get("states"))
        return {"type": "DRCount", "count": sum(1 for one in runs if not moments or instant(one["logical_date"]) in moments)}

    def GetTaskBreadcrumbs(self, body):
        rows = self.store.all("task_instances", "dags", body["dag_id"], "dagRuns", body["run_id"], "taskInstances")
        names = ("task_id", "map_index", "state", "operator", "duration")
        return {"type": "TaskBreadcrumbsResult", "breadcrumbs": [{name: one[name] for name in names} for one in rows]}

    def GetDag(self, body):
        found = self.store.get("dags", body["dag_id"])
        if found is None:
            raise Failed("API_SERVER_ERROR", status_code=404, message=f"there is no DAG {body['dag_id']}")
        return {"type": "DagResult", "dag_id": found["dag_id"], "is_paused": found["is_paused"], "bundle_name": "dags-folder",
                "bundle_version": None, "relative_fileloc": os.path.basename(found["fileloc"] or ""),
                "owners": ", ".join(found["owners"] or []), "tags": [one["name"] for one in found["tags"]],
                "next_dagrun": found["next_dagrun_logical_date"]}

    def GetTaskRescheduleStartDate(self, body):
        return {"type": "TaskRescheduleStartDate", "start_date": self.job["first_start_date"]}

    # ---- assets: ours have a URI, which is Airflow's name too where it gives none ----

    def asset(self, body):
        return {"type": "AssetResult", "name": body.get("name") or body["uri"], "uri": body.get("uri") or body["name"],
                "group": "asset"}

    GetAssetByName = GetAssetByUri = asset

    def events(self, uri, body):
        ascending = body.get("ascending", True)
        rows = self.store.all("asset_events", "assets", "events", uri=uri, timestamp_gte=body.get("after"),
                              timestamp_lte=body.get("before"), order_by="timestamp" if ascending else "-timestamp")
        return [asset_event(row) for row in itertools.islice(rows, body.get("limit"))]

    def GetAssetEventByAsset(self, body):
        return {"type": "AssetEventsResult", "asset_events": self.events(body["uri"] or body["name"], body)}

    def GetAssetEventByAssetAlias(self, body):
        return {"type": "AssetEventsResult", "asset_events": self.events(ALIAS + body["alias_name"], body)}

    def GetAssetsByAlias(self, body):
        found = {one["asset"]["uri"]: {"type": "AssetResult", **one["asset"]} for one in self.events(ALIAS + body["alias_name"], {})}
        return {"type": "AssetsByAliasResult", "assets": list(found.values())}

    def ValidateInletsAndOutlets(self, body):
        return {"type": "InactiveAssetsResult", "inactive_assets": []}

    # ---- state stores ----

    def task_owner(self):
        return [self.job[name] for name in ("dag_id", "run_id", "task_id", "map_index")]

    @staticmethod
    def asset_owner(body):
        return ["asset", body.get("name") or body["uri"]]

    def read_state(self, owner, key, error, answer):
        kept = self.states.read(*owner).get(key)
        if kept is None or (kept["until"] is not None and instant(kept["until"]) < time.time()):
            raise Failed(error, key=key)
        return {"type": answer, "value": kept["value"]}

    def write_state(self, owner, body):
        kept = {"value": body["value"], "until": iso(body.get("expires_at"))}
        self.states.change(owner, lambda values: values.update({body["key"]: kept}))
        return {"type": "OKResponse", "ok": True}

    def drop_state(self, owner, key):
        self.states.change(owner, lambda values: values.clear() if key is None else values.pop(key, None))
        return {"type": "OKResponse", "ok": True}

    def GetTaskStateStore(self, body):
        return self.read_state(self.task_owner(), body["key"], "TASK_STORE_NOT_FOUND", "TaskStateStoreResult")

    def SetTaskStateStore(self, body):
        return self.write_state(self.task_owner(), body)

    def DeleteTaskStateStore(self, body):
        return self.drop_state(self.task_owner(), body["key"])

    def ClearTaskStateStore(self, body):
        return self.drop_state(self.task_owner(), None)

    def GetAssetStateStoreByName(self, body):
        return self.read_state(self.asset_owner(body), body["key"], "ASSET_STORE_NOT_FOUND", "AssetStateStoreResult")

    def SetAssetStateStoreByName(self, body):
        return self.write_state(self.asset_owner(body), body)

    def DeleteAssetStateStoreByName(self, body):
        return self.drop_state(self.asset_owner(body), body["key"])

    def ClearAssetStateStoreByName(self, body):
        return self.drop_state(self.asset_owner(body), None)

    GetAssetStateStoreByUri, SetAssetStateStoreByUri = GetAssetStateStoreByName, SetAssetStateStoreByName
    DeleteAssetStateStoreByUri, ClearAssetStateStoreByUri = DeleteAssetStateStoreByName, ClearAssetStateStoreByName

    # ---- ends, and what needs no answer ----

    def SkipDownstreamTasks(self, body):
        self.skip += [one if isinstance(one, str) else one[0] for one in body["tasks"]]

    def quiet(self, body):
        return None

    SetRenderedFields = SetRenderedMapIndex = MaskSecret = quiet

    def ended(self, body):
        self.end = body

    TaskState = SucceedTask = DeferTask = RetryTask = RescheduleTask = ended

    def refused(self, body):
        print(f"{body['type']}: not answered by this scheduler", flush=True)
        raise Failed("GENERIC_ERROR", message=f"{body['type']} is not answered by this scheduler")


def instant(moment):
    from datetime import datetime
    return (datetime.fromisoformat(moment) if isinstance(moment, str) else moment).timestamp()


def new_runner(requests):
    """Starts a task runner in a Python of its own, with its requests as standard input. Returns what waits for it."""
    return subprocess.Popen([sys.executable, "-u", "-c", RUNNER], stdin=requests).wait


class Supervisor:
    """Starts the task runner and answers it: frames of four bytes of length and msgpack [id, body, error]."""

    def __init__(self, job, answers, start):
        import msgspec
        self.job, self.answers, self.start = job, answers, start
        self.decode, self.encode = msgspec.msgpack.decode, msgspec.msgpack.Encoder().encode

    def write(self, sock, number, body, error=None):
        frame = self.encode([number, body, error])
        sock.sendall(len(frame).to_bytes(4, "big") + frame)

    def requests(self, sock):
        while head := read_exactly(sock, 4):
            frame = read_exactly(sock, int.from_bytes(head, "big"))
            if frame is None:
                return
            number, body, *_ = self.decode(frame)
            yield number, body

    def dag_run(self):
        """The job's, with the events it is for as Airflow's references."""
        run = dict(self.job["dag_run"])
        run["consumed_asset_events"] = [
            reference(uri, event) for uri, events in run.pop("asset_events").items() for event in events]
        return run

    def startup(self):
        job = self.job
        context = {"dag_run": self.dag_run(), "max_tries": job["max_tries"], "task_reschedule_count": job["poke"],
                   "should_retry": job["try_number"] <= job["max_tries"], **job["resumed"]}
        return {"type": "StartupDetails", "dag_rel_path": os.path.relpath(job["file"], job["folder"]),
                "bundle_info": {"name": "dags-folder", "version": None}, "start_date": job["start_date"],
                "sentry_integration": "", "ti_context": context,
                "ti": {"id": job["id"], "task_id": job["task_id"], "dag_id": job["dag_id"], "run_id": job["run_id"],
                       "try_number": job["try_number"], "dag_version_id": job["id"], "map_index": job["map_index"],
                       "hostname": socket.gethostname(), "queue": "default"}}

    def send_log(self, sock, number):
        """A Python that the task started wants to log here."""
        pipe = LogPipe()
        frame = self.encode([number, {"type": "SentFDs", "fds": [pipe.writing]}, None])
        socket.send_fds(sock, [len(frame).to_bytes(4, "big") + frame], [pipe.writing])
        os.close(pipe.writing)

    def answer(self, sock, number, body):
        if body["type"] == "ResendLoggingFD":
            self.send_log(sock, number)
            return
        try:
            self.write(sock, number, getattr(self.answers, body["type"], self.answers.refused)(body))
        except Failed as failure:
            found_out = failure.body["error"].endswith(("NOT_FOUND", "EXISTS"))  # an answer, not a failure
            self.write(sock, number, *([failure.body] if found_out else [None, failure.body]))

    def supervise(self):
        """The exit code of the task runner."""
        ours, theirs = socket.socketpair()
        wait = self.start(theirs)
        theirs.close()
        try:
            self.write(ours, 0, self.startup())
            for number, body in self.requests(ours):
                self.answer(ours, number, body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return wait()


def outlet_events(end):
    """[{uri, extra}] of a SucceedTask: an event for each outlet, with what the task said of it, and for each alias."""
    said = {}
    events = []
    for one in end.get("outlet_events") or []:
        key = one["dest_asset_key"]
        if alias := one.get("source_alias_name"):
            events.append({"uri": key["uri"], "extra": one["extra"]})
            events.append({"uri": ALIAS + alias, "extra": {"name": key["name"], "uri": key["uri"], "extra": one["extra"]}})
        else:
            said[key["uri"]] = one["extra"]
    for outlet in end.get("task_outlets") or []:
        uri = outlet.get("uri") or outlet.get("name")
        if outlet["type"] != "AssetAlias":
            events.append({"uri": uri, "extra": said.get(uri) or {}})
    return events


def result_of(answers, code):
    """(exit code, what $MILLRACE_XCOM says)"""
    end = answers.end or {}
    kind, left = end.get("type"), {"xcoms": answers.xcoms, "skip": answers.skip}
    if kind == "SucceedTask":
        return 0, {**left, "events": outlet_events(end)}
    if kind == "TaskState":
        return (SKIPPED if end["state"] == "skipped" else FINAL), left
    if kind == "RescheduleTask":
        return DEFERRED, {**left, "reschedule": iso(end["reschedule_date"])}
    if kind == "DeferTask":
        return DEFERRED, {**left, "defer": end}
    if kind == "RetryTask":
        return 1, {**left, "retry_delay": end.get("retry_delay_seconds")}
    return (0 if answers.skip and code == 0 else 1), left


class LogPipe:
    """Lines of JSON of a Python that a task started, into the task's log."""

    def __init__(self):
        import threading
        reading, self.writing = os.pipe()
        threading.Thread(target=self.copy, args=(reading,), daemon=True).start()

    @staticmethod
    def copy(reading):
        with os.fdopen(reading) as lines:
            for line in lines:
                try:
                    said = json.loads(line)
                    print(said.get("timestamp", ""), f"[{said.get('level', 'info')}]", said.get("event", ""), flush=True)
                except (ValueError, AttributeError):
                    print(line, end="", flush=True)


def run(path, start=new_runner):
    """The exit code of a try; start is as new_runner."""
    with open(path) as file:
        job = json.load(file)
    configure(job["folder"], os.path.join(job["channel"], "airflow-home"))
    channel = Channel(job["channel"], {"id": job["id"], "token": job["token"]})
    answers = Answers(job, Store(channel), States(os.path.join(job["channel"], "airflow-state")))
    triggers = os.path.join(job["channel"], "triggers")
    told = take_event(triggers, job["resume"]) if job["resume"] else ("", {})
    if isinstance(told, str):  # the trigger ended the task
        return {"success": 0, "skipped": SKIPPED}.get(told, 1)
    job["resumed"] = {"next_method": told[0], "next_kwargs": told[1]} if told[0] else {}
    code, left = result_of(answers, Supervisor(job, answers, start).supervise())
    if "defer" in left:
        left["defer"] = put_trigger(triggers, job, left["defer"])
    with open(os.environ["MILLRACE_XCOM"], "w") as out:
        json.dump(left, out, default=str)
    return code
