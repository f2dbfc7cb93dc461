#include "auth/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <stdlib.h>

enum { STEP_FIRST, STEP_CHALLENGED, STEP_OVER };

static const EVP_MD *digest_of(enum scram_hash hash)
{
	return hash == SCRAM_SHA_512 ? EVP_sha512() : EVP_sha256();
}

size_t scram_key_bytes(enum scram_hash hash)
{
	return hash == SCRAM_SHA_512 ? 64 : 32;
}

/* ---- base64 ---- */

void auth_base64_put(struct mr_buf *out, const void *bytes, size_t len)
{
	size_t size = (len + 2) / 3 * 4;
	if (!mr_buf_reserve(out, size))
		return;
	EVP_EncodeBlock((unsigned char *)out->ptr + out->len, bytes, (int)len);
	out->len += size;
	out->ptr[out->len] = 0;
}

int auth_base64_get(mr_str text, uint8_t *out, size_t max, size_t *len_out, struct mr_error *err)
{
	uint8_t bytes[SCRAM_MESSAGE_MAX];
	size_t padding = 0;
	while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
		padding++;
	int n = text.len % 4 == 0 && text.len <= sizeof bytes
		    ? EVP_DecodeBlock(bytes, (const unsigned char *)text.ptr, (int)text.len)
		    : -1;
	if (n < 0 || (size_t)n - padding > max)
		return mr_fail(err, MR_ERR_INVALID, "not base64, or too long");
	*len_out = (size_t)n - padding;
	memcpy(out, bytes, *len_out);
	return 0;
}

/* ---- keys ---- */

static void hmac(enum scram_hash hash, const uint8_t *key, mr_str text, uint8_t out[SCRAM_KEY_MAX])
{
	unsigned len;
	MR_ASSERT(HMAC(digest_of(hash), key, (int)scram_key_bytes(hash), (const unsigned char *)text.ptr,
		       text.len, out, &len));
}

static void hash_of(enum scram_hash hash, const uint8_t *bytes, uint8_t out[SCRAM_KEY_MAX])
{
	MR_ASSERT(EVP_Digest(bytes, scram_key_bytes(hash), out, NULL, digest_of(hash), NULL));
}

static void keys_of(enum scram_hash hash, const uint8_t *salted, struct scram_credential *out)
{
	uint8_t client_key[SCRAM_KEY_MAX];
	hmac(hash, salted, MR_STR("Client Key"), client_key);
	hash_of(hash, client_key, out->stored_key);
	hmac(hash, salted, MR_STR("Server Key"), out->server_key);
	OPENSSL_cleanse(client_key, sizeof client_key);
}

static void salt_password(enum scram_hash hash, mr_str password, const struct scram_credential *c,
			  uint8_t out[SCRAM_KEY_MAX])
{
	MR_ASSERT(PKCS5_PBKDF2_HMAC(password.ptr, (int)password.len, c->salt, (int)c->salt_len, c->iterations,
				    digest_of(hash), (int)scram_key_bytes(hash), out));
}

void scram_credential_make(enum scram_hash hash, mr_str password, int32_t iterations, struct mr_rng *rng,
			   struct scram_credential *out)
{
	struct scram_credential made = {.iterations = iterations, .salt_len = 32};
	for (size_t i = 0; i < made.salt_len; i += 8) {
		uint64_t word = rng_next(rng);
		memcpy(made.salt + i, &word, 8);
	}
	uint8_t salted[SCRAM_KEY_MAX];
	salt_password(hash, password, &made, salted);
	keys_of(hash, salted, &made);
	OPENSSL_cleanse(salted, sizeof salted);
	*out = made;
}

int scram_credential_from_salted(enum scram_hash hash, mr_str salt, mr_str salted_password,
				 int32_t iterations, struct scram_credential *out, struct mr_error *err)
{
	if (iterations < SCRAM_ITERATIONS_MIN || iterations > SCRAM_ITERATIONS_MAX)
		return mr_fail(err, MR_ERR_INVALID, "%d iterations: between %d and %d are taken", iterations,
			       SCRAM_ITERATIONS_MIN, SCRAM_ITERATIONS_MAX);
	if (salt.len == 0 || salt.len > SCRAM_SALT_MAX || salted_password.len != scram_key_bytes(hash))
		return mr_fail(err, MR_ERR_INVALID, "a salt has 1 to %d bytes, this salted password %zu",
			       SCRAM_SALT_MAX, scram_key_bytes(hash));
	struct scram_credential made = {.iterations = iterations, .salt_len = salt.len};
	memcpy(made.salt, salt.ptr, salt.len);
	keys_of(hash, (const uint8_t *)salted_password.ptr, &made);
	*out = made;
	return 0;
}

bool scram_password_matches(enum scram_hash hash, const struct scram_credential *credential, mr_str password)
{
	uint8_t salted[SCRAM_KEY_MAX];
	struct scram_credential made;
	salt_password(hash, password, credential, salted);
	keys_of(hash, salted, &made);
	OPENSSL_cleanse(salted, sizeof salted);
	return CRYPTO_memcmp(made.stored_key, credential->stored_key, scram_key_bytes(hash)) == 0;
}

/* ---- the exchange ---- */

void scram_exchange_init(struct scram_exchange *exchange, enum scram_hash hash)
{
	*exchange = (struct scram_exchange){.hash = hash};
}

void scram_exchange_release(struct scram_exchange *exchange)
{
	mr_buf_release(&exchange->user);
	mr_buf_release(&exchange->gs2);
	mr_buf_release(&exchange->messages);
	mr_buf_release(&exchange->nonce);
	OPENSSL_cleanse(&exchange->credential, sizeof exchange->credential);
}

/* Takes "x=value" with its comma off the front of *text. */
static bool take_attribute(mr_str *text, char name, mr_str *value)
{
	if (text->len < 2 || text->ptr[0] != name || text->ptr[1] != '=')
		return false;
	const char *comma = memchr(text->ptr, ',', text->len);
	size_t end = comma ? (size_t)(comma - text->ptr) : text->len;
	*value = mr_str_n(text->ptr + 2, end - 2);
	*text = mr_str_tail(*text, end + 1);
	return true;
}

/* saslname: "," and "=" are written =2C and =3D. */
static bool unescape_name(mr_str name, struct mr_buf *out)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] != '=') {
			mr_buf_append(out, name.ptr + i, 1);
			continue;
		}
		mr_str code = mr_str_tail(name, i + 1);
		if (!mr_str_starts(code, MR_STR("2C")) && !mr_str_starts(code, MR_STR("3D")))
			return false;
		mr_buf_cstr(out, code.ptr[0] == '2' ? "," : "=");
		i += 2;
	}
	return out->len > 0;
}

static int not_scram(struct scram_exchange *exchange, const char *what, struct mr_error *err)
{
	exchange->step = STEP_OVER;
	return mr_fail(err, MR_ERR_INVALID, "SCRAM: %s", what);
}

/* gs2-header = ("n" / "y") "," [ "a=" authzid ] "," */
static bool take_gs2(mr_str *text)
{
	if (text->len < 3 || (text->ptr[0] != 'n' && text->ptr[0] != 'y') || text->ptr[1] != ',')
		return false;
	mr_str rest = mr_str_tail(*text, 2), authzid;
	if (rest.ptr[0] == ',')
		rest = mr_str_tail(rest, 1);
	else if (!take_attribute(&rest, 'a', &authzid))
		return false;
	*text = rest;
	return true;
}

int scram_first(struct scram_exchange *exchange, mr_str message, struct mr_error *err)
{
	if (exchange->step != STEP_FIRST || message.len > SCRAM_MESSAGE_MAX)
		return not_scram(exchange, "a first message was expected", err);
	mr_str bare = message;
	if (!take_gs2(&bare))
		return not_scram(exchange, "the header is not that of a client without channel binding", err);
	mr_buf_str(&exchange->gs2, mr_str_n(message.ptr, (size_t)(bare.ptr - message.ptr)));
	mr_str rest = bare, name, nonce;
	if (!take_attribute(&rest, 'n', &name) || !unescape_name(name, &exchange->user))
		return not_scram(exchange, "the first message names no user", err);
	if (!take_attribute(&rest, 'r', &nonce) || nonce.len == 0)
		return not_scram(exchange, "the first message has no nonce", err);
	mr_buf_str(&exchange->messages, bare);
	mr_buf_str(&exchange->nonce, nonce);
	exchange->client_nonce_len = nonce.len;
	return 0;
}

/* A salt for a user who does not exist: his for good, so that asking twice tells nothing. */
static void made_up(struct scram_exchange *exchange, const uint8_t secret[32])
{
	struct scram_credential *c = &exchange->credential;
	uint8_t salt[SCRAM_KEY_MAX];
	hmac(SCRAM_SHA_256, secret, mr_buf_view(&exchange->user), salt);
	*c = (struct scram_credential){.iterations = SCRAM_ITERATIONS_MIN, .salt_len = 32};
	memcpy(c->salt, salt, c->salt_len);
}

void scram_challenge(struct scram_exchange *exchange, const struct scram_credential *credential,
		     const uint8_t secret[32], struct mr_rng *rng, struct mr_buf *reply)
{
	exchange->known = credential != NULL;
	if (credential)
		exchange->credential = *credential;
	else
		made_up(exchange, secret);
	uint64_t fresh[3] = {rng_next(rng), rng_next(rng), rng_next(rng)};
	auth_base64_put(&exchange->nonce, fresh, sizeof fresh);
	size_t from = reply->len;
	mr_buf_cstr(reply, "r=");
	mr_buf_str(reply, mr_buf_view(&exchange->nonce));
	mr_buf_cstr(reply, ",s=");
	auth_base64_put(reply, exchange->credential.salt, exchange->credential.salt_len);
	mr_buf_printf(reply, ",i=%d", exchange->credential.iterations);
	mr_buf_cstr(&exchange->messages, ",");
	mr_buf_str(&exchange->messages, mr_str_n(reply->ptr + from, reply->len - from));
	exchange->step = STEP_CHALLENGED;
}

/* The client's key is its proof xor HMAC(stored key, messages); its hash must be the stored key. */
static bool proves(struct scram_exchange *exchange, const uint8_t *proof)
{
	const struct scram_credential *c = &exchange->credential;
	size_t size = scram_key_bytes(exchange->hash);
	uint8_t key[SCRAM_KEY_MAX], hashed[SCRAM_KEY_MAX];
	hmac(exchange->hash, c->stored_key, mr_buf_view(&exchange->messages), key);
	for (size_t i = 0; i < size; i++)
		key[i] ^= proof[i];
	hash_of(exchange->hash, key, hashed);
	OPENSSL_cleanse(key, sizeof key);
	bool right = CRYPTO_memcmp(hashed, c->stored_key, size) == 0;
	return right && exchange->known;
}

/* librdkafka before 2.6.1 puts its own part before the whole nonce once more. That is taken too: the
 * proof covers every message with every nonce in it, so nothing can be replayed by it. */
static bool repeats_nonce(const struct scram_exchange *exchange, mr_str got)
{
	mr_str nonce = mr_buf_view(&exchange->nonce);
	mr_str own = mr_str_n(nonce.ptr, exchange->client_nonce_len);
	return mr_str_eq(got, nonce) || (got.len == own.len + nonce.len && mr_str_starts(got, own) &&
					 mr_str_eq(mr_str_tail(got, own.len), nonce));
}

int scram_final(struct scram_exchange *exchange, mr_str message, struct mr_buf *reply, struct mr_error *err)
{
	if (exchange->step != STEP_CHALLENGED || message.len > SCRAM_MESSAGE_MAX)
		return not_scram(exchange, "a final message was not expected", err);
	exchange->step = STEP_OVER;
	mr_str rest = message, binding, nonce, proof_text;
	if (!take_attribute(&rest, 'c', &binding) || !take_attribute(&rest, 'r', &nonce) ||
	    !repeats_nonce(exchange, nonce))
		return not_scram(exchange, "the final message does not repeat the nonce", err);
	uint8_t header[SCRAM_MESSAGE_MAX], proof[SCRAM_KEY_MAX];
	size_t header_len, proof_len;
	if (auth_base64_get(binding, header, sizeof header, &header_len, NULL) < 0 ||
	    !mr_str_eq(mr_str_n(header, header_len), mr_buf_view(&exchange->gs2)))
		return not_scram(exchange, "the final message does not repeat the header", err);
	/* The proof is the last attribute; extensions before it are signed with the rest. */
	const char *at = memmem(message.ptr, message.len, ",p=", 3);
	if (!at)
		return not_scram(exchange, "the final message has no proof", err);
	proof_text = mr_str_tail(message, (size_t)(at - message.ptr) + 3);
	if (auth_base64_get(proof_text, proof, sizeof proof, &proof_len, NULL) < 0 ||
	    proof_len != scram_key_bytes(exchange->hash))
		return not_scram(exchange, "the proof is not base64 of the right size", err);
	mr_buf_cstr(&exchange->messages, ",");
	mr_buf_str(&exchange->messages, mr_str_n(message.ptr, (size_t)(at - message.ptr)));
	if (!proves(exchange, proof))
		return not_scram(exchange, "user or password is wrong", err);
	uint8_t signature[SCRAM_KEY_MAX];
	hmac(exchange->hash, exchange->credential.server_key, mr_buf_view(&exchange->messages), signature);
	mr_buf_cstr(reply, "v=");
	auth_base64_put(reply, signature, scram_key_bytes(exchange->hash));
	return 0;
}
