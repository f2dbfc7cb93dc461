#include "admin/verbs.h"

static const struct {
	const char *name;
	admin_verb *run;
} verbs[] = {
    {"topic.create", admin_topic_create}, {"topic.alter", admin_topic_alter},
    {"topic.delete", admin_topic_delete}, {"topic.configs", admin_topic_configs},
    {"topic.trim", admin_topic_trim},     {"group.seek", admin_group_seek},
    {"group.delete", admin_group_delete}, {"group.forget", admin_group_forget},
    {"user.list", admin_user_list},       {"user.put", admin_user_put},
    {"user.remove", admin_user_remove},   {"acl.list", admin_acl_list},
    {"acl.add", admin_acl_add},           {"acl.remove", admin_acl_remove},
};

mr_str admin_text(const struct admin_call *call, const char *name)
{
	return json_str(json_get(call->in, name));
}

int admin_need(const struct admin_call *call, const char *name, mr_str *out, struct mr_error *err)
{
	mr_str text = admin_text(call, name);
	if (!text.len)
		return mr_fail(err, MR_ERR_INVALID, "\"%s\" is missing", name);
	*out = text;
	return 0;
}

int admin_topic(const struct admin_call *call, struct log_topic **out, struct mr_error *err)
{
	mr_str name;
	int rc = admin_need(call, "topic", &name, err);
	if (rc < 0)
		return rc;
	struct log_topic *topic = log_topic_find(broker_store(call->admin->broker), name);
	if (!topic) {
		mr_fail(err, MR_ERR_NOT_FOUND, "there is no topic %.*s", MR_FMT(name));
		return mr_hint(err, "millrace topic list");
	}
	*out = topic;
	return 0;
}

static int run(const struct admin *admin, admin_verb *verb, struct json_value in, struct mr_buf *out,
	       struct mr_error *err)
{
	struct mr_buf answer = {0};
	struct admin_call call = {.admin = admin, .in = in, .w = json_writer(&answer)};
	json_begin_object(&call.w);
	int rc = verb(&call, err);
	if (rc >
	    0) /* a refusal with a code of its own, as BROKER_INVALID_CONFIG: err says what it is about */
		rc = err->code = MR_ERR_INVALID;
	json_end_object(&call.w);
	if (rc == 0)
		mr_buf_str(out, mr_buf_view(&answer));
	arena_release(&call.arena);
	mr_buf_release(&answer);
	return rc;
}

int admin_call(const struct admin *admin, mr_str verb, mr_str body, struct mr_buf *out, struct mr_error *err)
{
	for (size_t i = 0; i < MR_COUNT(verbs); i++) {
		if (!mr_str_is(verb, verbs[i].name))
			continue;
		struct json_parser *parser = json_parser_new();
		struct json_value in = {0};
		int rc = body.len ? json_parse(parser, body, &in, err) : 0;
		if (rc == 0)
			rc = run(admin, verbs[i].run, in, out, err);
		json_parser_free(parser);
		return rc;
	}
	return mr_fail(err, MR_ERR_NOT_FOUND, "there is nothing called %.*s to do", MR_FMT(verb));
}
