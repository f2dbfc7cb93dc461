#include "task/keeper_client.h"

#include "base/log.h"
#include "base/mem.h"
#include "task/frame.h"
#include "task/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define RETRY_US 200000
#define HELLO_MS 5000

struct keeper_client {
	struct keeper_client_options options;
	char *folder;
	char *program;
	pthread_t thread;
	pthread_mutex_t lock; /* fd and pid; held while a message is written */
	int fd;
	pid_t pid;
	pid_t child; /* the keeper that we started; another's is not ours to reap */
	bool closing;
	struct mr_buf in;
	struct json_parser *parser;
};

/* Names of sockets are short: go by way of a descriptor of the folder. */
static int socket_name(const char *folder, struct sockaddr_un *name, struct mr_error *err)
{
	int dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return mr_fail_errno(err, "cannot open the folder %s", folder);
	*name = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(name->sun_path, sizeof name->sun_path, "/proc/self/fd/%d/socket", dir);
	return dir;
}

static int try_connect(const struct sockaddr_un *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)name, sizeof *name) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int spawn_keeper(struct keeper_client *client, int listen_fd, struct mr_error *err)
{
	char linger[32], log[4200];
	snprintf(log, sizeof log, "%s/keeper.log", client->folder);
	int64_t linger_ms = client->options.linger_ms ? client->options.linger_ms : 10000;
	snprintf(linger, sizeof linger, "%lld", (long long)linger_ms);
	const char *const argv[] = {"millrace", "keeper",      client->folder, "--listen-fd",
				    "3",        "--linger-ms", linger,         NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t pid;
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	/* Our own output must see its end when we do, not when the keeper does. */
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&files, 2, log, O_WRONLY | O_CREAT | O_APPEND, 0640);
	posix_spawn_file_actions_adddup2(&files, listen_fd, 3);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attributes, &none);
	int failed = posix_spawn(&pid, client->program, &files, &attributes, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	errno = failed;
	if (failed)
		return mr_fail_errno(err, "cannot start the keeper (%s)", client->program);
	client->child = pid;
	return 0;
}

/* A fresh socket at the name, and a keeper that listens on it. */
static int start_keeper(struct keeper_client *client, const struct sockaddr_un *name, struct mr_error *err)
{
	unlink(name->sun_path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		return mr_fail_errno(err, "cannot make a socket");
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	mode_t mask = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)name, sizeof *name);
	umask(mask);
	if (rc != 0 || listen(fd, 8) != 0)
		rc = mr_fail_errno(err, "cannot listen on %s/socket", client->folder);
	/* dup2 onto itself would keep close-on-exec */
	int high = rc == 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 10) : -1;
	if (rc == 0)
		rc = spawn_keeper(client, high, err);
	if (high >= 0)
		close(high);
	close(fd);
	return rc;
}

static int write_all(int fd, mr_str bytes)
{
	while (bytes.len > 0) {
		ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		bytes = mr_str_tail(bytes, (size_t)n);
	}
	return 0;
}

/* The next message: 1; 0: the connection is over. */
static int receive(struct keeper_client *client, int fd, mr_str *message)
{
	for (;;) {
		int rc = frame_peek(&client->in, message, NULL);
		if (rc != 0)
			return rc == 1;
		if (!mr_buf_reserve(&client->in, 65536))
			return 0;
		ssize_t n = recv(fd, client->in.ptr + client->in.len, 65536, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		client->in.len += (size_t)n;
	}
}

static int greet(struct keeper_client *client, int fd, struct mr_error *err)
{
	struct timeval limit = {HELLO_MS / 1000, 0}, none = {0};
	struct mr_buf hello = {0};
	struct json_value answer;
	mr_str message;
	frame_put(&hello, MR_STR("{\"do\":\"hello\",\"version\":1}"));
	int rc = write_all(fd, mr_buf_view(&hello));
	mr_buf_release(&hello);
	mr_buf_clear(&client->in);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	if (rc != 0 || receive(client, fd, &message) != 1)
		return mr_fail(err, MR_ERR_UNAVAILABLE, "the keeper of %s does not answer", client->folder);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none);
	if (json_parse(client->parser, message, &answer, err) != 0)
		return err ? err->code : MR_ERR_CORRUPT;
	pid_t pid = (pid_t)json_int(json_get(answer, "pid"));
	if (json_int(json_get(answer, "version")) != KEEPER_VERSION) {
		kill(pid, SIGKILL); /* of another release: its tasks die with it and are tried again */
		return mr_fail(err, MR_ERR_UNAVAILABLE, "the keeper of %s is of another release",
			       client->folder);
	}
	mr_buf_consume(&client->in, 4 + message.len);
	pthread_mutex_lock(&client->lock);
	client->fd = fd;
	client->pid = pid;
	pthread_mutex_unlock(&client->lock);
	return 0;
}

static int attach(struct keeper_client *client, struct mr_error *err)
{
	struct sockaddr_un name;
	int rc = 0, dir = socket_name(client->folder, &name, err);
	if (dir < 0)
		return dir;
	int fd = try_connect(&name);
	if (fd < 0) {
		rc = start_keeper(client, &name, err);
		fd = rc == 0 ? try_connect(&name) : -1;
		if (rc == 0 && fd < 0)
			rc = mr_fail_errno(err, "cannot connect to %s/socket", client->folder);
	}
	if (rc == 0)
		rc = greet(client, fd, err);
	if (rc != 0 && fd >= 0)
		close(fd);
	close(dir);
	return rc;
}

static bool is_closing(struct keeper_client *client)
{
	pthread_mutex_lock(&client->lock);
	bool closing = client->closing;
	pthread_mutex_unlock(&client->lock);
	return closing;
}

static void detach(struct keeper_client *client)
{
	pthread_mutex_lock(&client->lock);
	close(client->fd);
	client->fd = -1;
	client->pid = 0;
	pthread_mutex_unlock(&client->lock);
}

static void listen_to_keeper(struct keeper_client *client, int fd)
{
	struct json_value value;
	struct mr_error err;
	mr_str message;
	while (receive(client, fd, &message) == 1) {
		size_t len = message.len;
		if (json_parse(client->parser, message, &value, &err) == 0)
			client->options.message(client->options.arg, value);
		else
			mr_log_error("keeper", &err);
		mr_buf_consume(&client->in, 4 + len);
	}
}

/* The connection closes a moment before the process is gone. */
static void reap_child(struct keeper_client *client)
{
	for (int i = 0; client->child > 0 && i < 100; i++) {
		if (waitpid(client->child, NULL, WNOHANG) != 0) {
			client->child = 0;
			return;
		}
		usleep(1000);
	}
}

static void *run(void *arg)
{
	struct keeper_client *client = arg;
	struct mr_error err;
	while (!is_closing(client)) {
		listen_to_keeper(client, client->fd); /* only this thread changes fd */
		detach(client);
		reap_child(client);
		if (is_closing(client))
			break;
		client->options.gone(client->options.arg);
		while (!is_closing(client) && attach(client, &err) != 0) {
			mr_log_error("keeper", &err);
			usleep(RETRY_US);
		}
		if (!is_closing(client) && client->options.ready)
			client->options.ready(client->options.arg);
	}
	return NULL;
}

static void free_client(struct keeper_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	pthread_mutex_destroy(&client->lock);
	json_parser_free(client->parser);
	mr_buf_release(&client->in);
	free(client->folder);
	free(client->program);
	free(client);
}

int keeper_client_new(const struct keeper_client_options *options, struct keeper_client **out,
		      struct mr_error *err)
{
	struct keeper_client *client = mr_calloc(1, sizeof *client);
	client->options = *options;
	client->folder = mr_strdup(options->folder);
	client->program = mr_strdup(options->program ? options->program : "/proc/self/exe");
	client->fd = -1;
	client->parser = json_parser_new();
	mr_buf_init(&client->in, FRAME_BYTES_MAX + 65540);
	pthread_mutex_init(&client->lock, NULL);
	int rc = mkdir(options->folder, 0700) != 0 && errno != EEXIST
		     ? mr_fail_errno(err, "cannot make the folder %s", options->folder)
		     : 0;
	for (int i = 0; i < 5; i++) { /* one that just ends may refuse us, or be of another release */
		rc = rc == 0 || rc == MR_ERR_UNAVAILABLE ? attach(client, err) : rc;
		if (rc != MR_ERR_UNAVAILABLE)
			break;
		usleep(RETRY_US);
	}
	if (rc == 0 && pthread_create(&client->thread, NULL, run, client) != 0)
		rc = mr_fail(err, MR_ERR_IO, "cannot start a thread");
	if (rc != 0) {
		free_client(client);
		return rc;
	}
	*out = client;
	return 0;
}

void keeper_client_free(struct keeper_client *client)
{
	if (!client)
		return;
	pthread_mutex_lock(&client->lock);
	client->closing = true;
	if (client->fd >= 0)
		shutdown(client->fd, SHUT_RDWR);
	pthread_mutex_unlock(&client->lock);
	pthread_join(client->thread, NULL);
	free_client(client);
}

int keeper_client_send(struct keeper_client *client, mr_str json, struct mr_error *err)
{
	struct mr_buf frame = {0};
	if (json.len > FRAME_BYTES_MAX)
		return mr_fail(err, MR_ERR_LIMIT,
			       "a task's command, environment and secrets are %zu bytes: too much", json.len);
	frame_put(&frame, json);
	pthread_mutex_lock(&client->lock);
	int rc = client->fd >= 0 ? write_all(client->fd, mr_buf_view(&frame)) : -1;
	pthread_mutex_unlock(&client->lock);
	mr_buf_release(&frame);
	return rc == 0 ? 0 : mr_fail(err, MR_ERR_UNAVAILABLE, "the keeper is gone");
}

pid_t keeper_client_pid(struct keeper_client *client)
{
	pthread_mutex_lock(&client->lock);
	pid_t pid = client->pid;
	pthread_mutex_unlock(&client->lock);
	return pid;
}
