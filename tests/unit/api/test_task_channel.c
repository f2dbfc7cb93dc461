/* tests/unit/api/test_task_channel.c - who may ask over the tasks' socket, what is answered, and what
 * becomes of those who send nonsense. */
#include "test.h"

#include "api/call.h"
#include "api/task_channel.h"
#include "base/mem.h"
#include "dag/executor.h"
#include "task/frame.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ID "0b7e6a52-1111-4222-8333-444455556666"
#define TOKEN ID ID
#define WAIT_SECONDS 10

struct heard {
	struct dag_sink base;
	char event[64];
};

static void hear(struct dag_sink *sink, mr_str event, mr_str payload_json)
{
	struct heard *heard = MR_CONTAINER_OF(sink, struct heard, base);
	snprintf(heard->event, sizeof heard->event, "%.*s", MR_FMT(event));
}

static const struct dag_sink_ops ops = {.event = hear};

struct bench {
	struct heard heard;
	struct dags *dags;
	struct task_channel *channel;
	char *folder;
};

static void put_file(const char *path, const char *text)
{
	struct mr_error err;
	CHECK_OK(disk_replace_file(env_linux()->disk, path, mr_str_from(text), &err), err);
}

static void set_up(struct bench *b)
{
	struct mr_error err;
	struct mr_disk *disk = env_linux()->disk;
	*b = (struct bench){.heard.base.ops = &ops, .folder = mr_strdup(test_path("%s/data", test_folder()))};
	char *files = mr_strdup(test_path("%s/dags", test_folder()));
	CHECK_OK(disk_mkdir_all(disk, test_path("%s/work/" ID, b->folder), &err), err);
	CHECK_OK(disk_mkdir_all(disk, files, &err), err);
	put_file(test_path("%s/x.yml", files),
		 "x: {schedule: null, tasks: {t: {operator: EmptyOperator}}}\n");
	put_file(test_path("%s/work/" ID "/token", b->folder), TOKEN);
	struct dags_options options = {
	    .env = env_linux(), .data = b->folder, .folder = files, .parallelism = 4};
	CHECK_OK(dags_open(&options, &b->dags, &err), err);
	mr_str secret = MR_STR("s3cret");
	CHECK_OK(vault_set_variable(dags_vault(b->dags), MR_STR("db_password"), &secret, &err), err);
	CHECK_OK(task_channel_new(b->dags, &b->heard.base, b->folder, &b->channel, &err), err);
	free(files);
}

static void tear_down(struct bench *b)
{
	task_channel_free(b->channel);
	dags_free(b->dags);
	free(b->folder);
}

static int dial(struct bench *b)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = WAIT_SECONDS};
	int dir = open(b->folder, O_PATH | O_DIRECTORY), fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(name.sun_path, sizeof name.sun_path, "/proc/self/fd/%d/airflow.sock", dir);
	CHECK_INT(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	close(dir);
	return fd;
}

static void send_bytes(int fd, const char *bytes, size_t len)
{
	CHECK_INT((int)send(fd, bytes, len, MSG_NOSIGNAL), (int)len);
}

/* The answer holds `part`; NULL: the other side hangs up. */
static void expect(int fd, const char *part)
{
	char answer[65536];
	char length[4];
	ssize_t n = recv(fd, length, sizeof length, MSG_WAITALL);
	if (!part) {
		CHECK(n <= 0);
		return;
	}
	CHECK_INT((int)n, 4);
	size_t len = mr_get_be32(length);
	CHECK(len < sizeof answer);
	CHECK_INT((int)recv(fd, answer, len, MSG_WAITALL), (int)len);
	answer[len] = 0;
	if (!strstr(answer, part))
		test_fail(__FILE__, __LINE__, "%s is not in %s", part, answer);
}

static void ask(int fd, const char *json, const char *part)
{
	struct mr_buf frame = {0};
	frame_put(&frame, mr_str_from(json));
	send_bytes(fd, frame.ptr, frame.len);
	mr_buf_release(&frame);
	expect(fd, part);
}

#define HELLO "{\"id\":\"" ID "\",\"token\":\"" TOKEN "\"}"

TEST(task_channel_answers_who_has_a_token)
{
	struct bench b;
	set_up(&b);
	int fd = dial(&b);
	ask(fd, HELLO, "{\"status\":200,");
	ask(fd, "{\"method\":\"GET\",\"target\":\"/dags/none\"}", "{\"status\":404,");
	ask(fd, "{\"method\":\"POST\",\"target\":\"/dags/x/dagRuns\",\"body\":{\"logical_date\":null}}",
	    "queued");
	ask(fd, "{\"method\":\"GET\",\"target\":\"/dags/x\"}", "\"dag_id\":\"x\"");
	ask(fd, "{\"method\":\"GET\",\"target\":\"/stream\"}", "{\"status\":400,");
	ask(fd, "{\"method\":\"GET\",\"target\":\"/variables/db_password\"}", "***");
	ask(fd, "{\"secret\":\"variable\",\"name\":\"db_password\"}", "\"s3cret\"");
	ask(fd, "{\"secret\":\"connection\",\"name\":\"none\"}", "{\"status\":404,");
	ask(fd, "{\"event\":\"airflow-trigger:7\"}", "{\"status\":200,");
	CHECK_STR(mr_str_from(b.heard.event), "airflow-trigger:7");
	tear_down(&b); /* with the connection open */
	close(fd);
}

TEST(task_channel_refuses_the_others)
{
	static const char *const strangers[] = {
	    "{\"id\":\"" ID "\",\"token\":\"\"}",
	    "{\"id\":\"" ID "\",\"token\":\"0" TOKEN "\"}",
	    "{\"id\":\"" ID "\",\"token\":\"1b7e6a52-1111-4222-8333-444455556666" ID "\"}",
	    "{\"id\":\"1b7e6a52-1111-4222-8333-444455556666\",\"token\":\"" TOKEN "\"}",
	    "{\"id\":\"../work/0b7e6a52-1111-4222-8333-44445555\",\"token\":\"" TOKEN "\"}",
	    "{\"secret\":\"variable\",\"name\":\"db_password\"}",
	    "[]",
	};
	struct bench b;
	set_up(&b);
	for (size_t i = 0; i < MR_COUNT(strangers); i++) {
		int fd = dial(&b);
		ask(fd, strangers[i], "{\"status\":403,");
		expect(fd, NULL);
		close(fd);
	}
	int fd = dial(&b);
	ask(fd, "{nonsense", NULL);
	close(fd);
	fd = dial(&b);
	send_bytes(fd, "\xff\xff\xff\xff", 4); /* a message of 4 GiB */
	expect(fd, NULL);
	close(fd);
	fd = dial(&b);
	send_bytes(fd, "\0\0\1", 3); /* and gone */
	close(fd);
	fd = dial(&b);
	ask(fd, HELLO, "{\"status\":200,"); /* it still answers */
	close(fd);
	tear_down(&b);
}
