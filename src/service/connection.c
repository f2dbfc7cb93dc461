#include "service/connection.h"

#include "base/log.h"
#include "codec/syslog.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_BYTES = 128 << 10 };

enum connection_end { END_NOT, END_CLEAN, END_BROKEN };

struct connection {
	struct loop_watch watch;
	struct connections *all;
	struct connection *next, **link;
	struct syslog_framer framer;
	char *buffer;           /* NULL while it would be empty */
	size_t cap, start, len; /* bytes [start, start + len) are not taken yet */
	bool parked;
	enum connection_end end; /* the sender's; set once its last byte is in the buffer */
	size_t drain_bytes;      /* while closing: what is still to be read */
	char peer[64];
};

static void name_peer(int fd, char peer[64])
{
	struct sockaddr_storage address;
	socklen_t len = sizeof address;
	char host[INET6_ADDRSTRLEN] = "";
	peer[0] = 0;
	if (getpeername(fd, (struct sockaddr *)&address, &len) < 0)
		return;
	if (address.ss_family == AF_INET6) {
		struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address;
		inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host);
		snprintf(peer, 64, "[%s]:%d", host, ntohs(six->sin6_port));
	} else {
		struct sockaddr_in *four = (struct sockaddr_in *)&address;
		inet_ntop(AF_INET, &four->sin_addr, host, sizeof host);
		snprintf(peer, 64, "%s:%d", host, ntohs(four->sin_port));
	}
}

/* ---- the buffer ---- */

static void buffer_give_back(struct connection *c)
{
	if (c->buffer && c->cap == BUFFER_BYTES && !c->all->spare)
		c->all->spare = c->buffer;
	else
		free(c->buffer);
	c->buffer = NULL;
	c->cap = c->start = c->len = 0;
}

/* Room behind the bytes: the start moves down, or the buffer grows. */
static void buffer_make_room(struct connection *c)
{
	size_t most = mr_max_size(syslog_frame_room(&c->framer), BUFFER_BYTES);
	if (!c->buffer) {
		c->buffer = c->all->spare ? c->all->spare : mr_alloc(BUFFER_BYTES);
		c->all->spare = NULL;
		c->cap = BUFFER_BYTES;
	}
	if (c->start) {
		memmove(c->buffer, c->buffer + c->start, c->len);
		c->start = 0;
	}
	if (c->len == c->cap && c->cap < most) {
		c->cap = mr_min_size(c->cap * 2, most);
		c->buffer = mr_realloc(c->buffer, c->cap);
	}
	/* A whole line, or a line that is too long, fits: the framer leaves room for more. */
	MR_ASSERT(c->len < c->cap);
}

/* ---- lines ---- */

static mr_str peer_of(const struct connection *c)
{
	return mr_str_from(c->peer);
}

/* What is left when the sender has gone: a last line without its newline, or a piece. */
static int take_tail(struct connection *c)
{
	mr_str rest = mr_str_n(c->buffer + c->start, c->len);
	bool counted =
	    rest.ptr[0] >= '1' && rest.ptr[0] <= '9' && memchr(rest.ptr, '<', mr_min_size(rest.len, 12));
	int rc = c->end == END_CLEAN && !counted && !c->all->closing
		     ? intake_line(c->all->intake, rest, peer_of(c))
		     : intake_dead(c->all->intake, rest, peer_of(c), false,
				   "cut off: the connection ended inside the line");
	if (rc == 0)
		c->len = 0;
	return rc;
}

/* Hand the whole lines over: 0, or MR_ERR_BUSY with the rest kept. */
static int take_lines(struct connection *c)
{
	struct intake *intake = c->all->intake;
	while (c->len) {
		struct syslog_framer before = c->framer;
		mr_str line;
		size_t used;
		enum syslog_frame frame =
		    syslog_frame_next(&c->framer, mr_str_n(c->buffer + c->start, c->len), &line, &used);
		int rc = 0;
		if (frame == SYSLOG_FRAME_LINE && line.len)
			rc = intake_line(intake, line, peer_of(c));
		else if (frame == SYSLOG_FRAME_TOO_LONG)
			rc = intake_dead(intake, line, peer_of(c), true, "longer than max_line_bytes");
		if (rc < 0) {
			c->framer = before;
			return rc;
		}
		c->start += used;
		c->len -= used;
		if (frame == SYSLOG_FRAME_MORE)
			break;
	}
	return c->end != END_NOT && c->len ? take_tail(c) : 0;
}

/* ---- life ---- */

static void park(struct connection *c)
{
	if (c->parked)
		return;
	loop_unwatch(c->all->loop, &c->watch);
	c->parked = true;
	c->all->parked++;
}

static void connection_close(struct connection *c)
{
	if (c->parked)
		c->all->parked--;
	else
		loop_unwatch(c->all->loop, &c->watch);
	close(c->watch.fd);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->all->count--;
	intake_connection(c->all->intake, -1);
	buffer_give_back(c);
	free(c);
}

static void read_some(struct connection *c)
{
	buffer_make_room(c);
	size_t room = c->cap - c->len;
	if (c->all->closing)
		room = mr_min_size(room, c->drain_bytes);
	ssize_t n = room ? recv(c->watch.fd, c->buffer + c->len, room, 0) : 0;
	if (n > 0) {
		c->len += (size_t)n;
		c->drain_bytes -= c->all->closing ? (size_t)n : 0;
	} else if (n == 0) {
		c->end = END_CLEAN;
	} else if (errno != EAGAIN && errno != EINTR) {
		c->end = END_BROKEN;
	} else if (c->all->closing) {
		c->end = END_CLEAN;
	}
}

/* Lines, then bytes, until the socket or the intake has no more. */
static void connection_run(struct connection *c, bool readable)
{
	int rc = take_lines(c);
	if (rc == 0 && readable && c->end == END_NOT) {
		read_some(c);
		rc = take_lines(c);
	}
	c->all->added(c->all->arg);
	if (rc < 0)
		park(c);
	else if (c->end != END_NOT)
		connection_close(c);
	else if (c->len == 0)
		buffer_give_back(c);
}

static void connection_ready(struct loop_watch *watch, int events)
{
	(void)events;
	struct connection *c = MR_CONTAINER_OF(watch, struct connection, watch);
	intake_start_burst(c->all->intake);
	connection_run(c, true);
}

void connection_open(struct connections *all, int fd)
{
	struct mr_error err;
	if (all->count >= CONNECTIONS_MAX || all->closing) {
		mr_warn("gateway", "connection refused: %d are open already", CONNECTIONS_MAX);
		close(fd);
		return;
	}
	struct connection *c = mr_calloc(1, sizeof *c);
	c->watch = (struct loop_watch){fd, connection_ready};
	c->all = all;
	c->framer.line_bytes_max = all->line_bytes_max;
	name_peer(fd, c->peer);
	if (loop_watch(all->loop, &c->watch, LOOP_READ, &err) < 0) {
		mr_log_error("gateway", &err);
		close(fd);
		free(c);
		return;
	}
	c->link = &all->first;
	c->next = all->first;
	if (c->next)
		c->next->link = &c->next;
	all->first = c;
	all->count++;
	intake_connection(all->intake, 1);
}

static void unpark(struct connection *c)
{
	struct mr_error err;
	if (!c->parked)
		return;
	c->parked = false;
	c->all->parked--;
	int rc = loop_watch(c->all->loop, &c->watch, LOOP_READ, &err);
	MR_ASSERT(rc == 0); /* it was watched before */
}

void connections_resume(struct connections *all)
{
	intake_start_burst(all->intake);
	for (struct connection *c = all->first, *next; c && all->parked; c = next) {
		next = c->next;
		if (!c->parked)
			continue;
		unpark(c);
		connection_run(c, all->closing);
	}
}

void connections_drain(struct connections *all)
{
	all->closing = true;
	intake_start_burst(all->intake);
	for (struct connection *c = all->first, *next; c; c = next) {
		int arrived = 0;
		next = c->next;
		if (ioctl(c->watch.fd, FIONREAD, &arrived) == 0 && arrived > 0)
			c->drain_bytes = (size_t)arrived;
		if (!c->parked)
			connection_run(c, true);
	}
}

void connections_release(struct connections *all)
{
	while (all->first)
		connection_close(all->first);
	free(all->spare);
	all->spare = NULL;
}
