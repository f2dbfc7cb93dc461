/* auth/scram.h - SCRAM-SHA-256 and SCRAM-SHA-512: credentials, and the server's side of the exchange.
 *
 * RFC 5802 and RFC 7677, without channel binding, as Kafka uses them. A credential is what the
 * server keeps: it proves that a client knows the password and cannot be turned into it.
 *
 * An exchange for a user that does not exist runs to its end with a salt that is the same each
 * time, and fails there: names cannot be tried out. What a client proves is compared in constant time.
 *
 * Pure: random numbers come from the caller. Not locked.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/types.h"
#include "env/rng.h"

enum scram_hash { SCRAM_SHA_256 = 1, SCRAM_SHA_512 = 2 }; /* Kafka's numbers */

#define SCRAM_KEY_MAX 64
#define SCRAM_SALT_MAX 64
#define SCRAM_ITERATIONS_MIN 4096
#define SCRAM_ITERATIONS_MAX 16384 /* Kafka's limit: more is a way to keep the server busy */
#define SCRAM_MESSAGE_MAX 4096

struct scram_credential {
	int32_t iterations; /* 0: there is none */
	uint8_t salt[SCRAM_SALT_MAX];
	size_t salt_len;
	uint8_t stored_key[SCRAM_KEY_MAX]; /* scram_key_bytes(hash) of each */
	uint8_t server_key[SCRAM_KEY_MAX];
};

size_t scram_key_bytes(enum scram_hash hash);

/* A fresh salt and the keys for this password: some milliseconds of work. */
void scram_credential_make(enum scram_hash hash, mr_str password, int32_t iterations, struct mr_rng *rng,
			   struct scram_credential *out);
/* From what AlterUserScramCredentials carries: the client salted the password itself.
 * MR_ERR_INVALID for sizes or iterations out of bounds. */
MR_NODISCARD int scram_credential_from_salted(enum scram_hash hash, mr_str salt, mr_str salted_password,
					      int32_t iterations, struct scram_credential *out,
					      struct mr_error *err);
/* Does this password belong to it? Some milliseconds of work. */
bool scram_password_matches(enum scram_hash hash, const struct scram_credential *credential, mr_str password);

/* One exchange: client-first -> server-first -> client-final -> server-final. */
struct scram_exchange {
	enum scram_hash hash;
	int step;
	struct scram_credential credential;
	bool known;             /* the user exists; a credential that is made up proves nothing */
	struct mr_buf user;     /* the name, unescaped */
	struct mr_buf gs2;      /* the header that client-final must repeat */
	struct mr_buf messages; /* client-first-bare "," server-first: what is signed, but its end */
	struct mr_buf nonce;    /* the client's, then the server's */
	size_t client_nonce_len;
};

void scram_exchange_init(struct scram_exchange *exchange, enum scram_hash hash);
void scram_exchange_release(struct scram_exchange *exchange);

/* client-first: 0, and exchange->user is whose credential is to be given to scram_challenge.
 * MR_ERR_INVALID for what is no such message. */
MR_NODISCARD int scram_first(struct scram_exchange *exchange, mr_str message, struct mr_error *err);
/* Appends server-first. credential NULL: no such user; secret makes his salt. */
void scram_challenge(struct scram_exchange *exchange, const struct scram_credential *credential,
		     const uint8_t secret[32], struct mr_rng *rng, struct mr_buf *reply);
/* client-final: 0 and server-final appended when it proves the password; MR_ERR_INVALID else. */
MR_NODISCARD int scram_final(struct scram_exchange *exchange, mr_str message, struct mr_buf *reply,
			     struct mr_error *err);

/* Standard base64 with padding. decode: MR_ERR_INVALID, also past max bytes. */
void auth_base64_put(struct mr_buf *out, const void *bytes, size_t len);
MR_NODISCARD int auth_base64_get(mr_str text, uint8_t *out, size_t max, size_t *len_out,
				 struct mr_error *err);
