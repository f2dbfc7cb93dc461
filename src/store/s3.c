#include "store/s3.h"

#include "base/mem.h"
#include "base/vec.h"
#include "store/sigv4.h"
#include "store/wire.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define REPLY_BYTES_MAX ((size_t)16 << 20) /* of what is no object's bytes */
#define PART_BYTES ((int64_t)16 << 20)
#define PARTS_MAX 9000 /* S3 allows 10,000 */

struct s3_store {
	struct store base;
	const struct env *env;
	struct aws_settings settings;
	struct wire *wire;
	char *bucket;
	char *origin; /* "https://BUCKET.s3.eu-west-1.amazonaws.com" */
	char *host;   /* as in the Host header */
	char *root;   /* "" or "/BUCKET" */
};

struct call {
	const char *method;
	const char *key; /* NULL: the bucket */
	mr_str query;
	mr_str body;
	const char *range; /* NULL: none */
	bool if_absent;
	size_t reply_bytes_max;
};

static struct s3_store *s3(struct store *store)
{
	return MR_CONTAINER_OF(store, struct s3_store, base);
}

/* ---- one request ---- */

static void date_now(const struct env *env, char out[32])
{
	time_t seconds = (time_t)(clock_wall_ms(env->clock) / 1000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	strftime(out, 32, "%Y%m%dT%H%M%SZ", &tm);
}

#define HEADERS_MAX 8

/* What is signed, in the order of names. */
static size_t list_headers(const struct s3_store *s, const struct call *call, const char *sha256,
			   const char *date, struct sigv4_header out[HEADERS_MAX])
{
	size_t count = 0;
	out[count++] = (struct sigv4_header){"host", mr_str_from(s->host)};
	if (call->if_absent)
		out[count++] = (struct sigv4_header){"if-none-match", MR_STR("*")};
	if (call->range)
		out[count++] = (struct sigv4_header){"range", mr_str_from(call->range)};
	out[count++] = (struct sigv4_header){"x-amz-content-sha256", mr_str_from(sha256)};
	out[count++] = (struct sigv4_header){"x-amz-date", mr_str_from(date)};
	if (s->settings.session_token)
		out[count++] =
		    (struct sigv4_header){"x-amz-security-token", mr_str_from(s->settings.session_token)};
	return count;
}

static int send_call(struct s3_store *s, const struct call *call, struct wire_reply *reply,
		     struct mr_error *err)
{
	struct mr_buf path = {0}, url = {0}, authorization = {0};
	struct sigv4_header signed_headers[HEADERS_MAX];
	struct wire_header headers[HEADERS_MAX + 1];
	char sha256[65], date[32];
	date_now(s->env, date);
	sigv4_sha256(call->body, sha256);
	mr_buf_printf(&path, "%s/", s->root);
	if (call->key)
		sigv4_escape(&path, mr_str_from(call->key), true);
	size_t count = list_headers(s, call, sha256, date, signed_headers);
	struct sigv4_keys keys = {mr_str_from(s->settings.access_key), mr_str_from(s->settings.secret_key),
				  mr_str_from(s->settings.session_token)};
	struct sigv4_request to_sign = {call->method,
					mr_buf_view(&path),
					call->query,
					signed_headers,
					count,
					sha256,
					s->settings.region,
					"s3",
					date};
	sigv4_authorization(&authorization, &to_sign, &keys);
	for (size_t i = 1; i < count; i++) /* curl says the host */
		headers[i - 1] = (struct wire_header){signed_headers[i].name, signed_headers[i].value};
	headers[count - 1] = (struct wire_header){"authorization", mr_buf_view(&authorization)};
	mr_buf_printf(&url, "%s%s%s%.*s", s->origin, path.ptr, call->query.len ? "?" : "",
		      MR_FMT(call->query));
	struct wire_request request = {call->method, url.ptr,    headers,
				       count,        call->body, call->reply_bytes_max + REPLY_BYTES_MAX};
	int rc = wire_send(s->wire, &request, reply, err);
	if (rc == MR_ERR_UNAVAILABLE || rc == MR_ERR_TIMEOUT)
		mr_hint(err, "is %s reached from here? AWS_ENDPOINT_URL names another server", s->host);
	mr_buf_release(&path);
	mr_buf_release(&url);
	mr_buf_release(&authorization);
	return rc;
}

static const struct {
	long status;
	int code;
	const char *hint; /* NULL: none */
} refusals[] = {
    {404, MR_ERR_NOT_FOUND, NULL},
    {412, MR_ERR_EXISTS, NULL},
    {409, MR_ERR_BUSY, NULL}, /* another conditional put of the key is under way */
    {429, MR_ERR_UNAVAILABLE, NULL},
    {500, MR_ERR_UNAVAILABLE, NULL},
    {502, MR_ERR_UNAVAILABLE, NULL},
    {503, MR_ERR_UNAVAILABLE, NULL},
    {504, MR_ERR_UNAVAILABLE, NULL},
    {408, MR_ERR_UNAVAILABLE, NULL},
    {301, MR_ERR_INVALID, "the bucket is in another region: set AWS_REGION"},
    {307, MR_ERR_INVALID, "the bucket is in another region: set AWS_REGION"},
    {401, MR_ERR_INVALID, "look at AWS_ACCESS_KEY_ID or AWS_PROFILE: these credentials are not taken"},
    {403, MR_ERR_INVALID, "look at AWS_ACCESS_KEY_ID or AWS_PROFILE, and at what its policy allows"},
    {501, MR_ERR_UNSUPPORTED, "Delta's commits need a server with conditional writes (If-None-Match: *)"},
};

static int refused(const struct s3_store *s, const struct call *call, const struct wire_reply *reply,
		   struct mr_error *err)
{
	struct mr_buf code = {0}, message = {0};
	s3_xml_text(mr_buf_view(&reply->body), "Code", &code);
	s3_xml_text(mr_buf_view(&reply->body), "Message", &message);
	int as = reply->status >= 500 ? MR_ERR_UNAVAILABLE : MR_ERR_INVALID;
	const char *hint = NULL;
	for (size_t i = 0; i < MR_COUNT(refusals); i++) {
		if (refusals[i].status != reply->status)
			continue;
		as = refusals[i].code;
		hint = refusals[i].hint;
	}
	if (mr_str_is(mr_buf_view(&code), "NoSuchBucket")) {
		as = MR_ERR_INVALID; /* not an object that is not there */
		hint = "make the bucket first, or look at AWS_ENDPOINT_URL";
	}
	int rc = mr_fail(err, as, "s3://%s/%s: %s was answered with %ld%s%.*s%s%.*s", s->bucket,
			 call->key ? call->key : "", call->method, reply->status, code.len ? " " : "",
			 MR_FMT(mr_buf_view(&code)), message.len ? ": " : "", MR_FMT(mr_buf_view(&message)));
	mr_buf_release(&code);
	mr_buf_release(&message);
	return hint ? (mr_hint(err, "%s", hint), rc) : rc;
}

/* 0 for a 2xx answer, to be released. */
static int ask(struct s3_store *s, const struct call *call, struct wire_reply *reply, struct mr_error *err)
{
	int rc = send_call(s, call, reply, err);
	if (rc < 0 || (reply->status >= 200 && reply->status < 300))
		return rc;
	rc = refused(s, call, reply, err);
	wire_reply_release(reply);
	return rc;
}

static int ask_only(struct s3_store *s, const struct call *call, struct mr_error *err)
{
	struct wire_reply reply;
	int rc = ask(s, call, &reply, err);
	if (rc == 0)
		wire_reply_release(&reply);
	return rc;
}

/* ---- the vtable ---- */

static int s3_get(struct store *store, const char *key, int64_t at, size_t limit, struct mr_buf *out,
		  struct mr_error *err)
{
	struct s3_store *s = s3(store);
	char range[64];
	struct wire_reply reply;
	snprintf(range, sizeof range, "bytes=%lld-%lld", (long long)at, (long long)at + (long long)limit - 1);
	struct call call = {.method = "GET", .key = key, .range = range, .reply_bytes_max = limit};
	int rc = send_call(s, &call, &reply, err);
	if (rc < 0)
		return rc;
	if (reply.status == 206 || (reply.status == 200 && at == 0)) {
		if (reply.body.len > limit)
			rc = mr_fail(err, MR_ERR_LIMIT, "s3://%s/%s: more came than was asked for", s->bucket,
				     key);
		else
			mr_buf_str(out, mr_buf_view(&reply.body));
		if (rc == 0 && out->overflow)
			rc = mr_fail(err, MR_ERR_LIMIT, "s3://%s/%s does not fit the buffer", s->bucket, key);
	} else if (reply.status != 416) { /* 416: the object ends before that */
		rc = refused(s, &call, &reply, err);
	}
	wire_reply_release(&reply);
	return rc;
}

static int s3_head(struct store *store, const char *key, struct store_info *out, struct mr_error *err)
{
	struct call call = {.method = "HEAD", .key = key};
	struct wire_reply reply;
	int rc = ask(s3(store), &call, &reply, err);
	if (rc < 0)
		return rc;
	*out = (struct store_info){mr_max_i64(reply.length, 0), mr_max_i64(reply.mtime_ms, 0), false};
	wire_reply_release(&reply);
	return 0;
}

static int s3_put(struct store *store, const char *key, mr_str bytes, bool if_absent, struct mr_error *err)
{
	struct call call = {.method = "PUT", .key = key, .body = bytes, .if_absent = if_absent};
	return ask_only(s3(store), &call, err);
}

static int s3_remove(struct store *store, const char *key, struct mr_error *err)
{
	struct call call = {.method = "DELETE", .key = key};
	int rc = ask_only(s3(store), &call, err);
	return rc == MR_ERR_NOT_FOUND ? 0 : rc;
}

static void put_parameter(struct mr_buf *out, const char *name, mr_str value)
{
	mr_buf_printf(out, "%s%s=", out->len ? "&" : "", name);
	sigv4_escape(out, value, false);
}

/* Behind "x/" S3 tells the prefix "x/" once more: keys below it are behind it too. */
struct behind {
	const char *after;
	store_list_fn fn;
	void *arg;
};

static int tell_behind(void *arg, mr_str key, const struct store_info *info)
{
	const struct behind *behind = arg;
	if (behind->after && mr_str_cmp(key, mr_str_from(behind->after)) <= 0)
		return 0;
	return behind->fn(behind->arg, key, info);
}

static int s3_list(struct store *store, const char *prefix, const char *after, store_list_fn fn, void *arg,
		   struct mr_error *err)
{
	struct mr_buf token = {0}, query = {0};
	struct behind behind = {after, fn, arg};
	int rc = 0;
	do {
		mr_buf_clear(&query); /* in the order of names, as they are signed */
		if (token.len)
			put_parameter(&query, "continuation-token", mr_buf_view(&token));
		put_parameter(&query, "delimiter", MR_STR("/"));
		put_parameter(&query, "list-type", MR_STR("2"));
		put_parameter(&query, "prefix", mr_str_from(prefix));
		if (after && !token.len)
			put_parameter(&query, "start-after", mr_str_from(after));
		mr_buf_clear(&token);
		struct call call = {.method = "GET", .query = mr_buf_view(&query)};
		struct wire_reply reply;
		rc = ask(s3(store), &call, &reply, err);
		if (rc == 0) {
			rc = s3_xml_list(mr_buf_view(&reply.body), tell_behind, &behind, &token, err);
			wire_reply_release(&reply);
		}
	} while (rc == 0 && token.len);
	mr_buf_release(&token);
	mr_buf_release(&query);
	return rc;
}

/* ---- large objects ---- */

struct upload {
	struct s3_store *s;
	const char *key;
	struct mr_file *file;
	int64_t size, part_bytes;
	struct mr_buf id;
	struct mr_buf done; /* the XML that completes it */
};

static int begin_upload(struct upload *u, struct mr_error *err)
{
	struct call call = {.method = "POST", .key = u->key, .query = MR_STR("uploads=")};
	struct wire_reply reply;
	int rc = ask(u->s, &call, &reply, err);
	if (rc < 0)
		return rc;
	if (!s3_xml_text(mr_buf_view(&reply.body), "UploadId", &u->id) || !u->id.len)
		rc = mr_fail(err, MR_ERR_CORRUPT, "s3://%s/%s: S3 gave no upload id", u->s->bucket, u->key);
	wire_reply_release(&reply);
	return rc;
}

static int send_part(struct upload *u, int number, mr_str bytes, struct mr_error *err)
{
	struct mr_buf query = {0};
	mr_buf_printf(&query, "partNumber=%d", number);
	put_parameter(&query, "uploadId", mr_buf_view(&u->id));
	struct call call = {.method = "PUT", .key = u->key, .query = mr_buf_view(&query), .body = bytes};
	struct wire_reply reply;
	int rc = ask(u->s, &call, &reply, err);
	if (rc == 0) {
		mr_buf_printf(&u->done, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", number,
			      reply.etag);
		wire_reply_release(&reply);
	}
	mr_buf_release(&query);
	return rc;
}

static int send_parts(struct upload *u, struct mr_error *err)
{
	char *piece = mr_alloc((size_t)u->part_bytes);
	int rc = 0, number = 1;
	for (int64_t at = 0; at < u->size && rc == 0; at += u->part_bytes, number++) {
		size_t got, want = (size_t)mr_min_i64(u->part_bytes, u->size - at);
		rc = file_read_at(u->file, piece, want, at, &got, err);
		if (rc == 0 && got < want)
			rc = mr_fail(err, MR_ERR_IO, "%s became shorter while it was sent", u->key);
		if (rc == 0)
			rc = send_part(u, number, mr_str_n(piece, want), err);
	}
	free(piece);
	return rc;
}

/* S3 begins its answer before it is done: a failure may come with status 200. */
static int complete_upload(struct upload *u, mr_str query, struct mr_error *err)
{
	struct mr_buf body = {0}, code = {0};
	mr_buf_printf(&body, "<CompleteMultipartUpload>%s</CompleteMultipartUpload>", u->done.ptr);
	struct call call = {.method = "POST", .key = u->key, .query = query, .body = mr_buf_view(&body)};
	struct wire_reply reply;
	int rc = ask(u->s, &call, &reply, err);
	if (rc == 0) {
		if (s3_xml_text(mr_buf_view(&reply.body), "Code", &code))
			rc = mr_fail(err, MR_ERR_UNAVAILABLE, "s3://%s/%s: the upload ended with %.*s",
				     u->s->bucket, u->key, MR_FMT(mr_buf_view(&code)));
		wire_reply_release(&reply);
	}
	mr_buf_release(&body);
	mr_buf_release(&code);
	return rc;
}

static int upload_in_parts(struct upload *u, struct mr_error *err)
{
	struct mr_buf query = {0};
	u->part_bytes = mr_max_i64(PART_BYTES, u->size / PARTS_MAX + 1);
	int rc = begin_upload(u, err);
	put_parameter(&query, "uploadId", mr_buf_view(&u->id));
	if (rc == 0) {
		rc = send_parts(u, err);
		if (rc == 0)
			rc = complete_upload(u, mr_buf_view(&query), err);
		if (rc < 0) { /* parts that nobody completes are paid for */
			struct call call = {.method = "DELETE", .key = u->key, .query = mr_buf_view(&query)};
			int ignored = ask_only(u->s, &call, NULL);
			(void)ignored;
		}
	}
	mr_buf_release(&query);
	mr_buf_release(&u->id);
	mr_buf_release(&u->done);
	return rc;
}

static int s3_upload(struct store *store, const char *key, struct mr_disk *from, const char *path,
		     struct mr_error *err)
{
	struct upload u = {.s = s3(store), .key = key};
	struct mr_buf bytes = {0};
	int rc = disk_open(from, path, FILE_READ, &u.file, err);
	if (rc < 0)
		return rc;
	rc = file_size(u.file, &u.size, err);
	if (rc == 0 && u.size > PART_BYTES) {
		rc = upload_in_parts(&u, err);
	} else if (rc == 0) {
		rc = disk_read_file(from, path, (size_t)PART_BYTES, &bytes, err);
		if (rc == 0)
			rc = s3_put(store, key, mr_buf_view(&bytes), false, err);
	}
	mr_buf_release(&bytes);
	file_close(u.file);
	return rc;
}

static void s3_free(struct store *store)
{
	struct s3_store *s = s3(store);
	wire_free(s->wire);
	aws_settings_release(&s->settings);
	free(s->bucket);
	free(s->origin);
	free(s->host);
	free(s->root);
	free(s);
}

static const struct store_ops s3_ops = {
    .get = s3_get,
    .head = s3_head,
    .put = s3_put,
    .upload = s3_upload,
    .list = s3_list,
    .remove = s3_remove,
    .free = s3_free,
};

/* ---- where it is ---- */

static bool is_bucket(const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr(".-_", name[i]))
			return false;
	return len >= 3 && len <= 255 && !strstr(name, "..") && isalnum((unsigned char)name[0]);
}

static int place(struct s3_store *s, const char *endpoint, struct mr_error *err)
{
	const char *scheme = strncmp(endpoint, "https://", 8) == 0  ? "https://"
			     : strncmp(endpoint, "http://", 7) == 0 ? "http://"
								    : NULL;
	if (!scheme) {
		mr_fail(err, MR_ERR_INVALID, "the endpoint of S3 is no http:// or https:// address: %s",
			endpoint);
		return mr_hint(err, "AWS_ENDPOINT_URL=http://127.0.0.1:9000, for example");
	}
	mr_str host = mr_str_from(endpoint + strlen(scheme));
	while (host.len && host.ptr[host.len - 1] == '/')
		host.len--;
	if (!host.len || memchr(host.ptr, '/', host.len) || memchr(host.ptr, '@', host.len))
		return mr_fail(err, MR_ERR_INVALID, "the endpoint of S3 has to be a host alone: %s",
			       endpoint);
	/* A bucket with dots fits no certificate. */
	bool in_host = s->settings.virtual_host && !strchr(s->bucket, '.');
	s->host = in_host ? mr_asprintf("%s.%.*s", s->bucket, MR_FMT(host)) : mr_strndup(host);
	s->origin = mr_asprintf("%s%s", scheme, s->host);
	s->root = in_host ? mr_strdup("") : mr_asprintf("/%s", s->bucket);
	return 0;
}

static void copy_settings(struct aws_settings *to, const struct aws_settings *from)
{
	to->access_key = mr_strdup(from->access_key);
	to->secret_key = mr_strdup(from->secret_key);
	to->session_token = from->session_token ? mr_strdup(from->session_token) : NULL;
	to->region = mr_strdup(from->region);
	to->virtual_host = from->virtual_host;
}

int s3_open(const struct env *env, const char *bucket, const struct aws_settings *settings,
	    struct store **out, struct mr_error *err)
{
	if (!is_bucket(bucket))
		return mr_fail(err, MR_ERR_INVALID, "%s cannot be a bucket's name", bucket);
	struct s3_store *s = mr_calloc(1, sizeof *s);
	*s = (struct s3_store){.base = {&s3_ops}, .env = env, .bucket = mr_strdup(bucket)};
	copy_settings(&s->settings, settings);
	char *usual = mr_asprintf("https://s3.%s.amazonaws.com", settings->region);
	int rc = place(s, settings->endpoint ? settings->endpoint : usual, err);
	free(usual);
	if (rc == 0)
		rc = wire_new(&s->wire, err);
	if (rc < 0)
		s3_free(&s->base);
	else
		*out = &s->base;
	return rc;
}
