/* auth/store.c - DATA/auth.json: users, ACLs and quotas, replaced as a whole, for the owner's eyes only.
 *
 *   {"version":1,
 *    "users":{"alice":{"super":true,"SCRAM-SHA-256":{"iterations":4096,"salt":B64,"stored_key":B64,"server_key":B64}}},
 *    "acls":[{"resource":"TOPIC","pattern":"LITERAL","name":"t","principal":"User:alice","host":"*",
 *             "operation":"READ","permission":"ALLOW"}],
 *    "quotas":[{"user":"alice","client":null,"producer_byte_rate":1048576}]}
 *
 * In a quota a part that is absent is not part of the entity, and null is the default.
 */
#include "auth/internal.h"
#include "codec/json.h"

#include <stdlib.h>

#define FILE_BYTES_MAX ((size_t)16 << 20)
#define FORMAT_VERSION 1

static const char *const hash_names[] = {
    [SCRAM_SHA_256] = "SCRAM-SHA-256", [SCRAM_SHA_512] = "SCRAM-SHA-512"};

/* ---- writing ---- */

static void put_bytes(struct json_writer *w, const char *key, const uint8_t *bytes, size_t len)
{
	struct mr_buf text = {0};
	auth_base64_put(&text, bytes, len);
	json_member_str(w, key, mr_buf_view(&text));
	mr_buf_release(&text);
}

static void put_user(struct json_writer *w, const struct user *user)
{
	json_key(w, user->name);
	json_begin_object(w);
	json_member_bool(w, "super", user->super);
	for (int hash = SCRAM_SHA_256; hash <= SCRAM_SHA_512; hash++) {
		const struct scram_credential *c = &user->credentials[hash];
		if (c->iterations == 0)
			continue;
		json_key(w, hash_names[hash]);
		json_begin_object(w);
		json_member_int(w, "iterations", c->iterations);
		put_bytes(w, "salt", c->salt, c->salt_len);
		put_bytes(w, "stored_key", c->stored_key, scram_key_bytes(hash));
		put_bytes(w, "server_key", c->server_key, scram_key_bytes(hash));
		json_end_object(w);
	}
	json_end_object(w);
}

static void put_acl(struct json_writer *w, const struct acl *acl)
{
	json_begin_object(w);
	json_member_cstr(w, "resource", acl_resource_name(acl->resource));
	json_member_cstr(w, "pattern", acl_pattern_name(acl->pattern));
	json_member_str(w, "name", acl->name);
	json_member_str(w, "principal", acl->principal);
	json_member_str(w, "host", acl->host);
	json_member_cstr(w, "operation", acl_operation_name(acl->operation));
	json_member_cstr(w, "permission", acl_permission_name(acl->permission));
	json_end_object(w);
}

static void put_part(struct json_writer *w, const char *key, enum quota_part part, mr_str name)
{
	if (part == QUOTA_ABSENT)
		return;
	json_key(w, key);
	if (part == QUOTA_NAMED)
		json_put_str(w, name);
	else
		json_put_null(w);
}

static void put_quota(struct json_writer *w, const struct quota *quota)
{
	json_begin_object(w);
	put_part(w, "user", quota->entity.user_part, quota->entity.user);
	put_part(w, "client", quota->entity.client_part, quota->entity.client);
	for (int key = 0; key < QUOTA_KEYS; key++) {
		if (quota->rate[key] > 0)
			json_member_double(w, quota_key_name(key), quota->rate[key]);
	}
	json_end_object(w);
}

int auth_save(struct auth *auth, struct mr_error *err)
{
	if (!auth->path)
		return 0;
	struct mr_buf text;
	mr_buf_init(&text, FILE_BYTES_MAX);
	struct json_writer w = json_writer(&text);
	json_begin_object(&w);
	json_member_int(&w, "version", FORMAT_VERSION);
	json_key(&w, "users");
	json_begin_object(&w);
	mr_map_each (&auth->users, entry) {
		const struct user *user = entry->value;
		if (!user->configured)
			put_user(&w, user);
	}
	json_end_object(&w);
	json_key(&w, "acls");
	json_begin_array(&w);
	for (size_t i = 0; i < auth->acls.items.len; i++)
		put_acl(&w, &auth->acls.items.items[i]);
	json_end_array(&w);
	json_key(&w, "quotas");
	json_begin_array(&w);
	for (size_t i = 0; i < auth->quotas.items.len; i++)
		put_quota(&w, &auth->quotas.items.items[i]);
	json_end_array(&w);
	json_end_object(&w);
	mr_buf_cstr(&text, "\n");
	int rc =
	    text.overflow
		? mr_fail(err, MR_ERR_LIMIT, "%s would pass %zu MiB", auth->path, FILE_BYTES_MAX >> 20)
		: disk_replace_file_as(auth->env->disk, auth->path, FILE_PRIVATE, mr_buf_view(&text), err);
	mr_buf_release(&text);
	return rc;
}

/* ---- reading ---- */

static int bad(const struct auth *auth, const char *what, struct mr_error *err)
{
	mr_fail(err, MR_ERR_CORRUPT, "%s: %s", auth->path, what);
	mr_hint(err, "put back a copy of it, or remove it and set users, ACLs and quotas again");
	return MR_ERR_CORRUPT;
}

static bool get_bytes(struct json_value from, const char *key, uint8_t *to, size_t max, size_t *len)
{
	return auth_base64_get(json_str(json_get(from, key)), to, max, len, NULL) == 0;
}

static int load_credential(struct auth *auth, struct json_value from, enum scram_hash hash,
			   struct scram_credential *c, struct mr_error *err)
{
	size_t stored, server, want = scram_key_bytes(hash);
	int64_t iterations = json_int(json_get(from, "iterations"));
	if (iterations < 1 || iterations > INT32_MAX ||
	    !get_bytes(from, "salt", c->salt, SCRAM_SALT_MAX, &c->salt_len) ||
	    !get_bytes(from, "stored_key", c->stored_key, SCRAM_KEY_MAX, &stored) || stored != want ||
	    !get_bytes(from, "server_key", c->server_key, SCRAM_KEY_MAX, &server) || server != want)
		return bad(auth, "a user's credential is damaged", err);
	c->iterations = (int32_t)iterations;
	return 0;
}

static int load_users(struct auth *auth, struct json_value users, struct mr_error *err)
{
	for (struct json_iter it = json_iter(users); json_next(&it);) {
		struct user *user = auth_user_new(auth, it.key);
		user->super = json_bool(json_get(it.value, "super"));
		for (int hash = SCRAM_SHA_256; hash <= SCRAM_SHA_512; hash++) {
			struct json_value from = json_get(it.value, hash_names[hash]);
			int rc = json_present(from)
				     ? load_credential(auth, from, hash, &user->credentials[hash], err)
				     : 0;
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int load_acls(struct auth *auth, struct json_value acls, struct mr_error *err)
{
	for (struct json_iter it = json_iter(acls); json_next(&it);) {
		struct acl acl = {
		    .resource = acl_resource_of(json_str(json_get(it.value, "resource"))),
		    .pattern = acl_pattern_of(json_str(json_get(it.value, "pattern"))),
		    .operation = acl_operation_of(json_str(json_get(it.value, "operation"))),
		    .permission = acl_permission_of(json_str(json_get(it.value, "permission"))),
		    .name = json_str(json_get(it.value, "name")),
		    .principal = json_str(json_get(it.value, "principal")),
		    .host = json_str(json_get(it.value, "host")),
		};
		struct mr_error why;
		if (acl_check(&acl, &why) < 0)
			return bad(auth, why.message, err);
		acl_add(&auth->acls, &acl);
	}
	return 0;
}

static enum quota_part load_part(struct json_value from, const char *key, mr_str *name)
{
	struct json_value part = json_get(from, key);
	*name = json_str(part);
	if (!json_present(part))
		return QUOTA_ABSENT;
	return json_type(part) == JSON_NULL ? QUOTA_DEFAULT : QUOTA_NAMED;
}

static int load_quotas(struct auth *auth, struct json_value quotas, struct mr_error *err)
{
	for (struct json_iter it = json_iter(quotas); json_next(&it);) {
		struct quota_entity entity;
		entity.user_part = load_part(it.value, "user", &entity.user);
		entity.client_part = load_part(it.value, "client", &entity.client);
		for (int key = 0; key < QUOTA_KEYS; key++) {
			struct mr_error why;
			double rate = json_double(json_get(it.value, quota_key_name(key)));
			if (quota_put(&auth->quotas, &entity, key, rate, &why) < 0)
				return bad(auth, why.message, err);
		}
	}
	return 0;
}

int auth_load(struct auth *auth, struct mr_error *err)
{
	if (!auth->path || !disk_exists(auth->env->disk, auth->path))
		return 0;
	struct mr_buf text = {0};
	int rc = disk_read_file(auth->env->disk, auth->path, FILE_BYTES_MAX, &text, err);
	struct json_parser *parser = json_parser_new();
	struct json_value root = {0};
	struct mr_error why;
	if (rc == 0 && json_parse(parser, mr_buf_view(&text), &root, &why) < 0)
		rc = bad(auth, why.message, err);
	if (rc == 0 && json_int(json_get(root, "version")) != FORMAT_VERSION)
		rc = bad(auth, "its version is not 1", err);
	rc = rc < 0 ? rc : load_users(auth, json_get(root, "users"), err);
	rc = rc < 0 ? rc : load_acls(auth, json_get(root, "acls"), err);
	rc = rc < 0 ? rc : load_quotas(auth, json_get(root, "quotas"), err);
	json_parser_free(parser);
	mr_buf_release(&text);
	return rc;
}
