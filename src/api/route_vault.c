/* api/route_vault.c - variables and connections. What is secret is shown as ***. */
#include "api/list.h"
#include "api/routes.h"

#include <stdlib.h>

#define HIDDEN "***"

struct name_list {
	struct api_call *call;
	MR_VEC(mr_str) names;
};

static int take_name(void *arg, mr_str name)
{
	struct name_list *list = arg;
	mr_str pattern = api_param(list->call, "variable_key_pattern");
	if (!pattern.len)
		pattern = api_param(list->call, "connection_id_pattern");
	if (!pattern.len || memmem(name.ptr, name.len, pattern.ptr, pattern.len))
		mr_vec_push(&list->names, arena_copy(&list->call->arena, name));
	return 0;
}

typedef int put_fn(struct api_call *call, mr_str name, struct mr_error *err);

static int put_names(struct api_call *call, bool connections, const char *key, put_fn *put,
		     struct mr_error *err)
{
	struct name_list list = {.call = call};
	int64_t limit, offset;
	int rc = 0;
	list_page(call, &limit, &offset);
	vault_list(dags_vault(call->dags), connections, take_name, &list);
	api_begin_list(call, key);
	for (int64_t i = offset; rc == 0 && i < offset + limit && i < (int64_t)list.names.len; i++)
		rc = put(call, list.names.items[i], err);
	api_end_list(call, (int64_t)list.names.len);
	mr_vec_release(&list.names);
	return rc;
}

static int answer_deleted(struct api_call *call)
{
	call->reply->status = 204;
	return 0;
}

/* ---- variables ---- */

static int no_variable(mr_str key, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOT_FOUND, "The Variable with key: `%.*s` was not found", MR_FMT(key));
}

static int put_variable(struct api_call *call, mr_str key, struct mr_error *err)
{
	struct mr_buf value = {0};
	int rc = vault_variable(dags_vault(call->dags), key, &value, err);
	if (rc == 1)
		rc = no_variable(key, err);
	if (rc == 0) {
		json_begin_object(&call->w);
		json_member_str(&call->w, "key", key);
		json_member_str(&call->w, "value",
				vault_name_is_secret(key) ? MR_STR(HIDDEN) : mr_buf_view(&value));
		put_null(&call->w, "description");
		json_member_bool(&call->w, "is_encrypted", true);
		put_null(&call->w, "team_name");
		json_end_object(&call->w);
	}
	mr_buf_release(&value);
	return rc;
}

static int variable_exists(struct api_call *call, mr_str key, struct mr_error *err)
{
	struct mr_buf value = {0};
	int rc = vault_variable(dags_vault(call->dags), key, &value, err);
	mr_buf_release(&value);
	return rc < 0 ? rc : rc == 0;
}

int api_variable_list(struct api_call *call, struct mr_error *err)
{
	return put_names(call, false, "variables", put_variable, err);
}

int api_variable_get(struct api_call *call, struct mr_error *err)
{
	return put_variable(call, call->path[0], err);
}

/* A value that is no text is kept as JSON. */
static mr_str body_value(struct api_call *call)
{
	struct json_value v = json_get(call->body, "value");
	struct mr_buf text = {0};
	if (!json_present(v))
		api_fault(call, "missing", "body", "value", "Field required", call->body);
	if (json_type(v) == JSON_STRING)
		return json_str(v);
	json_write_value(&text, v);
	mr_str copy = arena_copy(&call->arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return copy;
}

static int set_variable(struct api_call *call, mr_str key, bool is_new, struct mr_error *err)
{
	mr_str value = body_value(call);
	if (api_faulty(call))
		return 0;
	int rc = variable_exists(call, key, err);
	if (rc == 1 && is_new)
		rc = mr_fail(err, MR_ERR_EXISTS, "The Variable with key: `%.*s` already exists", MR_FMT(key));
	else if (rc == 0 && !is_new)
		rc = no_variable(key, err);
	if (rc >= 0)
		rc = vault_set_variable(dags_vault(call->dags), key, &value, err);
	if (rc == 0)
		rc = put_variable(call, key, err);
	return rc;
}

int api_variable_post(struct api_call *call, struct mr_error *err)
{
	mr_str key = api_body_str(call, "key", true);
	int rc = set_variable(call, key, true, err);
	if (rc == 0)
		call->reply->status = 201;
	return rc;
}

int api_variable_patch(struct api_call *call, struct mr_error *err)
{
	return set_variable(call, call->path[0], false, err);
}

int api_variable_delete(struct api_call *call, struct mr_error *err)
{
	int rc = variable_exists(call, call->path[0], err);
	if (rc == 0)
		rc = no_variable(call->path[0], err);
	if (rc == 1)
		rc = vault_set_variable(dags_vault(call->dags), call->path[0], NULL, err);
	return rc < 0 ? rc : answer_deleted(call);
}

/* ---- connections ---- */

static int no_connection(mr_str id, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_NOT_FOUND, "The Connection with connection_id: `%.*s` was not found",
		       MR_FMT(id));
}

/* The extra as text, its secrets hidden. */
static void put_extra(struct api_call *call, mr_str extra_json)
{
	struct json_parser *parser = json_parser_new();
	struct json_value extra;
	struct mr_buf text = {0};
	if (json_parse(parser, extra_json, &extra, NULL) == 0 && json_count(extra)) {
		struct json_writer w = json_writer(&text);
		json_begin_object(&w);
		for (struct json_iter it = json_iter(extra); json_next(&it);) {
			json_key_str(&w, it.key);
			if (vault_name_is_secret(it.key))
				json_put_cstr(&w, HIDDEN);
			else
				json_put_value(&w, it.value);
		}
		json_end_object(&w);
	}
	put_text(&call->w, "extra", mr_buf_view(&text));
	mr_buf_release(&text);
	json_parser_free(parser);
}

static int put_connection(struct api_call *call, mr_str id, struct mr_error *err)
{
	struct connection found;
	struct json_writer *w = &call->w;
	int rc = vault_connection(dags_vault(call->dags), id, &call->arena, &found, err);
	if (rc != 0)
		return rc < 0 ? rc : no_connection(id, err);
	json_begin_object(w);
	json_member_str(w, "connection_id", id);
	json_member_str(w, "conn_type", found.type);
	put_null(w, "description");
	put_text(w, "host", found.host);
	put_text(w, "login", found.login);
	put_text(w, "schema", found.schema);
	json_key(w, "port");
	found.port ? json_put_int(w, found.port) : json_put_null(w);
	put_text(w, "password", found.password.len ? MR_STR(HIDDEN) : MR_STR_NULL);
	put_extra(call, found.extra_json);
	put_null(w, "team_name");
	json_end_object(w);
	return 0;
}

int api_connection_list(struct api_call *call, struct mr_error *err)
{
	return put_names(call, true, "connections", put_connection, err);
}

int api_connection_get(struct api_call *call, struct mr_error *err)
{
	return put_connection(call, call->path[0], err);
}

/* What the body says over what there was; a password of *** is the one that there was. */
static mr_str merged(struct api_call *call, const struct connection *old)
{
	const struct {
		const char *name;
		mr_str old;
	} texts[] = {{"conn_type", old->type}, {"host", old->host},         {"login", old->login},
		     {"schema", old->schema},  {"password", old->password}, {"extra", old->extra_json}};
	struct mr_buf text = {0};
	struct json_writer w = json_writer(&text);
	json_begin_object(&w);
	for (size_t i = 0; i < MR_COUNT(texts); i++) {
		mr_str value = api_body_str(call, texts[i].name, false);
		bool keep = !value.ptr || (i == 4 && mr_str_is(value, HIDDEN));
		if (keep ? texts[i].old.len : value.len)
			json_member_str(&w, texts[i].name, keep ? texts[i].old : value);
	}
	int64_t port = api_body_int(call, "port", 0, 65535, old->port);
	if (port)
		json_member_int(&w, "port", port);
	json_end_object(&w);
	mr_str copy = arena_copy(&call->arena, mr_buf_view(&text));
	mr_buf_release(&text);
	return copy;
}

static int set_connection(struct api_call *call, mr_str id, bool is_new, struct mr_error *err)
{
	struct connection old = {0};
	int found = vault_connection(dags_vault(call->dags), id, &call->arena, &old, err);
	if (found < 0)
		return found;
	if (found == 0 && is_new)
		return mr_fail(err, MR_ERR_EXISTS, "The Connection with connection_id: `%.*s` already exists",
			       MR_FMT(id));
	if (found == 1 && !is_new)
		return no_connection(id, err);
	mr_str text = merged(call, &old);
	if (api_faulty(call))
		return 0;
	int rc = vault_set_connection(dags_vault(call->dags), id, &text, err);
	return rc < 0 ? rc : put_connection(call, id, err);
}

int api_connection_post(struct api_call *call, struct mr_error *err)
{
	mr_str id = api_body_str(call, "connection_id", true);
	(void)api_body_str(call, "conn_type", true);
	if (api_faulty(call))
		return 0;
	int rc = set_connection(call, id, true, err);
	if (rc == 0)
		call->reply->status = 201;
	return rc;
}

int api_connection_patch(struct api_call *call, struct mr_error *err)
{
	return set_connection(call, call->path[0], false, err);
}

int api_connection_delete(struct api_call *call, struct mr_error *err)
{
	struct connection old;
	int rc = vault_connection(dags_vault(call->dags), call->path[0], &call->arena, &old, err);
	if (rc == 1)
		rc = no_connection(call->path[0], err);
	if (rc == 0)
		rc = vault_set_connection(dags_vault(call->dags), call->path[0], NULL, err);
	return rc < 0 ? rc : answer_deleted(call);
}
