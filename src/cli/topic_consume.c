#include "cli/topic_consume.h"

#include "codec/json.h"

#include <stdio.h>
#include <string.h>

#define WAIT_MS 1000 /* a server that stops is not held up longer */

struct consumer {
	struct target *target;
	const struct args *args;
	const char *topic;
	int64_t partition, count; /* -1: all; no limit */
	bool ends;                /* at the end of the topic, or of the range */
	struct json_parser *parser;
	struct json_value place; /* the last answer's: next and until; absent: the beginning */
};

static void put_question(const struct consumer *c, int64_t left, int64_t wait_ms, struct mr_buf *out)
{
	struct json_writer w = json_writer(out);
	const char *format = args_get(c->args, "format"), *offset = args_get(c->args, "offset");
	json_begin_object(&w);
	json_member_cstr(&w, "topic", c->topic);
	json_member_cstr(&w, "format", format ? format : "json");
	if (left >= 0)
		json_member_int(&w, "count", left);
	json_member_int(&w, "wait_ms", wait_ms);
	if (json_present(c->place)) {
		json_key(&w, "next");
		json_put_value(&w, json_get(c->place, "next"));
		json_key(&w, "until");
		json_put_value(&w, json_get(c->place, "until"));
	} else {
		json_member_cstr(&w, "offset", offset ? offset : "start");
		if (c->partition >= 0)
			json_member_int(&w, "partition", c->partition);
	}
	json_end_object(&w);
}

/* The head into c->place, the text to standard output. */
static int take_answer(struct consumer *c, mr_str answer, struct mr_error *err)
{
	const char *line = memchr(answer.ptr ? answer.ptr : "", '\n', answer.len);
	if (!line)
		return mr_fail(err, MR_ERR_INTERNAL, "the answer has no head");
	mr_str head = mr_str_n(answer.ptr, (size_t)(line - answer.ptr));
	int rc = json_parse(c->parser, head, &c->place, err);
	if (rc < 0)
		return rc;
	if (target_print(NULL, mr_str_tail(answer, head.len + 1)) != 0 || fflush(stdout) != 0)
		return mr_fail_errno(err, "cannot write to standard output");
	return 0;
}

static bool range_is_done(const struct consumer *c)
{
	struct json_iter next = json_iter(json_get(c->place, "next")),
			 until = json_iter(json_get(c->place, "until"));
	bool bounded = false;
	while (json_next(&next) && json_next(&until)) {
		if (json_type(next.value) == JSON_NULL)
			continue;
		if (json_type(until.value) == JSON_NULL || json_int(next.value) < json_int(until.value))
			return false;
		bounded = true;
	}
	return bounded;
}

static int consume(struct consumer *c, struct mr_error *err)
{
	int64_t left = c->count;
	struct mr_buf question = {0}, answer = {0};
	int rc = 0;
	for (int64_t wait_ms = 0; rc == 0 && left != 0; wait_ms = WAIT_MS) {
		mr_buf_clear(&question);
		mr_buf_clear(&answer);
		put_question(c, left, c->ends ? 0 : wait_ms, &question);
		rc = target_consume(c->target, mr_buf_view(&question), &answer, err);
		if (rc == 0)
			rc = take_answer(c, mr_buf_view(&answer), err);
		if (rc < 0)
			break;
		int64_t records = json_int(json_get(c->place, "records"));
		left = left < 0 ? left : left - records;
		if (range_is_done(c) || (c->ends && !json_bool(json_get(c->place, "more"))))
			break;
	}
	mr_buf_release(&question);
	mr_buf_release(&answer);
	return rc;
}

int topic_consume(struct target *target, const struct args *args, const char *name, struct mr_error *err)
{
	struct consumer c = {.target = target, .args = args, .topic = name};
	int rc = args_int(args, "partitions", -1, 0, INT32_MAX, &c.partition, err);
	if (rc == 0)
		rc = args_int(args, "count", -1, 1, INT64_MAX, &c.count, err);
	if (rc < 0)
		return rc;
	c.ends = args_has(args, "end") || !target_is_server(target);
	c.parser = json_parser_new();
	rc = consume(&c, err);
	json_parser_free(c.parser);
	return rc;
}
