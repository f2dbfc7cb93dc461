/* cli/cmd_keeper.c - millrace keeper: the process that keeps the processes of tasks. The server starts
 * it; nobody else needs to. */
#include "cli/command.h"

#include "base/log.h"
#include "task/keeper.h"

#include <limits.h>

static const struct arg_option options[] = {
    {"listen-fd", 0, "N", "the socket that it listens on, inherited", false},
    {"linger-ms", 0, "N", "how long it stays with nothing to do (default 10000)", false},
    {"cgroup", 0, "FOLDER", "the control group that is its own (default: the one it is in)", false},
};

int cmd_keeper(int argc, char **argv)
{
	struct args args;
	struct mr_error err;
	int64_t listen_fd, linger_ms;
	int code;
	if (!command_args("keeper", "FOLDER --listen-fd N", options, MR_COUNT(options), 1, argc, argv, &args,
			  &code))
		return code;
	int rc = args_int(&args, "listen-fd", -1, 0, INT_MAX, &listen_fd, &err);
	if (rc == 0)
		rc = args_int(&args, "linger-ms", 10000, 0, INT_MAX, &linger_ms, &err);
	if (rc == 0 && (!args_positional(&args, 0) || listen_fd < 0)) {
		rc = mr_fail(&err, MR_ERR_INVALID, "the keeper is started by the server");
		mr_hint(&err, "run 'millrace up'");
	}
	if (rc != 0)
		return command_failed(&err);
	struct keeper_options keeper = {
	    .folder = args_positional(&args, 0),
	    .listen_fd = (int)listen_fd,
	    .cgroup_root = args_get(&args, "cgroup"),
	    .linger_ms = linger_ms,
	};
	return keeper_run(&keeper, &err) == 0 ? EXIT_OK : command_failed(&err);
}
