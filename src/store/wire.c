#include "store/wire.h"

#include "base/mem.h"
#include "base/vec.h"
#include "http/curl_calls.h"

#include <pthread.h>
#include <stdio.h>
#include <strings.h>

#define IDLE_MAX 16
#define CONNECT_MS 10000L
#define SILENCE_SECONDS 30L

struct wire {
	pthread_mutex_t lock;
	MR_VEC(CURL *) idle; /* under the lock */
};

int wire_new(struct wire **out, struct mr_error *err)
{
	int rc = curl_load(err);
	if (rc < 0)
		return rc;
	struct wire *wire = mr_calloc(1, sizeof *wire);
	pthread_mutex_init(&wire->lock, NULL);
	*out = wire;
	return 0;
}

void wire_free(struct wire *wire)
{
	if (!wire)
		return;
	for (size_t i = 0; i < wire->idle.len; i++)
		curl_easy_cleanup(wire->idle.items[i]);
	mr_vec_release(&wire->idle);
	pthread_mutex_destroy(&wire->lock);
	free(wire);
}

static CURL *take(struct wire *wire)
{
	pthread_mutex_lock(&wire->lock);
	CURL *curl = wire->idle.len ? wire->idle.items[--wire->idle.len] : NULL;
	pthread_mutex_unlock(&wire->lock);
	return curl ? curl : curl_easy_init();
}

static void give_back(struct wire *wire, CURL *curl)
{
	curl_easy_reset(curl); /* its connections stay */
	pthread_mutex_lock(&wire->lock);
	bool room = wire->idle.len < IDLE_MAX;
	if (room)
		mr_vec_push(&wire->idle, curl);
	pthread_mutex_unlock(&wire->lock);
	if (!room)
		curl_easy_cleanup(curl);
}

static size_t on_body(char *bytes, size_t one, size_t size, void *arg)
{
	(void)one;
	struct wire_reply *reply = arg;
	mr_buf_append(&reply->body, bytes, size);
	return reply->body.overflow ? 0 : size;
}

static size_t on_header(char *bytes, size_t one, size_t size, void *arg)
{
	(void)one;
	struct wire_reply *reply = arg;
	mr_str line = mr_str_n(bytes, size);
	if (line.len <= 5 || strncasecmp(line.ptr, "etag:", 5) != 0)
		return size;
	line = mr_str_tail(line, 5);
	while (line.len && strchr(" \r\n", line.ptr[line.len - 1]))
		line.len--;
	while (line.len && *line.ptr == ' ')
		line = mr_str_tail(line, 1);
	snprintf(reply->etag, sizeof reply->etag, "%.*s", MR_FMT(line));
	return size;
}

static struct curl_slist *header_list(const struct wire_request *request)
{
	/* What curl would add by itself is not wanted. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	list = curl_slist_append(list, "Content-Type:");
	for (size_t i = 0; i < request->header_count; i++) {
		char *line =
		    mr_asprintf("%s: %.*s", request->headers[i].name, MR_FMT(request->headers[i].value));
		list = curl_slist_append(list, line);
		free(line);
	}
	return list;
}

static void prepare(CURL *curl, const struct wire_request *request, struct curl_slist *headers,
		    struct wire_reply *reply, char *why)
{
	bool head = strcmp(request->method, "HEAD") == 0;
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, (void *)reply);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, (void *)reply);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_FILETIME, 1L);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SILENCE_SECONDS);
	if (head) {
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	} else if (strcmp(request->method, "GET") == 0) {
		curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
	} else {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.len ? request->body.ptr : "");
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	}
}

int wire_send(struct wire *wire, const struct wire_request *request, struct wire_reply *reply,
	      struct mr_error *err)
{
	char why[CURL_ERROR_SIZE] = "";
	CURL *curl = take(wire);
	if (!curl)
		return mr_fail(err, MR_ERR_INTERNAL, "libcurl gives no handle");
	*reply = (struct wire_reply){.length = -1, .mtime_ms = -1};
	mr_buf_init(&reply->body, request->reply_bytes_max + 1);
	struct curl_slist *headers = header_list(request);
	prepare(curl, request, headers, reply, why);
	CURLcode code = curl_easy_perform(curl);
	curl_off_t length = -1, seconds = -1;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
	curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	curl_easy_getinfo(curl, CURLINFO_FILETIME_T, &seconds);
	reply->length = length;
	reply->mtime_ms = seconds < 0 ? -1 : (int64_t)seconds * 1000;
	curl_slist_free_all(headers);
	give_back(wire, curl);
	if (code == CURLE_OK)
		return 0;
	bool too_long = reply->body.overflow;
	wire_reply_release(reply);
	if (too_long)
		return mr_fail(err, MR_ERR_LIMIT, "%s: the answer is longer than asked for", request->url);
	return mr_fail(err, code == CURLE_OPERATION_TIMEDOUT ? MR_ERR_TIMEOUT : MR_ERR_UNAVAILABLE, "%s: %s",
		       request->url, *why ? why : curl_easy_strerror(code));
}

void wire_reply_release(struct wire_reply *reply)
{
	mr_buf_release(&reply->body);
}
