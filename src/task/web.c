#include "task/web.h"

#include "base/mem.h"
#include "http/curl_calls.h"

#include <stdlib.h>

#define TIMEOUT_MS 60000

static size_t take(char *bytes, size_t one, size_t size, void *arg)
{
	struct mr_buf *body = arg;
	mr_buf_append(body, bytes, one * size);
	return body->overflow ? 0 : size;
}

/* What may end an exchange early; lives as long as it. */
struct breaker {
	bool (*stopped)(void *arg);
	void *arg;
};

static int progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct breaker *breaker = arg;
	(void)a, (void)b, (void)c, (void)d;
	return breaker->stopped(breaker->arg);
}

static void set_breaker(CURL *curl, const struct breaker *breaker)
{
	if (!breaker->stopped)
		return;
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, breaker);
}

static int failed(CURL *curl, CURLcode code, const char *url, struct mr_error *err)
{
	int rc = code == CURLE_OPERATION_TIMEDOUT ? MR_ERR_TIMEOUT
		 : code == CURLE_WRITE_ERROR      ? MR_ERR_LIMIT
						  : MR_ERR_UNAVAILABLE;
	if (curl)
		curl_easy_cleanup(curl);
	return mr_fail(err, rc, "%s: %s", url, curl_easy_strerror(code));
}

int web_call(const struct web_request *request, int *status, struct mr_buf *body, struct mr_error *err)
{
	int rc = curl_load(err);
	if (rc < 0)
		return rc;
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = NULL;
	long code = 0;
	if (!curl)
		return failed(curl, CURLE_FAILED_INIT, request->url, err);
	body->limit = WEB_BYTES_MAX;
	for (size_t i = 0; i < request->header_count; i++)
		headers = curl_slist_append(headers, request->headers[i]);
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
			 (long)(request->timeout_ms ? request->timeout_ms : TIMEOUT_MS));
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	if (request->login)
		curl_easy_setopt(curl, CURLOPT_USERNAME, request->login);
	if (request->password)
		curl_easy_setopt(curl, CURLOPT_PASSWORD, request->password);
	if (request->body.len) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.ptr);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
	}
	const struct breaker breaker = {request->stopped, request->arg};
	set_breaker(curl, &breaker);
	if (strcmp(request->method, "HEAD") == 0)
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	CURLcode done = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
	curl_slist_free_all(headers);
	if (done != CURLE_OK)
		return failed(curl, done, request->url, err);
	curl_easy_cleanup(curl);
	*status = (int)code;
	return 0;
}

static size_t give(char *to, size_t one, size_t size, void *arg)
{
	mr_str *rest = arg;
	size_t n = mr_min_size(one * size, rest->len);
	if (n)
		memcpy(to, rest->ptr, n);
	*rest = mr_str_tail(*rest, n);
	return n;
}

int web_mail(const struct web_mail *mail, struct mr_error *err)
{
	int rc = curl_load(err);
	if (rc < 0)
		return rc;
	CURL *curl = curl_easy_init();
	struct curl_slist *to = NULL;
	mr_str rest = mail->message;
	if (!curl)
		return failed(curl, CURLE_FAILED_INIT, mail->url, err);
	char *from = mr_strndup(mail->from);
	for (size_t i = 0; i < mail->to_count; i++) {
		char *one = mr_strndup(mail->to[i]);
		to = curl_slist_append(to, one);
		free(one);
	}
	curl_easy_setopt(curl, CURLOPT_URL, mail->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_USE_SSL, (long)CURLUSESSL_TRY);
	curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from);
	curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
	curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
	curl_easy_setopt(curl, CURLOPT_READDATA, &rest);
	const struct breaker breaker = {mail->stopped, mail->arg};
	set_breaker(curl, &breaker);
	if (mail->login)
		curl_easy_setopt(curl, CURLOPT_USERNAME, mail->login);
	if (mail->password)
		curl_easy_setopt(curl, CURLOPT_PASSWORD, mail->password);
	CURLcode done = curl_easy_perform(curl);
	curl_slist_free_all(to);
	free(from);
	if (done != CURLE_OK)
		return failed(curl, done, mail->url, err);
	curl_easy_cleanup(curl);
	return 0;
}
