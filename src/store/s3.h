/* store/s3.h - a bucket of S3, or of what speaks its protocol.
 *
 * Needed of the server: PUT with `If-None-Match: *` (S3 has it since 2024), ListObjectsV2, ranges,
 * multipart uploads. Each request is made once; store_retry_new belongs in front. */
#pragma once

#include "store/aws.h"
#include "store/store.h"

/* The settings are copied. MR_ERR_INVALID for a bucket or an endpoint that can be none. */
MR_NODISCARD int s3_open(const struct env *env, const char *bucket, const struct aws_settings *settings,
			 struct store **out, struct mr_error *err);

/* ---- s3_xml.c ---- */

/* The text of the first element of that name, unescaped, appended; false when there is none. */
bool s3_xml_text(mr_str xml, const char *name, struct mr_buf *out);
/* One page of ListObjectsV2: calls fn for keys and prefixes in their order. *next gets the continuation
 * token, empty on the last page. Returns what fn does, or MR_ERR_CORRUPT. */
MR_NODISCARD int s3_xml_list(mr_str xml, store_list_fn fn, void *arg, struct mr_buf *next,
			     struct mr_error *err);
