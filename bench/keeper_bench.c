/* bench/keeper_bench.c - `true` through the keeper beside a bare spawn loop.
 *
 *   keeper_bench FOLDER PROGRAM [TASKS] [AT A TIME]
 *
 * PROGRAM is the millrace whose keeper is measured. The bare loop is posix_spawn and waitpid with as
 * many at a time; the keeper also makes a pipe, a log file, a durable record and two messages a task.
 */
#include "base/buf.h"
#include "env/env.h"
#include "task/keeper_client.h"

#include <pthread.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

struct bench {
	sem_t slots;
	_Atomic int ended, failed;
};

static void on_message(void *arg, struct json_value message)
{
	struct bench *bench = arg;
	if (!mr_str_is(json_str(json_get(message, "say")), "ended"))
		return;
	bench->failed += json_int(json_get(message, "exit")) != 0;
	bench->ended++;
	sem_post(&bench->slots);
}

static void on_gone(void *arg)
{
	(void)arg;
	fprintf(stderr, "the keeper died\n");
	exit(1);
}

static double bare(int tasks, int at_a_time)
{
	char name[] = "true", *argv[] = {name, NULL};
	int running = 0;
	int64_t begin = clock_mono_us(env_linux()->clock);
	for (int i = 0; i < tasks; i++) {
		pid_t pid;
		if (running == at_a_time && wait(NULL) > 0)
			running--;
		if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0)
			running++;
	}
	while (wait(NULL) > 0)
		;
	return tasks * 1e6 / (double)(clock_mono_us(env_linux()->clock) - begin);
}

static double kept(struct bench *bench, struct keeper_client *client, const char *folder, int tasks,
		   int at_a_time)
{
	struct mr_error err;
	int64_t begin = clock_mono_us(env_linux()->clock);
	for (int i = 0; i < tasks; i++) {
		struct mr_buf json = {0};
		sem_wait(&bench->slots);
		mr_buf_printf(
		    &json,
		    "{\"do\":\"start\",\"id\":\"00000000-0000-4000-8000-%012d\",\"argv\":[\"/bin/true\"],"
		    "\"env\":[\"PATH=/bin\"],\"cwd\":\"/\",\"log\":\"%s/%d.log\",\"grace_ms\":1000}",
		    i, folder, i);
		if (keeper_client_send(client, mr_buf_view(&json), &err) != 0)
			exit(1);
		mr_buf_release(&json);
	}
	for (int i = 0; i < at_a_time; i++)
		sem_wait(&bench->slots);
	return tasks * 1e6 / (double)(clock_mono_us(env_linux()->clock) - begin);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	int tasks = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 2000,
	    at_a_time = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 8;
	struct bench *bench = calloc(1, sizeof *bench);
	sem_init(&bench->slots, 0, (unsigned)at_a_time);
	struct keeper_client_options options = {
	    .folder = argv[1], .program = argv[2], .message = on_message, .gone = on_gone, .arg = bench};
	struct keeper_client *client;
	struct mr_error err;
	double plain = bare(tasks, at_a_time);
	if (keeper_client_new(&options, &client, &err) != 0) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	double with_keeper = kept(bench, client, argv[1], tasks, at_a_time);
	printf("bare %.0f/s  keeper %.0f/s  %.0f %%  failed %d\n", plain, with_keeper,
	       100 * with_keeper / plain, bench->failed);
	keeper_client_free(client);
	free(bench);
	return 0;
}
