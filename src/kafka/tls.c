#include "kafka/tls.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define FILES 3

struct tls_context {
	const struct env *env;
	SSL_CTX *ssl;
	char *files[FILES]; /* certificate, key, client_ca; NULL when there is none */
	enum tls_client_auth client_auth;
	struct file_info seen[FILES];
};

struct tls {
	SSL *ssl;
	bool wants_write;
};

enum { CERTIFICATE, KEY, CLIENT_CA };

/* ---- contexts ---- */

/* The oldest error is the cause; the others say who passed it on. */
static const char *reason(char text[256])
{
	unsigned long code = ERR_get_error();
	ERR_error_string_n(code, text, 256);
	ERR_clear_error();
	return text;
}

static int file_failed(const char *what, const char *file, struct mr_error *err)
{
	char text[256];
	mr_fail(err, MR_ERR_INVALID, "cannot use the %s in %s: %s", what, file, reason(text));
	mr_hint(err, "PEM is expected; the key must belong to the certificate and have no passphrase");
	return MR_ERR_INVALID;
}

static int verify_modes[] = {
    [TLS_CLIENT_NONE] = SSL_VERIFY_NONE,
    [TLS_CLIENT_REQUESTED] = SSL_VERIFY_PEER,
    [TLS_CLIENT_REQUIRED] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
};

static int fill(const struct tls_context *c, SSL_CTX *ssl, struct mr_error *err)
{
	SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				  SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_id_context(ssl, (const unsigned char *)"millrace", 8);
	if (SSL_CTX_use_certificate_chain_file(ssl, c->files[CERTIFICATE]) != 1)
		return file_failed("certificate", c->files[CERTIFICATE], err);
	if (SSL_CTX_use_PrivateKey_file(ssl, c->files[KEY], SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ssl) != 1)
		return file_failed("private key", c->files[KEY], err);
	if (c->client_auth == TLS_CLIENT_NONE)
		return 0;
	if (!c->files[CLIENT_CA])
		return mr_fail(err, MR_ERR_INVALID,
			       "client certificates need client_ca, whose signature they bear");
	if (SSL_CTX_load_verify_locations(ssl, c->files[CLIENT_CA], NULL) != 1)
		return file_failed("client CA", c->files[CLIENT_CA], err);
	SSL_CTX_set_client_CA_list(ssl, SSL_load_client_CA_file(c->files[CLIENT_CA]));
	SSL_CTX_set_verify(ssl, verify_modes[c->client_auth], NULL);
	return 0;
}

/* Did a file change since it was looked at last? Notes how it is now. */
static bool look(struct tls_context *c)
{
	bool changed = false;
	for (int i = 0; i < FILES; i++) {
		struct file_info info = {0};
		if (c->files[i] && disk_stat(c->env->disk, c->files[i], &info, NULL) < 0)
			continue; /* between two renames: the next connection looks again */
		changed |= info.mtime_ms != c->seen[i].mtime_ms || info.size != c->seen[i].size;
		c->seen[i] = info;
	}
	return changed;
}

static int read_files(struct tls_context *c, struct mr_error *err)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
	MR_ASSERT(ssl);
	int rc = fill(c, ssl, err);
	if (rc < 0) {
		SSL_CTX_free(ssl);
		return rc;
	}
	SSL_CTX_free(c->ssl);
	c->ssl = ssl;
	return 0;
}

int tls_context_new(const struct env *env, const struct tls_options *options, struct tls_context **out,
		    struct mr_error *err)
{
	struct tls_context *c = mr_calloc(1, sizeof *c);
	c->env = env;
	const char *files[FILES] = {options->certificate, options->key, options->client_ca};
	for (int i = 0; i < FILES; i++)
		c->files[i] = files[i] ? mr_strdup(files[i]) : NULL;
	c->client_auth = options->client_auth;
	look(c);
	int rc = read_files(c, err);
	if (rc < 0) {
		tls_context_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

void tls_context_free(struct tls_context *c)
{
	if (!c)
		return;
	SSL_CTX_free(c->ssl);
	for (int i = 0; i < FILES; i++)
		free(c->files[i]);
	free(c);
}

/* ---- connections ---- */

struct tls *tls_new(struct tls_context *c, int fd)
{
	struct mr_error err;
	if (look(c)) {
		if (read_files(c, &err) < 0)
			mr_warn("kafka", "the certificate is not renewed: %s", err.message);
		else
			mr_info("kafka", "read %s again", c->files[CERTIFICATE]);
	}
	struct tls *tls = mr_calloc(1, sizeof *tls);
	tls->ssl = SSL_new(c->ssl);
	MR_ASSERT(tls->ssl && SSL_set_fd(tls->ssl, fd) == 1);
	SSL_set_accept_state(tls->ssl);
	return tls;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	if (SSL_is_init_finished(tls->ssl))
		SSL_shutdown(tls->ssl);
	ERR_clear_error();
	SSL_free(tls->ssl);
	free(tls);
}

/* What recv or send would have said in place of OpenSSL's answer. */
static ssize_t answer(struct tls *tls, int rc)
{
	tls->wants_write = false;
	if (rc > 0)
		return rc;
	int why = SSL_get_error(tls->ssl, rc);
	ERR_clear_error();
	tls->wants_write = why == SSL_ERROR_WANT_WRITE;
	if (why == SSL_ERROR_ZERO_RETURN)
		return 0;
	errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
	return -1;
}

ssize_t tls_recv(struct tls *tls, void *to, size_t len)
{
	ERR_clear_error();
	return answer(tls, SSL_read(tls->ssl, to, (int)mr_min_size(len, 1 << 30)));
}

ssize_t tls_send(struct tls *tls, const struct iovec *iov, size_t count)
{
	ssize_t sent = 0;
	for (size_t i = 0; i < count; i++) {
		size_t done = 0;
		while (done < iov[i].iov_len) {
			ERR_clear_error();
			ssize_t n = answer(tls, SSL_write(tls->ssl, (const char *)iov[i].iov_base + done,
							  (int)mr_min_size(iov[i].iov_len - done, 1 << 30)));
			if (n <= 0)
				return sent > 0 ? sent : n;
			done += (size_t)n;
			sent += n;
		}
	}
	return sent;
}

bool tls_pending(const struct tls *tls)
{
	return SSL_pending(tls->ssl) > 0;
}

bool tls_established(const struct tls *tls)
{
	return SSL_is_init_finished(tls->ssl);
}

bool tls_wants_write(const struct tls *tls)
{
	return tls->wants_write;
}

void tls_peer_name(const struct tls *tls, struct mr_buf *out)
{
	X509 *certificate = SSL_get1_peer_certificate(tls->ssl);
	if (!certificate || SSL_get_verify_result(tls->ssl) != X509_V_OK) {
		X509_free(certificate);
		return;
	}
	BIO *text = BIO_new(BIO_s_mem());
	MR_ASSERT(text);
	X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
	char *bytes;
	long len = BIO_get_mem_data(text, &bytes);
	mr_buf_append(out, bytes, (size_t)mr_max_i64(len, 0));
	BIO_free(text);
	X509_free(certificate);
}
