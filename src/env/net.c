/* env/net.c - sockets, as env/loop.h declares them. */

#include "base/mem.h"
#include "env/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A peer that vanished without a word is found out after four minutes. */
enum { KEEPALIVE_AFTER_S = 120, KEEPALIVE_PROBE_S = 30, KEEPALIVE_PROBES = 4 };

/* "host:port" or "[v6]:port" into two strings. */
static int split_address(const char *address, char host[256], char port[16], struct mr_error *err)
{
	const char *colon = strrchr(address, ':');
	size_t host_len = colon ? (size_t)(colon - address) : 0;
	const char *start = address;
	if (host_len >= 2 && start[0] == '[' && start[host_len - 1] == ']') {
		start++;
		host_len -= 2;
	}
	if (!colon || host_len == 0 || host_len >= 256 || strlen(colon + 1) == 0 || strlen(colon + 1) >= 16) {
		mr_fail(err, MR_ERR_INVALID, "'%s' is not an address", address);
		mr_hint(err, "write host:port, for example 127.0.0.1:9092");
		return MR_ERR_INVALID;
	}
	memcpy(host, start, host_len);
	host[host_len] = 0;
	snprintf(port, 16, "%s", colon + 1);
	return 0;
}

static int resolve(const char *address, int type, int flags, struct addrinfo **out, struct mr_error *err)
{
	char host[256], port[16];
	int rc = split_address(address, host, port, err);
	if (rc < 0)
		return rc;
	struct addrinfo want = {.ai_socktype = type, .ai_flags = flags | AI_NUMERICSERV};
	int gai = getaddrinfo(host, port, &want, out);
	if (gai != 0)
		return mr_fail(err, MR_ERR_INVALID, "cannot resolve '%s': %s", address, gai_strerror(gai));
	return 0;
}

static int bound_port(int fd)
{
	struct sockaddr_storage bound;
	socklen_t len = sizeof bound;
	if (getsockname(fd, (struct sockaddr *)&bound, &len) < 0)
		return 0;
	return ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
						 : ((struct sockaddr_in *)&bound)->sin_port);
}

static int listen_on(const char *address, int type, int *fd_out, int *port_out, struct mr_error *err)
{
	struct addrinfo *found;
	int rc = resolve(address, type, AI_PASSIVE, &found, err);
	if (rc < 0)
		return rc;
	int fd = socket(found->ai_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	bool ok = fd >= 0 && bind(fd, found->ai_addr, found->ai_addrlen) == 0 &&
		  (type != SOCK_STREAM || listen(fd, 1024) == 0);
	freeaddrinfo(found);
	if (!ok) {
		bool taken = errno == EADDRINUSE;
		rc = mr_fail_errno(err, "cannot listen on %s", address);
		if (taken)
			mr_hint(err, "another program has this port ('ss -ltnp' shows which); "
				     "stop it, or choose another port (0 picks a free one)");
		if (fd >= 0)
			close(fd);
		return rc;
	}
	*fd_out = fd;
	if (port_out)
		*port_out = bound_port(fd);
	return 0;
}

int net_listen_tcp(const char *address, int *fd_out, int *port_out, struct mr_error *err)
{
	return listen_on(address, SOCK_STREAM, fd_out, port_out, err);
}

int net_listen_udp(const char *address, int *fd_out, int *port_out, struct mr_error *err)
{
	return listen_on(address, SOCK_DGRAM, fd_out, port_out, err);
}

int net_connect_tcp(const char *address, int *fd_out, struct mr_error *err)
{
	struct addrinfo *found;
	int rc = resolve(address, SOCK_STREAM, 0, &found, err);
	if (rc < 0)
		return rc;
	int fd = -1;
	for (struct addrinfo *a = found; a; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			break;
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	if (fd < 0)
		return mr_fail_errno(err, "cannot connect to %s", address);
	int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	*fd_out = fd;
	return 0;
}

int net_accept(int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int on = 1, silence_s = KEEPALIVE_AFTER_S, probe_s = KEEPALIVE_PROBE_S, probes = KEEPALIVE_PROBES;
	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &silence_s, sizeof silence_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &probe_s, sizeof probe_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
	return fd;
}

bool net_is_loopback(const char *address)
{
	char host[256], port[16];
	if (split_address(address, host, port, NULL) < 0)
		return false;
	/* By number: a name such as 127.example.org may lead anywhere. */
	struct in_addr number;
	if (inet_pton(AF_INET, host, &number) == 1)
		return (ntohl(number.s_addr) >> 24) == 127;
	return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0;
}
