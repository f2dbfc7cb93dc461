#include "auth/scram.h"
#include "test.h"

#include <stdlib.h>

/* RFC 7677, section 3: user "user", password "pencil". */
#define RFC_SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define RFC_FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
#define RFC_NONCE "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define RFC_CHALLENGE "r=" RFC_NONCE ",s=" RFC_SALT ",i=4096"
#define RFC_FINAL "c=biws,r=" RFC_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define RFC_SIGNATURE "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

/* An exchange that has come to the RFC's challenge, whose nonce a server cannot be made to draw. */
static void challenged(struct scram_exchange *exchange)
{
	struct mr_error err;
	scram_exchange_init(exchange, SCRAM_SHA_256);
	CHECK_OK(scram_first(exchange, MR_STR(RFC_FIRST), &err), err);
	CHECK_STR(mr_buf_view(&exchange->user), "user");
	struct scram_credential credential;
	struct mr_rng rng;
	rng_seed(&rng, 1);
	scram_credential_make(SCRAM_SHA_256, MR_STR("pencil"), 4096, &rng, &credential);
	struct mr_buf reply = {0};
	uint8_t secret[32] = {0};
	scram_challenge(exchange, &credential, secret, &rng, &reply);
	mr_buf_release(&reply);
	mr_buf_clear(&exchange->nonce);
	mr_buf_cstr(&exchange->nonce, RFC_NONCE);
	mr_buf_clear(&exchange->messages);
	mr_buf_cstr(&exchange->messages, "n=user,r=rOprNGfwEbeRWgbNEkqO," RFC_CHALLENGE);
}

/* The credential of the RFC's salt: its salted password is PBKDF2("pencil", salt, 4096). */
static void rfc_credential(struct scram_credential *out)
{
	static const uint8_t salted[32] = {0xc4, 0xa4, 0x95, 0x10, 0x32, 0x3a, 0xb4, 0xf9, 0x52, 0xca, 0xc1,
					   0xfa, 0x99, 0x44, 0x19, 0x39, 0xe7, 0x8e, 0xa7, 0x4d, 0x6b, 0xe8,
					   0x1d, 0xdf, 0x70, 0x96, 0xe8, 0x75, 0x13, 0xdc, 0x61, 0x5d};
	uint8_t salt[SCRAM_SALT_MAX];
	size_t len;
	struct mr_error err;
	CHECK_OK(auth_base64_get(MR_STR(RFC_SALT), salt, sizeof salt, &len, &err), err);
	CHECK_OK(scram_credential_from_salted(SCRAM_SHA_256, mr_str_n(salt, len), mr_str_n(salted, 32), 4096,
					      out, &err),
		 err);
}

TEST(scram_is_the_rfcs)
{
	struct scram_exchange exchange;
	challenged(&exchange);
	rfc_credential(&exchange.credential);
	CHECK(scram_password_matches(SCRAM_SHA_256, &exchange.credential, MR_STR("pencil")));
	CHECK(!scram_password_matches(SCRAM_SHA_256, &exchange.credential, MR_STR("pencils")));
	struct mr_buf reply = {0};
	struct mr_error err;
	CHECK_OK(scram_final(&exchange, MR_STR(RFC_FINAL), &reply, &err), err);
	CHECK_STR(mr_buf_view(&reply), RFC_SIGNATURE);
	mr_buf_release(&reply);
	scram_exchange_release(&exchange);
}

TEST(scram_refuses_what_proves_nothing)
{
	static const char *const finals[] = {
	    "",
	    "c=biws",
	    "c=biws,r=" RFC_NONCE,
	    "c=biws,r=" RFC_NONCE "x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	    "c=eSws,r=" RFC_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	    "c=biws,r=" RFC_NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVA=",
	    "c=biws,r=" RFC_NONCE ",p=dHzbZapWIk4jUhN",
	    "c=biws,r=" RFC_NONCE ",p=",
	};
	for (size_t i = 0; i < MR_COUNT(finals); i++) {
		struct scram_exchange exchange;
		challenged(&exchange);
		rfc_credential(&exchange.credential);
		struct mr_buf reply = {0};
		CHECK_INT(scram_final(&exchange, mr_str_from(finals[i]), &reply, NULL), MR_ERR_INVALID);
		CHECK_INT(reply.len, 0);
		/* And it stays refused. */
		CHECK_INT(scram_final(&exchange, MR_STR(RFC_FINAL), &reply, NULL), MR_ERR_INVALID);
		scram_exchange_release(&exchange);
	}
}

TEST(scram_proof_for_nobody_is_refused)
{
	struct scram_exchange exchange;
	challenged(&exchange);
	rfc_credential(&exchange.credential);
	exchange.known = false;
	struct mr_buf reply = {0};
	CHECK_INT(scram_final(&exchange, MR_STR(RFC_FINAL), &reply, NULL), MR_ERR_INVALID);
	scram_exchange_release(&exchange);
}

TEST(scram_first_messages)
{
	static const struct {
		const char *message;
		const char *user; /* NULL: refused */
	} cases[] = {
	    {"n,,n=a=2Cb=3Dc,r=x", "a,b=c"},
	    {"y,,n=a,r=x", "a"},
	    {"n,a=other,n=a,r=x,tokenauth=true", "a"},
	    {"p=tls-unique,,n=a,r=x", NULL},
	    {"n,,n=a=2D,r=x", NULL},
	    {"n,,n=,r=x", NULL},
	    {"n,,n=a", NULL},
	    {"n,,n=a,r=", NULL},
	    {"n,", NULL},
	    {"n", NULL},
	    {"", NULL},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		struct scram_exchange exchange;
		scram_exchange_init(&exchange, SCRAM_SHA_512);
		int rc = scram_first(&exchange, mr_str_from(cases[i].message), NULL);
		CHECK_INT(rc, cases[i].user ? 0 : MR_ERR_INVALID);
		if (cases[i].user)
			CHECK_STR(mr_buf_view(&exchange.user), cases[i].user);
		scram_exchange_release(&exchange);
	}
}

TEST(scram_salt_of_nobody_is_always_the_same)
{
	struct mr_rng rng;
	rng_seed(&rng, 7);
	uint8_t secret[32] = {1, 2, 3}, salts[2][SCRAM_SALT_MAX];
	for (int i = 0; i < 2; i++) {
		struct scram_exchange exchange;
		scram_exchange_init(&exchange, SCRAM_SHA_256);
		CHECK_INT(scram_first(&exchange, MR_STR("n,,n=nobody,r=x"), NULL), 0);
		struct mr_buf reply = {0};
		scram_challenge(&exchange, NULL, secret, &rng, &reply);
		memcpy(salts[i], exchange.credential.salt, 32);
		mr_buf_release(&reply);
		scram_exchange_release(&exchange);
	}
	CHECK(memcmp(salts[0], salts[1], 32) == 0);
}
