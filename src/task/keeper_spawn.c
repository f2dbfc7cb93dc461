/* vfork and exec: the child shares our memory until it execs, so a spawn costs the same whatever the
 * size of the parent, and a failure comes back through a variable. */
#include "task/keeper_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum step { STEP_NONE, STEP_GROUP, STEP_FOLDER, STEP_EXEC };

/* Only what is safe in a vfork child: system calls. */
static enum step become(const struct spawn_request *r, pid_t parent, const sigset_t *no_signals)
{
	static const int ignored[] = {SIGPIPE, SIGTERM, SIGINT, SIGHUP};
	struct rlimit files = {r->files_soft, r->files_hard};
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127); /* the keeper died before the line above */
	if (r->join_fd >= 0 && write(r->join_fd, "0", 1) != 1)
		return STEP_GROUP;
	if (r->files_hard)
		setrlimit(RLIMIT_NOFILE, &files);
	dup2(r->null_fd, 0);
	dup2(r->output_fd, 1);
	dup2(r->output_fd, 2);
	if (chdir(r->cwd) != 0)
		return STEP_FOLDER;
	for (size_t i = 0; i < MR_COUNT(ignored); i++)
		signal(ignored[i], SIG_DFL); /* what the keeper ignores, a task must not */
	sigprocmask(SIG_SETMASK, no_signals, NULL);
	execvpe(r->argv[0], r->argv, r->env);
	return STEP_EXEC;
}

int keeper_spawn(const struct spawn_request *request, pid_t *pid, struct mr_error *err)
{
	volatile enum step failed = STEP_NONE;
	volatile int why = 0;
	sigset_t none;
	sigemptyset(&none);
	pid_t parent = getpid();
	pid_t child = vfork();
	if (child == 0) {
		failed = become(request, parent, &none);
		why = errno;
		_exit(127);
	}
	if (child < 0)
		return mr_fail_errno(err, "cannot start a process");
	if (failed == STEP_NONE) {
		*pid = child;
		return 0;
	}
	errno = why;
	if (failed == STEP_GROUP)
		return mr_fail_errno(err, "cannot enter the task's control group");
	if (failed == STEP_FOLDER)
		return mr_fail_errno(err, "cannot enter the folder %s", request->cwd);
	return mr_fail_errno(err, "cannot run %s", request->argv[0]);
}
