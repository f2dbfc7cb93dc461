/* kafka/tls.h - TLS 1.2 and 1.3 on accepted sockets, over OpenSSL.
 *
 * A context is a certificate with its key, and how clients' certificates are treated. Its files are
 * looked at whenever a connection comes: when they changed they are read again, so a renewed
 * certificate serves the next connection without a restart. Files that cannot be used are
 * reported once, and the certificate that was read before stays.
 *
 * Threading: a context and its connections belong to one thread, the loop's.
 */
#pragma once

#include "base/error.h"
#include "base/types.h"
#include "env/env.h"

#include <sys/types.h>

struct tls_context;
struct tls;
struct iovec;

enum tls_client_auth { TLS_CLIENT_NONE, TLS_CLIENT_REQUESTED, TLS_CLIENT_REQUIRED }; /* ssl.client.auth */

struct tls_options {
	const char *certificate; /* PEM, with its chain */
	const char *key;         /* PEM */
	const char *client_ca;   /* PEM; NULL unless client_auth asks */
	enum tls_client_auth client_auth;
};

MR_NODISCARD int tls_context_new(const struct env *env, const struct tls_options *options,
				 struct tls_context **out, struct mr_error *err);
void tls_context_free(struct tls_context *context); /* NULL is fine; its connections may go on */

/* The server's side of a connection on a non-blocking socket, which stays the caller's. */
struct tls *tls_new(struct tls_context *context, int fd);
void tls_free(struct tls *tls); /* NULL is fine; tells the peer, as far as that does not block */

/* As recv(2) and sendmsg(2) on a non-blocking socket: bytes, 0 at the end, -1 with errno EAGAIN or
 * EPROTO. The handshake happens inside. */
ssize_t tls_recv(struct tls *tls, void *to, size_t len);
ssize_t tls_send(struct tls *tls, const struct iovec *iov, size_t count);
/* Bytes were decrypted that no readiness of the socket will announce. */
bool tls_pending(const struct tls *tls);
bool tls_established(const struct tls *tls); /* the handshake is over */
/* A read waits until the socket takes more: to be watched for writing. */
bool tls_wants_write(const struct tls *tls);

/* The subject of the client's verified certificate, as Kafka writes it ("CN=a,O=b"), appended. */
struct mr_buf;
void tls_peer_name(const struct tls *tls, struct mr_buf *out);
