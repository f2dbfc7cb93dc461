# The triggerer: runs the triggers of deferred tasks, one process a project (docs/airflow.md). A trigger is a file of
# DATA/dag/triggers: NAME.json says what it is; once it has an event, NAME.event says which, and the scheduler is told
# again and again until the resumed task has taken both away. So nothing is lost with the server or with this process.

TRIGGER_LOOK_SECONDS = 0.25  # for new files
TRIGGER_TELL_SECONDS = (0.05, 5)  # between two times that the scheduler is told: at first, at most
TRIGGER_CHECK_SECONDS = 60   # is the task still deferred?
TRIGGER_IDLE_SECONDS = 30    # without any trigger, then it ends


def write_whole(path, value):
    with open(path + ".new", "w") as file:
        json.dump(value, file, default=str)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


def put_trigger(folder, job, end):
    """A DeferTask's trigger, to be run; what the scheduler is to know of it."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    timeout = end.get("trigger_timeout")
    seconds_left = timeout.total_seconds() if hasattr(timeout, "total_seconds") else timeout and duration(timeout)
    write_whole(os.path.join(folder, job["id"] + ".json"), {
        **{name: job[name] for name in ("dag_id", "run_id", "task_id", "map_index")},
        "classpath": end["classpath"], "kwargs": end["trigger_kwargs"]})
    return {"name": job["id"], "seconds": seconds_left, "next_method": end["next_method"], "next_kwargs": end.get("next_kwargs") or {}}


def duration(text):
    """Of ISO 8601, as Airflow's models write it."""
    from pydantic import TypeAdapter
    from datetime import timedelta
    return TypeAdapter(timedelta).validate_python(text).total_seconds()


def take_event(folder, resume):
    """What a resumed task is told: (next_method, next_kwargs), or how the trigger ended it: a state."""
    path = os.path.join(folder, resume["name"])
    try:
        with open(path + ".event") as file:
            found = json.load(file)
    except FileNotFoundError:
        found = {"error": "Trigger timeout"}
    for name in (path + ".json", path + ".event"):
        if os.path.exists(name):
            os.unlink(name)
    if "state" in found:
        return found["state"]
    if "error" in found:
        return "__fail__", found
    return resume["next_method"], {**resume["next_kwargs"], "event": found["payload"]}


class TriggerComms:
    """What triggers ask the scheduler, as tasks do of their supervisor."""

    def __init__(self, store):
        from airflow.sdk.execution_time.comms import ToTask
        from pydantic import TypeAdapter
        self.answers, self.model = Answers({"dag_id": "", "run_id": "", "task_id": "", "map_index": -1}, store, None), TypeAdapter(ToTask)

    def send(self, message):
        from airflow.sdk.exceptions import AirflowRuntimeError
        try:
            body = getattr(self.answers, message.type, self.answers.refused)(message.model_dump())
        except Failed as failure:
            body = failure.body
            if not body["error"].endswith(("NOT_FOUND", "EXISTS")):
                raise AirflowRuntimeError(self.model.validate_python(body)) from failure
        return body and self.model.validate_python(body)

    async def asend(self, message):
        import asyncio
        return await asyncio.to_thread(self.send, message)


class Triggerer:
    def __init__(self, folder):
        self.channel_folder, self.folder = folder, os.path.join(folder, "triggers")
        self.running, self.told = {}, {}

    def store(self):
        """Of a connection of its own: who can write a token into the tries' folder belongs here."""
        home = os.path.join(self.channel_folder, "work", self.identity["id"])
        os.makedirs(home, mode=0o700, exist_ok=True)
        with open(os.path.join(home, "token"), "w") as file:
            file.write(self.identity["token"])
        return Store(Channel(self.channel_folder, self.identity))

    async def event_of(self, name, about):
        """Run a trigger to its first event: what its .event file says."""
        from airflow.sdk._shared.module_loading import import_string
        from airflow.sdk.serde import deserialize, serialize
        kwargs = about["kwargs"]
        kwargs = json.loads(kwargs) if isinstance(kwargs, str) else kwargs
        trigger = None
        try:
            trigger = import_string(about["classpath"])(**(deserialize(kwargs) or {}))
            async for event in trigger.run():
                state = getattr(event, "task_instance_state", None)
                return {"state": str(state)} if state else {"payload": serialize(event.payload)}
            return {"error": "Trigger failure", "traceback": ["the trigger ended without an event"]}
        except Exception:
            return {"error": "Trigger failure", "traceback": traceback.format_exc().splitlines()}
        finally:
            if trigger is not None:
                await trigger.cleanup()

    async def run(self, name, about):
        try:
            found = await self.event_of(name, about)
            write_whole(os.path.join(self.folder, name + ".event"), found)
        finally:
            self.running.pop(name, None)

    async def tell(self, name):
        """That there is an event, until it is taken."""
        import asyncio
        pause, most = TRIGGER_TELL_SECONDS
        while os.path.exists(os.path.join(self.folder, name + ".event")):
            await asyncio.to_thread(self.teller.channel.ask, {"event": "airflow-trigger:" + name})
            await asyncio.sleep(pause)
            pause = min(2 * pause, most)
        self.told.pop(name, None)

    async def forget_cleared(self, names):
        """A task that is not deferred any more has no use for its trigger."""
        import asyncio
        for name in names:
            try:
                with open(os.path.join(self.folder, name + ".json")) as file:
                    about = json.load(file)
            except FileNotFoundError:
                continue
            path = ("dags", about["dag_id"], "dagRuns", about["run_id"], "taskInstances", about["task_id"])
            found = await asyncio.to_thread(self.teller.get, *path, *([about["map_index"]] if about["map_index"] >= 0 else []))
            if found is None or found["state"] not in ("deferred", "scheduled", "queued", "running"):
                if name in self.running:
                    self.running[name].cancel()
                for end in (".json", ".event"):
                    if os.path.exists(path := os.path.join(self.folder, name + end)):
                        os.unlink(path)

    def look(self, loop):
        """The names of all triggers; new ones are started, events that were kept are told."""
        files = os.listdir(self.folder) if os.path.isdir(self.folder) else []
        for file in files:
            name, end = os.path.splitext(file)
            if end == ".event" and name not in self.told:
                self.told[name] = loop.create_task(self.tell(name))
            elif end == ".json" and name not in self.running and name + ".event" not in files:
                with open(os.path.join(self.folder, file)) as text:
                    self.running[name] = loop.create_task(self.run(name, json.load(text)))
        return {os.path.splitext(file)[0] for file in files}

    async def serve(self):
        import asyncio
        import uuid

        from airflow.sdk.execution_time import task_runner
        self.identity = {"id": str(uuid.uuid4()), "token": str(uuid.uuid4()) + str(uuid.uuid4())}
        self.teller = self.store()
        task_runner.SUPERVISOR_COMMS = TriggerComms(self.store())
        checked = used = time.monotonic()
        try:
            while time.monotonic() - used < TRIGGER_IDLE_SECONDS and os.path.isdir(self.channel_folder):
                names = self.look(asyncio.get_running_loop())
                used = time.monotonic() if names else used
                if time.monotonic() - checked > TRIGGER_CHECK_SECONDS:
                    checked = time.monotonic()
                    await self.forget_cleared(names)
                await asyncio.sleep(TRIGGER_LOOK_SECONDS)
        finally:
            shutil.rmtree(os.path.join(self.channel_folder, "work", self.identity["id"]), ignore_errors=True)


def triggerer(folder, name, dags_folder):
    lock = become_daemon(folder, name)
    if lock is None:
        return
    import asyncio
    configure(dags_folder, os.path.join(folder, "airflow-home"))
    asyncio.run(Triggerer(folder).serve())
