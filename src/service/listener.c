#include "service/listener.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATAGRAMS = 64, DATAGRAM_BYTES = 64 << 10, UDP_BUFFER_BYTES = 8 << 20, ACCEPTS_A_TURN = 64 };

/* What one recvmmsg brings. */
struct datagrams {
	struct mmsghdr headers[DATAGRAMS];
	struct iovec parts[DATAGRAMS];
	struct sockaddr_storage from[DATAGRAMS];
	char *bytes;
	int count, next; /* [next, count) are not taken yet */
};

struct listener {
	struct loop_watch watch;
	struct connections *connections;
	struct datagrams *udp; /* NULL: TCP */
	bool watched;
	bool drained; /* reads no more */
	char address[64];
};

/* ---- TCP ---- */

static void accept_some(struct loop_watch *watch, int events)
{
	(void)events;
	struct listener *l = MR_CONTAINER_OF(watch, struct listener, watch);
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int fd = net_accept(watch->fd);
		if (fd < 0)
			break;
		connection_open(l->connections, fd);
	}
}

/* ---- UDP ---- */

static void receive(struct listener *l)
{
	struct datagrams *d = l->udp;
	for (int i = 0; i < DATAGRAMS; i++) {
		d->parts[i] = (struct iovec){d->bytes + (size_t)i * DATAGRAM_BYTES, DATAGRAM_BYTES};
		d->headers[i].msg_hdr = (struct msghdr){.msg_name = &d->from[i],
							.msg_namelen = sizeof d->from[i],
							.msg_iov = &d->parts[i],
							.msg_iovlen = 1};
	}
	int n = recvmmsg(l->watch.fd, d->headers, DATAGRAMS, MSG_DONTWAIT, NULL);
	d->next = 0;
	d->count = n > 0 ? n : 0;
}

static void name_sender(const struct sockaddr_storage *from, char peer[64])
{
	char host[INET6_ADDRSTRLEN] = "";
	bool six = from->ss_family == AF_INET6;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
	const struct sockaddr_in *in = (const struct sockaddr_in *)from;
	inet_ntop(from->ss_family, six ? (const void *)&in6->sin6_addr : (const void *)&in->sin_addr, host,
		  sizeof host);
	snprintf(peer, 64, six ? "[%s]:%d" : "%s:%d", host, ntohs(six ? in6->sin6_port : in->sin_port));
}

/* One datagram is one message (RFC 5426); a newline at its end is no part of it. */
static int take_datagram(struct listener *l, int i)
{
	struct datagrams *d = l->udp;
	char peer[64];
	mr_str line = mr_str_n(d->parts[i].iov_base, d->headers[i].msg_len);
	while (line.len && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r' ||
			    line.ptr[line.len - 1] == 0))
		line.len--;
	if (!line.len)
		return 0;
	name_sender(&d->from[i], peer);
	if (line.len > l->connections->line_bytes_max)
		return intake_dead(l->connections->intake, line, mr_str_from(peer), true,
				   "longer than max_line_bytes");
	return intake_line(l->connections->intake, line, mr_str_from(peer));
}

static void pause_reading(struct listener *l)
{
	if (l->watched)
		loop_unwatch(l->connections->loop, &l->watch);
	l->watched = false;
}

static void take_datagrams(struct listener *l)
{
	struct datagrams *d = l->udp;
	intake_start_burst(l->connections->intake);
	while (d->next < d->count && take_datagram(l, d->next) == 0)
		d->next++;
	l->connections->added(l->connections->arg);
	if (d->next < d->count)
		pause_reading(l);
}

static void receive_some(struct loop_watch *watch, int events)
{
	(void)events;
	struct listener *l = MR_CONTAINER_OF(watch, struct listener, watch);
	receive(l);
	take_datagrams(l);
}

/* ---- both ---- */

static void bound_address(struct listener *l, mr_str address, int port)
{
	const char *colon = memrchr(address.ptr, ':', address.len);
	size_t host = colon ? (size_t)(colon - address.ptr) : address.len;
	snprintf(l->address, sizeof l->address, "%.*s:%d", (int)host, address.ptr, port);
}

int listener_open(struct connections *connections, mr_str protocol, mr_str address, struct listener **out,
		  struct mr_error *err)
{
	bool udp = mr_str_is(protocol, "udp");
	int fd, port;
	if (!udp && !mr_str_is(protocol, "tcp"))
		return mr_fail(err, MR_ERR_INVALID, "gateway: no protocol '%.*s' (tcp and udp are)",
			       MR_FMT(protocol));
	char *text = mr_strndup(address);
	int rc = udp ? net_listen_udp(text, &fd, &port, err) : net_listen_tcp(text, &fd, &port, err);
	free(text);
	if (rc < 0)
		return mr_error_wrap(err, rc, "gateway");
	struct listener *l = mr_calloc(1, sizeof *l);
	l->watch = (struct loop_watch){fd, udp ? receive_some : accept_some};
	l->connections = connections;
	bound_address(l, address, port);
	if (udp) {
		int bytes = UDP_BUFFER_BYTES;
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes); /* the kernel may give less */
		l->udp = mr_calloc(1, sizeof *l->udp);
		l->udp->bytes = mr_alloc((size_t)DATAGRAMS * DATAGRAM_BYTES);
	}
	rc = loop_watch(connections->loop, &l->watch, LOOP_READ, err);
	if (rc < 0) {
		listener_free(l);
		return rc;
	}
	l->watched = true;
	*out = l;
	return 0;
}

void listener_free(struct listener *l)
{
	if (!l)
		return;
	pause_reading(l);
	close(l->watch.fd);
	if (l->udp)
		free(l->udp->bytes);
	free(l->udp);
	free(l);
}

void listener_resume(struct listener *l)
{
	if (l->watched || l->drained)
		return;
	struct mr_error err;
	int rc = loop_watch(l->connections->loop, &l->watch, LOOP_READ, &err);
	MR_ASSERT(rc == 0); /* it was watched before */
	l->watched = true;
	take_datagrams(l);
}

bool listener_drain(struct listener *l)
{
	pause_reading(l);
	l->drained = true;
	if (!l->udp)
		return true;
	/* At most what the kernel's buffer can hold, however fast more comes. */
	for (int turn = 0; turn < UDP_BUFFER_BYTES / DATAGRAMS / 256; turn++) {
		take_datagrams(l);
		if (l->udp->next < l->udp->count)
			return false;
		receive(l);
		if (l->udp->count == 0)
			break;
	}
	return l->udp->next == l->udp->count;
}

mr_str listener_protocol(const struct listener *l)
{
	return l->udp ? MR_STR("udp") : MR_STR("tcp");
}

const char *listener_address(const struct listener *l)
{
	return l->address;
}
