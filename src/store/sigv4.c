#include "store/sigv4.h"

#include "base/error.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define DIGEST_BYTES 32

static void put_hex(char hex[65], const uint8_t digest[DIGEST_BYTES])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[2 * DIGEST_BYTES] = 0;
}

void sigv4_sha256(mr_str bytes, char hex[65])
{
	uint8_t digest[DIGEST_BYTES];
	MR_ASSERT(EVP_Digest(bytes.ptr ? bytes.ptr : "", bytes.len, digest, NULL, EVP_sha256(), NULL) == 1);
	put_hex(hex, digest);
}

void sigv4_escape(struct mr_buf *out, mr_str text, bool keep_slash)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		bool plain = c < 0x80 && (isalnum(c) || strchr("-._~", c) || (keep_slash && c == '/'));
		if (plain && c)
			mr_buf_char(out, (char)c);
		else
			mr_buf_printf(out, "%%%02X", c);
	}
}

static void hmac(const void *key, size_t len, mr_str text, uint8_t out[DIGEST_BYTES])
{
	MR_ASSERT(HMAC(EVP_sha256(), key, (int)len, (const unsigned char *)text.ptr, text.len, out, NULL) !=
		  NULL);
}

static void put_signed_names(struct mr_buf *out, const struct sigv4_request *r)
{
	for (size_t i = 0; i < r->header_count; i++)
		mr_buf_printf(out, "%s%s", i ? ";" : "", r->headers[i].name);
}

static void put_canonical(struct mr_buf *out, const struct sigv4_request *r)
{
	mr_buf_printf(out, "%s\n%.*s\n%.*s\n", r->method, MR_FMT(r->path), MR_FMT(r->query));
	for (size_t i = 0; i < r->header_count; i++)
		mr_buf_printf(out, "%s:%.*s\n", r->headers[i].name, MR_FMT(r->headers[i].value));
	mr_buf_char(out, '\n');
	put_signed_names(out, r);
	mr_buf_printf(out, "\n%s", r->payload_sha256);
}

static void signing_key(const struct sigv4_request *r, mr_str secret, uint8_t out[DIGEST_BYTES])
{
	struct mr_buf first = {0};
	mr_buf_printf(&first, "AWS4%.*s", MR_FMT(secret));
	hmac(first.ptr, first.len, mr_str_n(r->date, 8), out);
	mr_buf_release(&first);
	hmac(out, DIGEST_BYTES, mr_str_from(r->region), out);
	hmac(out, DIGEST_BYTES, mr_str_from(r->service), out);
	hmac(out, DIGEST_BYTES, MR_STR("aws4_request"), out);
}

void sigv4_authorization(struct mr_buf *out, const struct sigv4_request *r, const struct sigv4_keys *keys)
{
	struct mr_buf text = {0}, scope = {0};
	uint8_t key[DIGEST_BYTES], signature[DIGEST_BYTES];
	char hex[65];
	mr_buf_printf(&scope, "%.8s/%s/%s/aws4_request", r->date, r->region, r->service);
	put_canonical(&text, r);
	sigv4_sha256(mr_buf_view(&text), hex);
	mr_buf_clear(&text);
	mr_buf_printf(&text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", r->date, scope.ptr, hex);
	signing_key(r, keys->secret_key, key);
	hmac(key, sizeof key, mr_buf_view(&text), signature);
	put_hex(hex, signature);
	mr_buf_printf(out, "AWS4-HMAC-SHA256 Credential=%.*s/%s,SignedHeaders=", MR_FMT(keys->access_key),
		      scope.ptr);
	put_signed_names(out, r);
	mr_buf_printf(out, ",Signature=%s", hex);
	mr_buf_release(&text);
	mr_buf_release(&scope);
}
