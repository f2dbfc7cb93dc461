/* cli/cmd_broker.c - millrace broker: topics and the Kafka endpoint alone, without a project.
 *
 * --ephemeral is a broker for tests: its data is in a folder of its own that goes with the process,
 * even with one that is killed, and one line of JSON on standard output says where it listens.
 */
#include "cli/command.h"

#include "app/app.h"
#include "base/log.h"
#include "cli/process.h"
#include "codec/json.h"
#include "env/disk_linux.h"
#include "env/resident.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const struct arg_option options[] = {
    {"listen", 'l', "ADDRESS", "where to listen (default 127.0.0.1:9092)", false},
    {"port", 'p', "PORT", "the same on 127.0.0.1; 0 picks one", false},
    {"partitions", 0, "N", "of topics that are made without a number of them (default 1)", false},
    {"ephemeral", 0, NULL, "keep nothing: data goes with the process; relaxed durability", false},
    {"durable", 0, NULL, "with --ephemeral: acknowledge what is synced to disk only", false},
    {"until-stdin-ends", 0, NULL, "end when standard input does: when the program that started it has gone",
     false},
    {"insecure", 0, NULL, "let clients of other machines in though there are no users", false},
    {"verbose", 'v', NULL, "log debug lines too", false},
};

/* {"kafka":"127.0.0.1:40123","port":40123,"pid":4711} */
static void print_address(const struct kafka_server *kafka)
{
	struct mr_buf line = {0};
	struct json_writer w = json_writer(&line);
	char address[64];
	snprintf(address, sizeof address, "127.0.0.1:%d", kafka_server_port(kafka));
	json_begin_object(&w);
	json_member_cstr(&w, "kafka", address);
	json_member_int(&w, "port", kafka_server_port(kafka));
	json_member_int(&w, "pid", getpid());
	json_end_object(&w);
	mr_buf_char(&line, '\n');
	fputs(line.ptr, stdout);
	fflush(stdout);
	mr_buf_release(&line);
}

/* Until a signal comes, or standard input ends when that was asked for. */
static void wait_for_the_end(const sigset_t *signals, bool until_stdin_ends)
{
	struct pollfd watched[2] = {{.fd = signalfd(-1, signals, SFD_CLOEXEC), .events = POLLIN},
				    {.fd = until_stdin_ends ? STDIN_FILENO : -1, .events = POLLIN}};
	for (;;) {
		if (poll(watched, 2, -1) < 0)
			continue;
		if (watched[0].revents)
			break;
		char bytes[256];
		if (watched[1].revents && read(STDIN_FILENO, bytes, sizeof bytes) <= 0)
			break;
	}
	close(watched[0].fd);
}

static int private_folder(char path[256], struct mr_error *err)
{
	const char *parent = getenv("TMPDIR");
	snprintf(path, 256, "%s/millrace-ephemeral-XXXXXX", parent && *parent ? parent : "/tmp");
	if (!mkdtemp(path))
		return mr_fail_errno(err, "cannot make a folder %s", path);
	if (process_remove_folder_after(path) < 0)
		return mr_fail_errno(err, "cannot start the process that removes %s", path);
	return 0;
}

static int read_settings(const struct args *args, struct project *project, struct mr_error *err)
{
	const char *listen = args_get(args, "listen");
	int64_t port;
	int rc = args_int(args, "port", 9092, 0, 65535, &port, err);
	if (rc < 0)
		return rc;
	int64_t partitions;
	rc = args_int(args, "partitions", 1, 1, 10000, &partitions, err);
	if (rc < 0)
		return rc;
	project->num_partitions = (int32_t)partitions;
	if (listen && args_has(args, "port"))
		return mr_fail(err, MR_ERR_INVALID, "--listen and --port both say where to listen");
	project->kafka_listen =
	    listen ? mr_str_from(listen) : arena_printf(&project->arena, "127.0.0.1:%lld", (long long)port);
	return 0;
}

static int serve(const struct args *args, const sigset_t *signals, const struct project *project,
		 struct mr_error *err)
{
	struct app *app;
	bool relaxed = args_has(args, "ephemeral") && !args_has(args, "durable");
	struct env env = *env_linux();
	if (relaxed)
		env.disk = disk_linux_unsynced();
	int rc = app_open(&env, project, relaxed ? APP_EPHEMERAL : APP_BROKER, &app, err);
	if (rc < 0)
		return rc;
	if (args_has(args, "insecure"))
		app_allow_insecure(app);
	rc = app_serve(app, err);
	if (rc == 0) {
		print_address(app_kafka(app));
		resident_trim();
		wait_for_the_end(signals, args_has(args, "until-stdin-ends"));
	}
	app_close(app);
	return rc;
}

int cmd_broker(int argc, char **argv)
{
	struct args args;
	int code;
	if (!command_args("broker", "[FOLDER] | --ephemeral", options, MR_COUNT(options), 1, argc, argv,
			  &args, &code))
		return code;
	bool ephemeral = args_has(&args, "ephemeral");
	mr_log_setup(args_has(&args, "verbose") ? MR_LOG_DEBUG
		     : ephemeral                ? MR_LOG_WARN
						: MR_LOG_INFO,
		     MR_LOG_LOGFMT);
	sigset_t signals = process_block_signals();
	process_raise_descriptor_limit();
	struct mr_error err;
	char folder[256];
	const char *given = args_positional(&args, 0);
	int rc = 0;
	if (ephemeral && given)
		rc = mr_fail(&err, MR_ERR_INVALID,
			     "an ephemeral broker keeps its data in no folder that is named");
	else if (ephemeral)
		rc = private_folder(folder, &err);
	else
		snprintf(folder, sizeof folder, "%s", given ? given : "millrace-data");
	struct project *project = NULL;
	if (rc == 0)
		rc = project_default(folder, &project, &err);
	if (rc == 0)
		rc = read_settings(&args, project, &err);
	if (rc == 0)
		rc = serve(&args, &signals, project, &err);
	project_free(project);
	return rc < 0 ? command_failed(&err) : EXIT_OK;
}
