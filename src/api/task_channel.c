#include "api/task_channel.h"

#include "api/call.h"
#include "base/log.h"
#include "base/mem.h"
#include "task/airflow.h"
#include "task/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_NAME "airflow.sock"
#define ACCEPT_AGAIN_US 100000 /* after an error: out of descriptors */

struct client {
	struct task_channel *channel;
	pthread_t thread;
	int fd;
	bool over; /* its thread is at its end */
};

struct task_channel {
	struct dags *dags;
	struct dag_sink *sink;
	char *folder, *work;
	int listen_fd;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* Below: under the lock. */
	MR_VEC(struct client *) clients;
	bool stopping;
};

/* ---- messages ---- */

static int send_frame(int fd, mr_str json, struct mr_error *err)
{
	struct mr_buf out = {0};
	int rc = 0;
	frame_put(&out, json);
	for (size_t sent = 0; rc == 0 && sent < out.len;) {
		ssize_t n = send(fd, out.ptr + sent, out.len - sent, MSG_NOSIGNAL);
		if (n > 0)
			sent += (size_t)n;
		else if (n < 0 && errno != EINTR)
			rc = mr_fail_errno(err, "cannot answer a task");
	}
	mr_buf_release(&out);
	return rc;
}

/* 1 and *json, valid until frame_drop; 0: the other side is gone. */
static int receive_frame(int fd, struct mr_buf *in, mr_str *json, struct mr_error *err)
{
	char part[16384];
	for (;;) {
		int rc = frame_peek(in, json, err);
		if (rc != 0)
			return rc;
		ssize_t n = recv(fd, part, sizeof part, 0);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return mr_fail_errno(err, "cannot read what a task asks");
		if (n > 0)
			mr_buf_append(in, part, (size_t)n);
	}
}

static void put_answer(struct mr_buf *out, int status, mr_str body_json)
{
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	json_member_int(&w, "status", status);
	json_key(&w, "body");
	json_put_raw(&w, body_json.len ? body_json : MR_STR("null"));
	json_end_object(&w);
}

static void put_text_answer(struct mr_buf *out, int rc, mr_str text, const struct mr_error *err)
{
	struct mr_buf json = {0};
	struct json_writer w = json_writer(&json);
	if (rc == 0)
		json_put_str(&w, text);
	else if (rc < 0)
		json_put_cstr(&w, err->message);
	else
		json_put_null(&w);
	put_answer(out, rc == 0 ? 200 : rc > 0 ? 404 : 500, mr_buf_view(&json));
	mr_buf_release(&json);
}

/* ---- answers ---- */

static int connection_text(struct vault *vault, mr_str id, struct mr_buf *out, struct mr_error *err)
{
	struct arena arena = {0};
	struct connection found;
	int rc = vault_connection(vault, id, &arena, &found, err);
	if (rc == 0)
		connection_put_json(&found, out);
	arena_release(&arena);
	return rc;
}

static void answer_secret(struct dags *dags, mr_str kind, mr_str name, struct mr_buf *out)
{
	struct mr_buf text = {0};
	struct mr_error err = {0};
	int rc = mr_str_is(kind, "variable") ? vault_variable(dags_vault(dags), name, &text, &err)
					     : connection_text(dags_vault(dags), name, &text, &err);
	put_text_answer(out, rc, mr_buf_view(&text), &err);
	mr_buf_release(&text);
}

/* What has no end is nothing that a task waits for; its listener would stay. */
static bool is_stream(const char *target)
{
	return strncmp(target, "/stream", strlen("/stream")) == 0 || strstr(target, "/wait");
}

static void answer_request(struct dags *dags, struct json_value request, struct mr_buf *out)
{
	struct api_reply reply = {0};
	struct mr_buf body = {0};
	char *method = mr_strndup(json_str(json_get(request, "method")));
	char *target = mr_strndup(json_str(json_get(request, "target")));
	struct json_value given = json_get(request, "body");
	if (json_present(given) && json_type(given) != JSON_NULL)
		json_write_value(&body, given);
	if (is_stream(target)) {
		put_answer(out, 400, MR_STR("{\"detail\":\"this is a stream\"}"));
	} else {
		api_handle_target(dags, method, target, mr_buf_view(&body), &reply);
		put_answer(out, reply.status, mr_buf_view(&reply.body));
	}
	mr_buf_release(&reply.body);
	mr_buf_release(&body);
	free(method);
	free(target);
}

static bool is_known(struct task_channel *channel, struct json_value hello)
{
	return airflow_token_is(dags_env(channel->dags)->disk, channel->work, json_str(json_get(hello, "id")),
				json_str(json_get(hello, "token")));
}

/* *known: it has said who it is. */
static int answer(struct client *client, struct json_value message, bool *known, struct mr_error *err)
{
	struct mr_buf out = {0};
	mr_str secret = json_str(json_get(message, "secret")), event = json_str(json_get(message, "event"));
	if (!*known) {
		*known = is_known(client->channel, message);
		put_answer(&out, *known ? 200 : 403, MR_STR(""));
	} else if (event.len) {
		dag_sink_event(client->channel->sink, event, MR_STR("null"));
		put_answer(&out, 200, MR_STR(""));
	} else if (secret.len) {
		answer_secret(client->channel->dags, secret, json_str(json_get(message, "name")), &out);
	} else {
		answer_request(client->channel->dags, message, &out);
	}
	int rc = send_frame(client->fd, mr_buf_view(&out), err);
	mr_buf_release(&out);
	return rc < 0   ? rc
	       : *known ? 0
			: mr_fail(err, MR_ERR_INVALID, "a task with a wrong token was refused");
}

static void *serve(void *arg)
{
	struct client *client = arg;
	struct task_channel *channel = client->channel;
	struct json_parser *parser = json_parser_new();
	struct mr_buf in = {0};
	struct mr_error err = {0};
	struct json_value message;
	mr_str json;
	bool known = false;
	int rc;
	while ((rc = receive_frame(client->fd, &in, &json, &err)) > 0) {
		rc = json_parse(parser, json, &message, &err);
		if (rc == 0)
			rc = answer(client, message, &known, &err);
		if (rc < 0)
			break;
		frame_drop(&in, json);
	}
	if (rc < 0)
		mr_log_error("dags", &err);
	json_parser_free(parser);
	mr_buf_release(&in);
	shutdown(client->fd,
		 SHUT_RDWR); /* closed when it is buried: its number is not to be another's before */
	pthread_mutex_lock(&channel->lock);
	client->over = true;
	pthread_cond_broadcast(&channel->changed);
	pthread_mutex_unlock(&channel->lock);
	return NULL;
}

/* ---- connections ---- */

/* With the lock held: those whose thread is at its end go. */
static void bury(struct task_channel *channel)
{
	size_t kept = 0;
	for (size_t i = 0; i < channel->clients.len; i++) {
		struct client *client = channel->clients.items[i];
		if (!client->over) {
			channel->clients.items[kept++] = client;
			continue;
		}
		pthread_join(client->thread, NULL);
		close(client->fd);
		free(client);
	}
	channel->clients.len = kept;
}

/* With the lock held. */
static void welcome(struct task_channel *channel, int fd)
{
	struct client *client = mr_calloc(1, sizeof *client);
	*client = (struct client){.channel = channel, .fd = fd};
	if (pthread_create(&client->thread, NULL, serve, client) == 0) {
		mr_vec_push(&channel->clients, client);
	} else {
		close(fd); /* the task tries again */
		free(client);
	}
}

static void *accept_all(void *arg)
{
	struct task_channel *channel = arg;
	pthread_mutex_lock(&channel->lock);
	while (!channel->stopping) {
		pthread_mutex_unlock(&channel->lock);
		int fd = accept4(channel->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
			usleep(ACCEPT_AGAIN_US);
		pthread_mutex_lock(&channel->lock);
		bury(channel);
		while (channel->clients.len >= TASK_CHANNEL_MAX && !channel->stopping) {
			pthread_cond_wait(&channel->changed, &channel->lock);
			bury(channel);
		}
		if (fd >= 0 && !channel->stopping)
			welcome(channel, fd);
		else if (fd >= 0)
			close(fd);
	}
	pthread_mutex_unlock(&channel->lock);
	return NULL;
}

/* Names of sockets are short: go by way of a descriptor of the folder. */
static int open_socket(const char *folder, int *out, struct mr_error *err)
{
	int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	snprintf(name.sun_path, sizeof name.sun_path, "/proc/self/fd/%d/" SOCKET_NAME, dir);
	unlink(name.sun_path);
	bool bound = fd >= 0 && fchmod(fd, 0600) == 0 && /* before it has a name */
		     bind(fd, (const struct sockaddr *)&name, sizeof name) == 0 && listen(fd, 128) == 0;
	int rc = bound ? 0 : mr_fail_errno(err, "cannot listen on %s/" SOCKET_NAME, folder);
	if (dir >= 0)
		close(dir);
	if (rc == 0)
		*out = fd;
	else if (fd >= 0)
		close(fd);
	return rc;
}

int task_channel_new(struct dags *dags, struct dag_sink *sink, const char *folder, struct task_channel **out,
		     struct mr_error *err)
{
	int fd, rc = open_socket(folder, &fd, err);
	if (rc < 0)
		return rc;
	struct task_channel *channel = mr_calloc(1, sizeof *channel);
	*channel = (struct task_channel){.dags = dags, .sink = sink, .listen_fd = fd};
	channel->folder = mr_strdup(folder);
	channel->work = mr_asprintf("%s/work", folder);
	pthread_mutex_init(&channel->lock, NULL);
	pthread_cond_init(&channel->changed, NULL);
	int failed = pthread_create(&channel->thread, NULL, accept_all, channel);
	if (failed) {
		channel->stopping = true;
		task_channel_free(channel);
		return mr_fail(err, MR_ERR_IO, "cannot start a thread for the tasks' requests");
	}
	*out = channel;
	return 0;
}

void task_channel_free(struct task_channel *channel)
{
	if (!channel)
		return;
	pthread_mutex_lock(&channel->lock);
	bool running = !channel->stopping;
	channel->stopping = true;
	for (size_t i = 0; i < channel->clients.len; i++)
		shutdown(channel->clients.items[i]->fd, SHUT_RDWR);
	pthread_cond_broadcast(&channel->changed);
	pthread_mutex_unlock(&channel->lock);
	shutdown(channel->listen_fd, SHUT_RDWR); /* accept returns */
	if (running)
		pthread_join(channel->thread, NULL);
	for (size_t i = 0; i < channel->clients.len; i++) {
		pthread_join(channel->clients.items[i]->thread, NULL);
		close(channel->clients.items[i]->fd);
		free(channel->clients.items[i]);
	}
	close(channel->listen_fd);
	mr_vec_release(&channel->clients);
	pthread_mutex_destroy(&channel->lock);
	pthread_cond_destroy(&channel->changed);
	free(channel->folder);
	free(channel->work);
	free(channel);
}
