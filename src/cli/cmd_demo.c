/* cli/cmd_demo.c - millrace demo: the example project on a real access log, from syslog to query
 * results, with a ledger that shows where every line went. */
#include "cli/command.h"

#include "app/api.h"
#include "base/log.h"
#include "cli/demo_ledger.h"
#include "cli/demo_live.h"
#include "cli/scaffold.h"
#include "service/player.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LOG_MAX ((size_t)1 << 30)
#define ARRIVE_TIMEOUT_MS 60000

static const struct arg_option options[] = {
    {"log", 0, "FILE", "a web server's access log, common or combined format", false},
    {"dir", 0, "FOLDER", "the project's folder (default: ./millrace-demo; begun anew)", false},
    {"seconds", 0, "N", "of live traffic (default 10)", false},
    {"rate", 0, "N", "lines a second of it (default 2000)", false},
};

static _Atomic bool interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted = true;
}

static void heading(const char *text)
{
	fprintf(stderr, "\n== %s\n", text);
}

/* ---- the folder ---- */

/* A folder is begun anew only when it is a demo's: nobody's project is removed. */
static int prepare_folder(const char *folder, struct mr_error *err)
{
	struct mr_disk *disk = env_linux()->disk;
	char *mark = mr_asprintf("%s/.millrace-demo", folder),
	     *project = mr_asprintf("%s/millrace.yml", folder);
	int rc = 0;
	if (disk_exists(disk, mark))
		rc = disk_remove_all(disk, folder, err);
	else if (disk_exists(disk, project)) {
		rc = mr_fail(err, MR_ERR_EXISTS, "%s holds a project that no demo made", folder);
		mr_hint(err, "choose another folder: millrace demo --dir FOLDER");
	}
	if (rc == 0)
		rc = scaffold_write(disk, folder, err);
	if (rc == 0)
		rc = disk_replace_file(disk, mark, MR_STR("made by millrace demo; it may be removed\n"), err);
	free(mark);
	free(project);
	return rc;
}

/* ---- the log goes in ---- */

struct sending {
	struct progress progress;
	struct app *app;
	uint64_t total;
};

static void show_sending(void *arg, uint64_t sent)
{
	struct sending *s = arg;
	struct gateway_stats stats;
	gateway_stats(app_gateway(s->app), &stats);
	progress_show(&s->progress, "%llu of %llu lines sent, %llu safe", (unsigned long long)sent,
		      (unsigned long long)s->total, (unsigned long long)(stats.forwarded + stats.dead));
}

/* Until every line that was sent is safe in a topic. The gateway counts it then, and only then. */
static int wait_until_safe(struct app *app, uint64_t lines, struct mr_error *err)
{
	struct gateway_stats stats;
	for (int waited_ms = 0; waited_ms < ARRIVE_TIMEOUT_MS && !interrupted; waited_ms += 5) {
		gateway_stats(app_gateway(app), &stats);
		if (stats.forwarded + stats.dead + stats.stopped >= lines)
			return 0;
		nanosleep(&(struct timespec){0, 5000000}, NULL);
	}
	if (interrupted)
		return mr_fail(err, MR_ERR_CANCELLED, "interrupted");
	return mr_fail(err, MR_ERR_TIMEOUT, "%llu lines were sent, after a minute %llu are safe",
		       (unsigned long long)lines, (unsigned long long)(stats.forwarded + stats.dead));
}

static int send_log(struct app *app, mr_str lines, const char *address, uint64_t *sent, struct mr_error *err)
{
	struct sending sending = {.app = app, .total = player_count_lines(lines)};
	struct player_options play = {.address = address,
				      .lines = lines,
				      .prefix = "log",
				      .stop = &interrupted,
				      .on_sent = show_sending,
				      .arg = &sending};
	int64_t start_us = clock_mono_us(env_linux()->clock);
	int rc = player_run(&play, sent, err);
	if (rc == 0)
		rc = wait_until_safe(app, *sent, err);
	progress_end(&sending.progress);
	if (rc == 0) {
		double seconds = (double)(clock_mono_us(env_linux()->clock) - start_us) / 1e6;
		fprintf(stderr, "%llu lines in %.2f s (%.0f/s), each on disk before it was counted\n",
			(unsigned long long)*sent, seconds, (double)*sent / seconds);
	}
	return rc;
}

/* A few lines as broken senders make them: the contract and the rules must catch each one. */
static const char damaged_lines[] =
    "192.0.2.7 - - [22/Apr/2009:18:52:51 +1200] \"GET /status-999 HTTP/1.1\" 999 10 \"-\" \"broken status\"\n"
    "192.0.2.7 - - [22/Apr/2009:18:52:51 +1200] \"BREW /coffee HTTP/1.1\" 418 10 \"-\" \"no such method\"\n"
    "192.0.2.7 - - [yesterday, about noon] \"GET / HTTP/1.1\" 200 10 \"-\" \"no time\"\n"
    "this is no access log line\n"
    "192.0.2.7 - - [22/Apr/2009:18:52:51 +1200] \"GET /cut-o\n";

static int send_damaged(struct app *app, const char *address, uint64_t before, uint64_t *sent,
			struct mr_error *err)
{
	struct player_options play = {
	    .address = address, .lines = mr_str_n(damaged_lines, sizeof damaged_lines - 1), .prefix = "bad"};
	int rc = player_run(&play, sent, err);
	if (rc == 0)
		rc = wait_until_safe(app, before + *sent, err);
	if (rc == 0)
		fprintf(stderr, "and %llu damaged lines, on purpose\n", (unsigned long long)*sent);
	return rc;
}

/* ---- what came of it ---- */

static int print_put(void *arg, mr_str bytes)
{
	(void)arg;
	return fwrite(bytes.ptr, 1, bytes.len, stdout) == bytes.len ? 0 : -1;
}

static int show_query(struct app *app, const char *what, const char *sql, struct mr_error *err)
{
	printf("\n%s\n  %s\n", what, sql);
	int width = print_width();
	int rc = app_sql(app, mr_str_from(sql), "box", width ? width : 120, print_put, NULL, err);
	fflush(stdout);
	return rc;
}

static int show_results(struct app *app, struct mr_error *err)
{
	static const struct {
		const char *what, *sql;
		const char *topic; /* shown only when there is this topic: dead letters make theirs */
	} queries[] = {
	    {"bronze.access_log: every line, typed",
	     "SELECT timestamp, client, method, path, status, bytes FROM bronze.access_log ORDER BY "
	     "timestamp DESC LIMIT 5"},
	    {"silver.page_views: pages that people saw",
	     "SELECT page, count(*) AS views, count(DISTINCT client) AS visitors FROM silver.page_views "
	     "GROUP BY page "
	     "ORDER BY views DESC, page LIMIT 8"},
	    {"gold.views_per_minute: the busiest minutes",
	     "SELECT minute, sum(views) AS views, count(*) AS pages, sum(bytes) AS bytes FROM "
	     "gold.views_per_minute "
	     "GROUP BY minute ORDER BY views DESC, minute LIMIT 8"},
	    {"logs-access.dlq: what broke the contract, and how",
	     "SELECT headers->>'$[2].value' AS pointer, headers->>'$[3].value' AS reason, left(value, 48) AS "
	     "value FROM "
	     "\"logs-access.dlq\" "
	     "ORDER BY \"offset\" LIMIT 5",
	     "logs-access.dlq"},
	    {"gateway.dlq: what no rule matched",
	     "SELECT headers->>'$[0].value' AS reason, left(value, 80) AS value FROM \"gateway.dlq\" ORDER "
	     "BY \"offset\" LIMIT "
	     "5",
	     "gateway.dlq"},
	};
	int rc = 0;
	for (size_t i = 0; i < MR_COUNT(queries) && rc == 0; i++) {
		const char *topic = queries[i].topic;
		if (!topic || log_topic_find(broker_store(app_broker(app)), mr_str_from(topic)))
			rc = show_query(app, queries[i].what, queries[i].sql, err);
	}
	return rc;
}

struct demo {
	mr_str lines;
	const char *folder;
	int64_t seconds, rate;
	struct app *app;
};

static int run_demo(struct demo *demo, struct mr_error *err)
{
	mr_str protocol;
	char address[64];
	uint64_t sent = 0, damaged = 0, live = 0;
	gateway_listener(app_gateway(demo->app), 0, &protocol, address);
	heading("the log, as syslog over TCP");
	int rc = send_log(demo->app, demo->lines, address, &sent, err);
	if (rc == 0)
		rc = send_damaged(demo->app, address, sent, &damaged, err);
	sent += damaged;
	if (rc == 0 && demo->seconds > 0) {
		heading("live traffic: the same log, with the time of now");
		struct demo_live traffic = {.app = demo->app,
					    .address = address,
					    .lines = demo->lines,
					    .rate = (double)demo->rate,
					    .seconds = (int)demo->seconds,
					    .sent_before = sent,
					    .stop = &interrupted};
		rc = demo_live_run(&traffic, &live, err);
	}
	if (rc == 0)
		rc = wait_until_safe(demo->app, sent + live, err);
	if (rc == 0) {
		fprintf(stderr, "\nbringing every table up to date\n");
		rc = app_drain(demo->app, err);
	}
	if (rc == 0)
		rc = show_results(demo->app, err);
	return rc < 0 ? rc : demo_ledger(demo->app, sent + live, err);
}

static void print_next(const char *folder)
{
	printf("\nThe folder %s is a project like any other. Try next:\n\n"
	       "  millrace sql -C %s -c 'SELECT status, count(*) FROM bronze.access_log GROUP BY ALL'\n"
	       "  millrace up %s\n"
	       "  millrace table history silver.page_views -C %s\n",
	       folder, folder, folder, folder);
}

/* Listeners on free ports: a demo never meets a server that runs already. */
static void use_free_ports(struct project *project)
{
	project->kafka_listen = MR_STR("127.0.0.1:0");
	project->http_listen = MR_STR("127.0.0.1:0");
	for (size_t i = 0; i < project->gateway.listen_count; i++)
		project->gateway.listen[i].address = MR_STR("127.0.0.1:0");
}

static int demo_in_folder(struct demo *demo, struct mr_error *err)
{
	struct project *project;
	int rc = project_load(demo->folder, &project, err);
	if (rc < 0)
		return rc;
	use_free_ports(project);
	rc = app_open(env_linux(), project, APP_ALL, &demo->app, err);
	if (rc == 0) {
		rc = app_serve(demo->app, err);
		if (rc == 0)
			rc = run_demo(demo, err);
		app_close(demo->app);
	}
	project_free(project);
	return rc;
}

int cmd_demo(int argc, char **argv)
{
	struct args args;
	int code;
	if (!command_args("demo", "[--log FILE] [--dir FOLDER]", options, MR_COUNT(options), 0, argc, argv,
			  &args, &code))
		return code;
	struct demo demo = {.folder = args_get(&args, "dir") ? args_get(&args, "dir") : "millrace-demo"};
	struct mr_error err;
	struct mr_buf text = {0};
	const char *log = args_get(&args, "log") ? args_get(&args, "log") : ".deps/example.log";
	int rc = args_int(&args, "seconds", 10, 0, 3600, &demo.seconds, &err);
	if (rc == 0)
		rc = args_int(&args, "rate", 2000, 1, 100000, &demo.rate, &err);
	if (rc == 0 && (rc = disk_read_file(env_linux()->disk, log, LOG_MAX, &text, &err)) < 0)
		mr_hint(&err, "give an access log: millrace demo --log FILE ('make demo' fetches one)");
	demo.lines = mr_buf_view(&text);
	struct sigaction action = {.sa_handler = on_interrupt};
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	mr_log_setup(MR_LOG_WARN, MR_LOG_LOGFMT);
	if (rc == 0)
		rc = prepare_folder(demo.folder, &err);
	if (rc == 0)
		rc = demo_in_folder(&demo, &err);
	mr_buf_release(&text);
	if (rc < 0)
		return command_failed(&err);
	if (rc == 0)
		print_next(demo.folder);
	return rc == 0 ? EXIT_OK : EXIT_WORK_FAILED;
}
