/* store/sigv4.h - AWS Signature Version 4, of one request with all its bytes at hand.
 * Source: "Create a signed AWS API request" in AWS's IAM guide. Pure; safe from any thread. */
#pragma once

#include "base/buf.h"

struct sigv4_keys {
	mr_str access_key, secret_key;
	mr_str session_token; /* empty: none */
};

struct sigv4_header {
	const char *name; /* lower case */
	mr_str value;     /* trimmed */
};

struct sigv4_request {
	const char *method;
	mr_str path;                        /* encoded, from the first '/' on */
	mr_str query;                       /* encoded, in the order of names, without '?' */
	const struct sigv4_header *headers; /* in the order of names; what is signed */
	size_t header_count;
	const char *payload_sha256; /* 64 hex digits */
	const char *region, *service;
	const char *date; /* "20130524T000000Z" */
};

void sigv4_sha256(mr_str bytes, char hex[65]);
/* Percent-encodes all but unreserved characters (and '/' when it is to stay). */
void sigv4_escape(struct mr_buf *out, mr_str text, bool keep_slash);
/* The value of the Authorization header, appended. */
void sigv4_authorization(struct mr_buf *out, const struct sigv4_request *request,
			 const struct sigv4_keys *keys);
