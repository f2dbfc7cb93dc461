# The warm Airflow: one process a project that has imported Airflow once and forks for each try (docs/airflow.md).
# It outlives the server, as the keeper does, and ends when it is not needed, or when its socket is gone.
#
# A try's own process, the stub (airflow_stub.py), sends its output and its environment; it gets the exit code, and
# while it lives the try lives. A SIGTERM to it goes to the task runner.

WARM_IDLE_SECONDS = 600  # without tries; 10 without a server
WARM_ALONE_SECONDS = 10


def die_with(stub, runner):
    """In a thread: the stub is told to end, or is gone."""
    while sign := stub.recv(1):
        if sign == b"T":
            try:
                os.kill(runner, signal.SIGTERM)
            except ProcessLookupError:
                pass
    kill_orphans()  # the runner first of all
    os._exit(1)


def forked_runner(stub):
    """How a Supervisor starts the task runner here: by another fork. Returns what waits for it."""
    import threading

    def start(requests):
        runner = os.fork()
        if runner == 0:
            code = 1
            try:
                stub.close()
                os.dup2(requests.fileno(), 0)
                from airflow.sdk.execution_time import task_runner
                task_runner.main()
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(bool(end.code))
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        threading.Thread(target=die_with, args=(stub, runner), daemon=True).start()
        return lambda: os.waitstatus_to_exitcode(os.waitpid(runner, 0)[1])

    return start


def adopt_orphans():
    import ctypes
    PR_SET_CHILD_SUBREAPER = 36
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def kill_orphans():
    """Whatever the task left running is a child of this process by now, or of such a child."""
    while True:
        try:
            with open(f"/proc/self/task/{os.getpid()}/children") as file:
                children = [int(one) for one in file.read().split()]
        except OSError:
            return
        if not children:
            return
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            except (ProcessLookupError, ChildProcessError):
                pass  # somebody else waited for it


def join_cgroup(stub_pid):
    """The stub's, where the keeper made one: its limits and its end are ours."""
    try:
        with open(f"/proc/{stub_pid}/cgroup") as file:
            path = file.read().strip().split("::", 1)[1]
        with open("/proc/self/cgroup") as file:
            if file.read().strip().split("::", 1)[1] != path:
                with open(f"/sys/fs/cgroup{path}/cgroup.procs", "w") as procs:
                    procs.write(str(os.getpid()))
    except (OSError, IndexError):
        pass


def warm_try(stub, output, request):
    """In the fork: a try from its begin to its end."""
    path, pid, *entries = request.split(b"\0")
    os.setsid()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(signum, signal.SIG_DFL)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    join_cgroup(int(pid))
    adopt_orphans()
    os.environ.clear()
    os.environb.update(entry.split(b"=", 1) for entry in entries)
    code = 1
    try:
        os.chdir(os.path.dirname(path))
        code = run(os.fsdecode(path), forked_runner(stub))
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    kill_orphans()
    stub.sendall(bytes([code]))
    os._exit(0)


def receive_try(stub):
    """(descriptor of its output, request); None when there is none."""
    stub.settimeout(5)
    data, controls, _, _ = stub.recvmsg(1 << 20, socket.CMSG_SPACE(4))
    fds = [int.from_bytes(bits[:4], sys.byteorder) for _, kind, bits in controls if kind == socket.SCM_RIGHTS]
    if not fds:
        return None
    need = int.from_bytes(data[:4], "big") + 4 if len(data) >= 4 else 0
    while len(data) < need and (part := stub.recv(need - len(data))):
        data += part
    stub.settimeout(None)
    return (fds[0], data[4:]) if need and len(data) == need else None


class Warm:
    def __init__(self, folder, name, lock):
        self.folder, self.path, self.lock = folder, os.path.join(folder, name), lock
        self.children, self.used = set(), time.monotonic()

    def listen(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        os.chdir(self.folder)  # names of sockets are short
        name = os.path.basename(self.path)
        if os.path.lexists(name):
            os.unlink(name)
        os.umask(0o077)
        self.sock.bind(name)
        self.sock.listen(256)
        self.sock.settimeout(1)
        self.inode = os.stat(self.path).st_ino

    def needed(self):
        try:
            if os.stat(self.path).st_ino != self.inode:
                return False
        except OSError:
            return False
        if self.children:
            self.used = time.monotonic()
        idle = time.monotonic() - self.used
        return idle < (WARM_IDLE_SECONDS if self.has_server() else WARM_ALONE_SECONDS)

    def has_server(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            try:
                sock.connect("airflow.sock")
                return True
            except OSError:
                return False

    def reap(self):
        while self.children:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            self.children.discard(pid)

    def take(self, stub):
        try:
            asked = receive_try(stub)
        except OSError:
            asked = None
        if asked is None:
            return
        child = os.fork()
        if child == 0:
            self.sock.close()
            self.lock.close()
            try:
                warm_try(stub, *asked)
            finally:
                os._exit(1)
        os.close(asked[0])
        self.children.add(child)
        self.used = time.monotonic()

    def serve(self):
        while True:
            try:
                stub, _ = self.sock.accept()
            except TimeoutError:
                self.reap()
                if not self.needed():
                    return
                continue
            with stub:
                self.take(stub)
            self.reap()


def become_daemon(folder, name):
    """FOLDER/NAME.lock, held by a process that is nobody's child; None where there is one that has it."""
    lock = open(os.path.join(folder, name + ".lock"), "w")
    for _ in range(20):  # a stub that looks holds it for a moment
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            time.sleep(0.01)
    else:
        return None
    if os.fork() != 0:
        os._exit(0)  # the server waits for nobody
    os.setsid()
    return lock


def warm(folder, name, dags_folder):
    """FOLDER/NAME is the socket; the lock is held while there is one that serves it, or will."""
    lock = become_daemon(folder, name)
    if lock is None:
        return
    configure(dags_folder, os.path.join(folder, "airflow-home"))
    import gc

    import airflow.dag_processing.dagbag  # noqa: F401
    import airflow.sdk  # noqa: F401
    import airflow.sdk.execution_time.task_runner  # noqa: F401
    import msgspec  # noqa: F401
    import setproctitle  # noqa: F401
    for name_of in ("airflow.providers.standard.operators.python", "airflow.providers.standard.operators.bash"):
        try:
            __import__(name_of)
        except ImportError:
            pass
    gc.collect()
    gc.freeze()  # what is here now stays shared with the forks
    server = Warm(folder, name, lock)
    server.listen()
    server.serve()
