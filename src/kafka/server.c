/* kafka/server.c - sockets around kafka/connection.c, in one thread.
 *
 * The log's committer calls log_moved in its own thread: it puts the partitions into the inbox
 * and wakes the loop, once a round. Everything else here runs in the loop's thread, but for
 * start, stop and the statistics.
 *
 * A connection that may have something to send, or room for more input, is marked dirty;
 * dirty ones are flushed at the end of the callback that marked them, or of a wake when a
 * timer did. Connections are freed only there, so no list of requests holds a dead one.
 */
#include "kafka/server.h"

#include "base/log.h"
#include "kafka/admin_job.h"
#include "kafka/core.h"

#include <errno.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define PIECES_A_CALL 64
#define TLS_BLOCK ((size_t)64 << 10)
#define ACCEPT_PER_TURN 64
#define CONNECTIONS_MAX 2000
#define IDLE_MS 600000
#define LOGIN_MS 30000
#define NO_FILES_PAUSE_US 1000000

enum { PLAIN, TLS, LISTENERS };

struct listener {
	struct loop_watch watch; /* fd -1: it does not listen */
	struct kafka_server *server;
	struct tls_context *tls;  /* NULL: plain */
	struct loop_timer resume; /* after there were no descriptors */
	char *advertised_host;    /* NULL: the address the client connected to */
	int advertised_port;
	int port;
};

struct client {
	struct loop_watch watch;
	struct tls *tls; /* NULL: plain */
	struct loop_timer unmute;
	struct loop_timer idle;
	int quiet; /* looks since anything moved */
	struct conn conn;
	struct kafka_server *server;
	struct client *next, **link; /* all clients */
	struct client *dirty_next;
	bool dirty;
	bool ended; /* the peer sends no more */
	bool dead;
	int events;
};

struct kafka_server {
	struct kafka_core core;
	struct loop *loop;
	struct listener listeners[LISTENERS];
	struct loop_timer deadline; /* of stopping */
	pthread_t thread;
	char *cluster_id;
	size_t connections_max;
	int64_t idle_us, login_us;
	pthread_mutex_t clients_lock; /* the loop's thread takes it to change the list, others to read it */
	struct client *clients;
	struct client *dirty;
	bool flushing; /* a flush will come before the callback ends */
	bool draining;
	_Atomic bool stop_asked;
	int64_t stop_timeout_us;
	_Atomic uint64_t connections, connections_open;

	struct log_listener log_listener;
	pthread_mutex_t inbox_lock;
	MR_VEC(const void *) inbox; /* keys that moved, under inbox_lock */
	MR_VEC(const void *) moved; /* the loop's; swapped with the inbox */
};

/* ---- clients ---- */

static void client_close(struct client *c)
{
	struct kafka_server *server = c->server;
	loop_unwatch(server->loop, &c->watch);
	loop_timer_cancel(server->loop, &c->unmute);
	loop_timer_cancel(server->loop, &c->idle);
	tls_free(c->tls);
	close(c->watch.fd);
	conn_release(&c->conn);
	pthread_mutex_lock(&server->clients_lock);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	pthread_mutex_unlock(&server->clients_lock);
	atomic_fetch_sub(&server->connections_open, 1);
	free(c);
}

static void client_output(struct conn *conn)
{
	struct client *c = MR_CONTAINER_OF(conn, struct client, conn);
	if (c->dirty)
		return;
	c->dirty = true;
	c->dirty_next = c->server->dirty;
	c->server->dirty = c;
	if (!c->server->flushing)
		loop_wake(c->server->loop);
}

/* The bytes of the pieces up to the first one that lies in a file. */
static ssize_t send_memory(struct client *c, const struct wire_piece *pieces, size_t count)
{
	struct iovec iov[PIECES_A_CALL];
	size_t n = 0;
	while (n < count && pieces[n].bytes) {
		iov[n] = (struct iovec){(char *)pieces[n].bytes, pieces[n].length};
		n++;
	}
	if (c->tls)
		return tls_send(c->tls, iov, n);
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = n};
	/* What a file goes on with shares the packet. */
	return sendmsg(c->watch.fd, &message, MSG_NOSIGNAL | (n < count ? MSG_MORE : 0));
}

/* Without a look at the bytes but for TLS, which sends what is read a block at a time: after
 * EAGAIN the same block again, as OpenSSL asks. */
static ssize_t send_file(struct client *c, const struct wire_piece *piece)
{
	off_t position = piece->position;
	ssize_t n;
	if (!c->tls) {
		n = sendfile(c->watch.fd, piece->fd, &position, piece->length);
	} else {
		char block[TLS_BLOCK];
		n = pread(piece->fd, block, mr_min_size(piece->length, sizeof block), position);
		if (n > 0)
			n = tls_send(c->tls, &(struct iovec){block, (size_t)n}, 1);
	}
	if (n == 0) { /* the file is shorter than it was: there is no way to go on */
		errno = EIO;
		return -1;
	}
	return n;
}

static ssize_t transport_recv(struct client *c, void *to, size_t len)
{
	return c->tls ? tls_recv(c->tls, to, len) : recv(c->watch.fd, to, len, 0);
}

/* Send what can be sent now. */
static void client_send(struct client *c)
{
	struct wire_piece pieces[PIECES_A_CALL];
	size_t n;
	while (!c->dead && (n = conn_output(&c->conn, pieces, PIECES_A_CALL)) > 0) {
		ssize_t sent = pieces[0].bytes ? send_memory(c, pieces, n) : send_file(c, &pieces[0]);
		if (sent >= 0)
			conn_sent(&c->conn, (size_t)sent);
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
		else if (errno != EINTR)
			c->dead = true;
	}
}

static void client_receive(struct client *c)
{
	size_t room;
	char *to = conn_room(&c->conn, &room);
	ssize_t n = transport_recv(c, to, room);
	if (n == 0)
		c->ended = true;
	else if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		c->dead = true;
	conn_received(&c->conn, n > 0 ? (size_t)n : 0);
}

static bool client_reads(const struct client *c)
{
	return !c->dead && !c->ended && !c->server->draining && conn_wants_input(&c->conn);
}

/* Certificates are checked by the handshake, which ends inside a read. */
static void name_tls_peer(struct client *c)
{
	if (c->tls && !c->conn.identity.user.len)
		tls_peer_name(c->tls, &c->conn.identity.user);
}

/* Send, go on with input that was held back, and either close or watch for what is next. */
static void client_flush(struct client *c)
{
	client_send(c);
	while (!c->dead && !c->server->draining && conn_pump(&c->conn))
		client_send(c);
	/* What TLS holds decrypted makes no socket ready. */
	while (c->tls && tls_pending(c->tls) && client_reads(c)) {
		client_receive(c);
		client_send(c);
	}
	c->dirty = false;
	bool idle = !c->conn.first;
	if (c->dead || conn_finished(&c->conn) || (idle && (c->ended || c->server->draining))) {
		client_close(c);
		return;
	}
	if (conn_is_muted(&c->conn))
		loop_timer_set(c->server->loop, &c->unmute,
			       c->conn.muted_until_us - loop_now_us(c->server->loop));
	struct wire_piece left;
	int events = conn_output(&c->conn, &left, 1) || (c->tls && tls_wants_write(c->tls)) ? LOOP_WRITE : 0;
	if (client_reads(c))
		events |= LOOP_READ;
	if (events != c->events)
		loop_watch_change(c->server->loop, &c->watch, events);
	c->events = events;
}

/* A client stays `dirty` while it is flushed, so that what that does does not list it again. */
static void flush_dirty(struct kafka_server *server)
{
	server->flushing = true;
	while (server->dirty) {
		struct client *c = server->dirty;
		server->dirty = c->dirty_next;
		client_flush(c);
	}
	server->flushing = false;
	if (server->draining && !server->clients)
		loop_stop(server->loop);
}

static void client_ready(struct loop_watch *watch, int events)
{
	struct client *c = MR_CONTAINER_OF(watch, struct client, watch);
	struct kafka_server *server = c->server;
	server->flushing = true;
	bool handshake = c->tls && events & LOOP_WRITE && tls_wants_write(c->tls);
	if (handshake || (events & LOOP_READ && c->events & LOOP_READ))
		client_receive(c);
	else if (events & LOOP_HANGUP)
		c->dead = true;
	name_tls_peer(c);
	client_output(&c->conn);
	flush_dirty(server);
}

/* The text of one end's address; returns its port. */
static int address_text(const struct sockaddr_storage *from, char text[64])
{
	if (from->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
		inet_ntop(AF_INET6, &in6->sin6_addr, text, 64);
		return ntohs(in6->sin6_port);
	}
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)from;
	inet_ntop(AF_INET, &in4->sin_addr, text, 64);
	return ntohs(in4->sin_port);
}

/* The address this client connected to, and its own. */
static void connection_addresses(int fd, struct conn *conn)
{
	struct sockaddr_storage end;
	socklen_t len = sizeof end;
	if (getsockname(fd, (struct sockaddr *)&end, &len) == 0)
		conn->port = address_text(&end, conn->host);
	len = sizeof end;
	if (getpeername(fd, (struct sockaddr *)&end, &len) == 0)
		conn->peer_port = address_text(&end, conn->peer);
}

static void unmute(struct loop_timer *timer)
{
	client_output(&MR_CONTAINER_OF(timer, struct client, unmute)->conn);
}

/* It has had time enough to shake hands and, where that is asked, to say who it is. */
static bool is_stranger(const struct client *c)
{
	const struct auth *auth = c->server->core.auth;
	if (c->tls && !tls_established(c->tls))
		return true;
	return auth && auth_enforced(auth) && !c->conn.identity.user.len &&
	       atomic_load_explicit(&c->conn.requests, memory_order_relaxed) == 0;
}

/* Looks twice in the time that a connection may be idle, instead of setting a timer at each request. */
static void look_if_idle(struct loop_timer *timer)
{
	struct client *c = MR_CONTAINER_OF(timer, struct client, idle);
	c->quiet = conn_moved(&c->conn) ? 0 : c->quiet + 1;
	if (c->quiet >= 2 || is_stranger(c)) {
		c->dead = true;
		client_output(&c->conn);
		return;
	}
	loop_timer_set(c->server->loop, timer, c->server->idle_us / 2);
}

static void client_new(struct listener *listener, int fd)
{
	struct kafka_server *server = listener->server;
	struct client *c = mr_calloc(1, sizeof *c);
	*c = (struct client){
	    .watch = {fd, client_ready},
	    .unmute = {.fire = unmute},
	    .idle = {.fire = look_if_idle},
	    .quiet = -1, /* the first look is early */
	    .server = server,
	    .next = server->clients,
	    .link = &server->clients,
	    .events = LOOP_READ,
	};
	conn_init(&c->conn, &server->core, client_output);
	connection_addresses(fd, &c->conn);
	c->conn.advertised_host = mr_str_from(listener->advertised_host);
	c->conn.advertised_port = listener->advertised_port;
	if (loop_watch(server->loop, &c->watch, LOOP_READ, NULL) < 0) {
		close(fd);
		free(c);
		return;
	}
	if (listener->tls)
		c->tls = tls_new(listener->tls, fd);
	loop_timer_set(server->loop, &c->idle, mr_min_i64(server->login_us, server->idle_us / 2));
	pthread_mutex_lock(&server->clients_lock);
	if (c->next)
		c->next->link = &c->next;
	server->clients = c;
	pthread_mutex_unlock(&server->clients_lock);
	atomic_fetch_add(&server->connections, 1);
	atomic_fetch_add(&server->connections_open, 1);
}

static void listener_resume(struct loop_timer *timer)
{
	struct listener *listener = MR_CONTAINER_OF(timer, struct listener, resume);
	loop_watch_change(listener->server->loop, &listener->watch, LOOP_READ);
}

static void listener_ready(struct loop_watch *watch, int events)
{
	(void)events;
	struct listener *listener = MR_CONTAINER_OF(watch, struct listener, watch);
	struct kafka_server *server = listener->server;
	for (int i = 0; i < ACCEPT_PER_TURN; i++) {
		int fd = net_accept(watch->fd);
		if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
			mr_warn("kafka", "no file descriptor is left for a new connection");
			loop_watch_change(server->loop, watch, 0); /* it would be ready all the time */
			loop_timer_set(server->loop, &listener->resume, NO_FILES_PAUSE_US);
		}
		if (fd < 0)
			return;
		if (atomic_load(&server->connections_open) >= server->connections_max)
			close(fd); /* the client tries again later, as with a full backlog */
		else
			client_new(listener, fd);
	}
}

/* ---- what moves requests: the log, and whoever hands out keys ---- */

static void log_moved(void *arg, struct log_partition *const *moved, size_t count)
{
	struct kafka_server *server = arg;
	pthread_mutex_lock(&server->inbox_lock);
	for (size_t i = 0; i < count; i++)
		mr_vec_push(&server->inbox, moved[i]);
	pthread_mutex_unlock(&server->inbox_lock);
	loop_wake(server->loop);
}

void kafka_server_wake(struct kafka_server *server, const void *key)
{
	pthread_mutex_lock(&server->inbox_lock);
	mr_vec_push(&server->inbox, key);
	pthread_mutex_unlock(&server->inbox_lock);
	loop_wake(server->loop);
}

static void ticket_answered(void *arg, const void *ticket)
{
	kafka_server_wake(arg, ticket);
}

static void stop_listening(struct kafka_server *server)
{
	log_unlisten(server->core.store, &server->log_listener);
	groups_listen(server->core.groups, NULL, NULL);
	txns_listen(server->core.txns, NULL, NULL);
	share_listen(server->core.share, NULL, NULL);
	admin_worker_stop(server->core.admin);
}

static void take_inbox(struct kafka_server *server)
{
	server->moved.len = 0;
	pthread_mutex_lock(&server->inbox_lock);
	typeof(server->inbox) inbox = server->inbox;
	memcpy(&server->inbox, &server->moved, sizeof server->inbox);
	memcpy(&server->moved, &inbox, sizeof server->moved);
	pthread_mutex_unlock(&server->inbox_lock);
}

static void deadline_fired(struct loop_timer *timer)
{
	loop_stop(MR_CONTAINER_OF(timer, struct kafka_server, deadline)->loop);
}

static void close_listeners(struct kafka_server *server)
{
	for (int i = 0; i < LISTENERS; i++) {
		struct listener *listener = &server->listeners[i];
		if (listener->watch.fd < 0)
			continue;
		loop_timer_cancel(server->loop, &listener->resume);
		loop_unwatch(server->loop, &listener->watch);
		close(listener->watch.fd);
		listener->watch.fd = -1;
	}
}

static void start_draining(struct kafka_server *server)
{
	server->draining = true;
	close_listeners(server);
	loop_timer_set(server->loop, &server->deadline, server->stop_timeout_us);
	for (struct client *c = server->clients; c; c = c->next) {
		conn_end_polls(&c->conn);
		client_output(&c->conn);
	}
}

static void on_wake(void *arg)
{
	struct kafka_server *server = arg;
	server->flushing = true;
	take_inbox(server);
	kafka_core_wake(&server->core, server->moved.items, server->moved.len);
	if (atomic_load(&server->stop_asked) && !server->draining)
		start_draining(server);
	flush_dirty(server);
}

/* ---- start, stop ---- */

static void *run(void *arg)
{
	struct kafka_server *server = arg;
	loop_run(server->loop);
	return NULL;
}

/* "host:port"; an IPv6 host may be in brackets. */
static int read_advertised(struct listener *listener, const char *advertised, struct mr_error *err)
{
	const char *colon = strrchr(advertised, ':');
	char *end = NULL;
	long port = colon ? strtol(colon + 1, &end, 10) : 0;
	if (!colon || colon == advertised || !end || end == colon + 1 || *end || port < 1 || port > 65535) {
		mr_fail(err, MR_ERR_INVALID, "the advertised address '%s' is not host:port", advertised);
		mr_hint(err,
			"write the address by which clients reach the broker, such as broker.example:9092");
		return MR_ERR_INVALID;
	}
	mr_str host = mr_str_n(advertised, (size_t)(colon - advertised));
	if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = mr_str_n(host.ptr + 1, host.len - 2);
	listener->advertised_host = mr_strndup(host);
	listener->advertised_port = (int)port;
	return 0;
}

/* Without users whoever reaches the port may do everything: on this machine only. */
static int check_exposure(const struct kafka_server_options *options, const char *address,
			  struct mr_error *err)
{
	bool users = options->auth && auth_enforced(options->auth);
	if (users || options->insecure || net_is_loopback(address))
		return 0;
	mr_fail(err, MR_ERR_INVALID,
		"%s is reached from other machines, and there are no users: nobody would be refused",
		address);
	mr_hint(err, "make a user (users: in millrace.yml, or 'kafka-configs --entity-type users'), or say "
		     "--insecure");
	return MR_ERR_INVALID;
}

static int open_listener(struct listener *listener, const struct kafka_server_options *options,
			 const char *address, const char *advertised, struct mr_error *err)
{
	int rc = check_exposure(options, address, err);
	if (rc == 0 && advertised)
		rc = read_advertised(listener, advertised, err);
	if (rc == 0)
		rc = net_listen_tcp(address, &listener->watch.fd, &listener->port, err);
	if (rc == 0)
		rc = loop_watch(listener->server->loop, &listener->watch, LOOP_READ, err);
	return rc;
}

static void server_free(struct kafka_server *server)
{
	while (server->clients)
		client_close(server->clients);
	kafka_core_release(&server->core);
	for (int i = 0; i < LISTENERS; i++) {
		struct listener *listener = &server->listeners[i];
		if (listener->watch.fd >= 0)
			close(listener->watch.fd);
		tls_context_free(listener->tls);
		free(listener->advertised_host);
	}
	loop_free(server->loop);
	mr_vec_release(&server->inbox);
	mr_vec_release(&server->moved);
	pthread_mutex_destroy(&server->inbox_lock);
	pthread_mutex_destroy(&server->clients_lock);
	free(server->cluster_id);
	free(server);
}

static int server_open(struct kafka_server *server, const struct kafka_server_options *options,
		       struct mr_error *err)
{
	int rc = loop_new(&server->loop, err);
	if (rc < 0)
		return rc;
	kafka_core_init(&server->core, options->env, options->broker, server->loop);
	server->core.groups = options->groups;
	server->core.txns = options->txns;
	server->core.share = options->share;
	if (options->request_bytes_max)
		server->core.request_bytes_max = options->request_bytes_max;
	server->cluster_id = mr_strdup(options->cluster_id ? options->cluster_id : "");
	server->core.cluster_id = mr_str_from(server->cluster_id);
	server->core.auth = options->auth;
	if (options->listen)
		rc = open_listener(&server->listeners[PLAIN], options, options->listen, options->advertised,
				   err);
	if (rc == 0 && options->tls_listen)
		rc = tls_context_new(options->env, &options->tls, &server->listeners[TLS].tls, err);
	if (rc == 0 && options->tls_listen)
		rc = open_listener(&server->listeners[TLS], options, options->tls_listen,
				   options->tls_advertised, err);
	return rc;
}

int kafka_server_start(const struct kafka_server_options *options, struct kafka_server **out,
		       struct mr_error *err)
{
	struct kafka_server *server = mr_calloc(1, sizeof *server);
	pthread_mutex_init(&server->inbox_lock, NULL);
	pthread_mutex_init(&server->clients_lock, NULL);
	for (int i = 0; i < LISTENERS; i++)
		server->listeners[i] = (struct listener){
		    .watch = {-1, listener_ready}, .resume = {.fire = listener_resume}, .server = server};
	server->deadline.fire = deadline_fired;
	server->idle_us = (options->idle_ms > 0 ? options->idle_ms : IDLE_MS) * 1000;
	server->login_us = (options->login_ms > 0 ? options->login_ms : LOGIN_MS) * 1000;
	server->connections_max = options->connections_max ? options->connections_max : CONNECTIONS_MAX;
	int rc = server_open(server, options, err);
	if (rc < 0) {
		server_free(server);
		return rc;
	}
	loop_on_wake(server->loop, on_wake, server);
	server->log_listener = (struct log_listener){.fn = log_moved, .arg = server};
	log_listen(server->core.store, &server->log_listener);
	groups_listen(server->core.groups, ticket_answered, server);
	txns_listen(server->core.txns, ticket_answered, server);
	share_listen(server->core.share, ticket_answered, server);
	rc = admin_worker_start(&server->core, ticket_answered, server, &server->core.admin, err);
	if (rc < 0) {
		stop_listening(server);
		server_free(server);
		return rc;
	}
	int failed = pthread_create(&server->thread, NULL, run, server);
	if (failed) {
		stop_listening(server);
		server_free(server);
		return mr_fail(err, MR_ERR_IO, "cannot start the broker's thread: %s", strerror(failed));
	}
	*out = server;
	return 0;
}

void kafka_server_stop(struct kafka_server *server, int64_t timeout_ms)
{
	if (!server)
		return;
	server->stop_timeout_us = timeout_ms * 1000;
	atomic_store(&server->stop_asked, true);
	loop_wake(server->loop);
	pthread_join(server->thread, NULL);
	stop_listening(server);
	server_free(server);
}

int kafka_server_port(const struct kafka_server *server)
{
	return server->listeners[PLAIN].port;
}

int kafka_server_tls_port(const struct kafka_server *server)
{
	return server->listeners[TLS].port;
}

/* ---- statistics ---- */

void kafka_server_stats(struct kafka_server *server, struct kafka_stats *out)
{
	*out = (struct kafka_stats){
	    .connections = atomic_load(&server->connections),
	    .connections_open = atomic_load(&server->connections_open),
	    .bytes_in = atomic_load(&server->core.bytes_in),
	    .bytes_out = atomic_load(&server->core.bytes_out),
	    .bad_frames = atomic_load(&server->core.bad_frames),
	};
}

size_t kafka_server_api_stats(struct kafka_server *server, struct kafka_api_stats *out, size_t max)
{
	size_t count = mr_min_size(max, API_COUNT);
	for (size_t i = 0; i < count; i++) {
		struct api_counters *c = &server->core.counters[i];
		out[i] = (struct kafka_api_stats){
		    .name = kafka_apis[i].name,
		    .key = kafka_apis[i].key,
		    .requests = atomic_load(&c->requests),
		    .errors = atomic_load(&c->errors),
		    .latency_us_sum = atomic_load(&c->latency_us_sum),
		};
	}
	return count;
}

/* labels_lock is held. */
static void show_connection(const struct client *c, struct arena *arena, struct kafka_connection *out)
{
	const struct conn *conn = &c->conn;
	*out = (struct kafka_connection){
	    .peer = arena_copy(arena, mr_str_from(conn->peer)),
	    .user = arena_copy(arena, mr_str_from(conn->label.user)),
	    .client_id = arena_copy(arena, mr_str_from(conn->label.client_id)),
	    .software_name = arena_copy(arena, mr_str_from(conn->label.software_name)),
	    .software_version = arena_copy(arena, mr_str_from(conn->label.software_version)),
	    .peer_port = conn->peer_port,
	    .tls = c->tls != NULL,
	    .opened_ms = conn->opened_ms,
	    .requests = atomic_load_explicit(&conn->requests, memory_order_relaxed),
	    .bytes_in = atomic_load_explicit(&conn->bytes_in, memory_order_relaxed),
	    .bytes_out = atomic_load_explicit(&conn->bytes_out, memory_order_relaxed),
	};
}

struct kafka_connection *kafka_server_connections(struct kafka_server *server, struct arena *arena,
						  size_t *count)
{
	size_t n = 0, at = 0;
	pthread_mutex_lock(&server->clients_lock);
	pthread_mutex_lock(&server->core.labels_lock);
	for (const struct client *c = server->clients; c; c = c->next)
		n++;
	struct kafka_connection *out = arena_calloc(arena, mr_max_size(n, 1), sizeof *out);
	for (const struct client *c = server->clients; c; c = c->next)
		show_connection(c, arena, &out[at++]);
	pthread_mutex_unlock(&server->core.labels_lock);
	pthread_mutex_unlock(&server->clients_lock);
	*count = n;
	return out;
}
