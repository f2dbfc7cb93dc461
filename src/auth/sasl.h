/* auth/sasl.h - one connection's way to a user: PLAIN (RFC 4616) and SCRAM behind one face.
 *
 * Tokens of the client in, tokens for it out; knows no frames. Belongs to one thread at a time.
 */
#pragma once

#include "auth/auth.h"

enum sasl_mechanism { SASL_PLAIN, SASL_SCRAM_SHA_256, SASL_SCRAM_SHA_512, SASL_MECHANISMS };

const char *sasl_mechanism_name(enum sasl_mechanism mechanism);
int sasl_mechanism_of(mr_str name); /* -1: not served */

struct sasl;

struct sasl *sasl_new(struct auth *auth, enum sasl_mechanism mechanism);
void sasl_free(struct sasl *sasl); /* NULL is fine */

enum { SASL_MORE = 1 };

/* 0: done, sasl_user tells who it is; SASL_MORE: send the reply and wait for the next token;
 * MR_ERR_INVALID: refused, with a message that may be shown to the client. */
MR_NODISCARD int sasl_step(struct sasl *sasl, mr_str token, struct mr_buf *reply, struct mr_error *err);
mr_str sasl_user(const struct sasl *sasl); /* lives as long as sasl */
