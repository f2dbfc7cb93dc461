/* cli/cmd_up.c - millrace up: run a project until SIGTERM or Ctrl-C. */
#include "cli/command.h"

#include "app/app.h"
#include "base/log.h"
#include "cli/process.h"
#include "env/resident.h"

#include <stdio.h>

static const struct arg_option options[] = {
    {"log-format", 0, "FORMAT", "logfmt (default) or json", false},
    {"verbose", 'v', NULL, "log debug lines too", false},
    {"insecure", 0, NULL, "let Kafka clients of other machines in though there are no users", false},
};

static void print_where(struct app *app)
{
	const struct project *project = app_project(app);
	fprintf(stderr, "millrace " MR_VERSION ": %.*s (%s)\n", MR_FMT(project->name), project->data);
	if (app_kafka(app) && kafka_server_port(app_kafka(app)))
		fprintf(stderr, "  kafka    127.0.0.1:%d\n", kafka_server_port(app_kafka(app)));
	if (app_kafka(app) && kafka_server_tls_port(app_kafka(app)))
		fprintf(stderr, "  kafka    127.0.0.1:%d (TLS)\n", kafka_server_tls_port(app_kafka(app)));
	for (size_t i = 0; app_gateway(app) && i < gateway_listener_count(app_gateway(app)); i++) {
		mr_str protocol;
		char address[64];
		gateway_listener(app_gateway(app), i, &protocol, address);
		fprintf(stderr, "  syslog   %s/%.*s\n", address, MR_FMT(protocol));
	}
	if (app_http_port(app))
		fprintf(stderr, "  http     http://127.0.0.1:%d  (/api/v1/status, /metrics)\n",
			app_http_port(app));
	if (app_dags(app) && app_http_port(app))
		fprintf(stderr, "  console  http://127.0.0.1:%d/dags\n", app_http_port(app));
	if (app_dags(app))
		fprintf(stderr, "  dags     millrace dag list -C %s\n", project->folder);
	fprintf(stderr, "  query    millrace sql -C %s\n", project->folder);
	fprintf(stderr, "Ctrl-C ends it.\n");
}

static void print_pipeline_errors(struct app *app)
{
	const struct mr_error *errors;
	size_t count = app_pipeline_errors(app, &errors);
	for (size_t i = 0; i < count; i++)
		print_error(&errors[i]);
	if (count)
		fprintf(stderr, "%zu statement%s left out; the others run.\n", count,
			count > 1 ? "s are" : " is");
}

int cmd_up(int argc, char **argv)
{
	struct args args;
	int code;
	if (!command_args("up", "[FOLDER]", options, MR_COUNT(options), 1, argc, argv, &args, &code))
		return code;
	const char *format = args_get(&args, "log-format");
	mr_log_setup(args_has(&args, "verbose") ? MR_LOG_DEBUG : MR_LOG_INFO,
		     format && strcmp(format, "json") == 0 ? MR_LOG_JSON : MR_LOG_LOGFMT);
	sigset_t signals = process_block_signals();
	process_raise_descriptor_limit();
	struct mr_error err;
	struct project *project;
	const char *folder = args_positional(&args, 0) ? args_positional(&args, 0) : ".";
	if (project_load(folder, &project, &err) < 0)
		return command_failed(&err);
	struct app *app;
	int rc = app_open(env_linux(), project, APP_ALL, &app, &err);
	if (rc == 0) {
		print_pipeline_errors(app);
		if (args_has(&args, "insecure"))
			app_allow_insecure(app);
		rc = app_serve(app, &err);
		if (rc == 0) {
			print_where(app);
			resident_trim();
			int signal_number;
			sigwait(&signals, &signal_number);
			mr_info("up", "stopping: %s", signal_number == SIGINT ? "Ctrl-C" : "SIGTERM");
		}
		app_close(app);
	}
	project_free(project);
	return rc < 0 ? command_failed(&err) : EXIT_OK;
}
