#include "task/vault.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/vec.h"
#include "codec/json.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_BYTES 32
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define MAGIC "MRVAULT1"
#define MAGIC_BYTES 8

struct vault {
	const struct env *env;
	char *path;
	unsigned char key[KEY_BYTES];
	pthread_mutex_t lock;
	struct mr_map variables, connections; /* name → text, malloced */
};

static int crypto_failed(struct mr_error *err)
{
	return mr_fail(err, MR_ERR_INTERNAL, "the cryptographic library failed");
}

static int seal(const struct vault *vault, mr_str plain, struct mr_buf *out, struct mr_error *err)
{
	unsigned char nonce[NONCE_BYTES], tag[TAG_BYTES];
	int len = 0, rest = 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	mr_buf_append(out, MAGIC, MAGIC_BYTES);
	mr_buf_reserve(out, NONCE_BYTES + plain.len + TAG_BYTES);
	bool ok = ctx && RAND_bytes(nonce, sizeof nonce) == 1 &&
		  EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, vault->key, nonce) == 1;
	mr_buf_append(out, nonce, sizeof nonce);
	unsigned char *to = (unsigned char *)out->ptr + out->len;
	ok = ok && EVP_EncryptUpdate(ctx, NULL, &len, (const unsigned char *)MAGIC, MAGIC_BYTES) == 1 &&
	     EVP_EncryptUpdate(ctx, to, &len, (const unsigned char *)plain.ptr, (int)plain.len) == 1 &&
	     EVP_EncryptFinal_ex(ctx, to + len, &rest) == 1 &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (!ok)
		return crypto_failed(err);
	out->len += (size_t)(len + rest);
	mr_buf_append(out, tag, sizeof tag);
	return 0;
}

static int unseal(const struct vault *vault, mr_str sealed, struct mr_buf *out, struct mr_error *err)
{
	const size_t around = MAGIC_BYTES + NONCE_BYTES + TAG_BYTES;
	if (sealed.len < around || memcmp(sealed.ptr, MAGIC, MAGIC_BYTES) != 0)
		return mr_fail(err, MR_ERR_CORRUPT, "%s is no vault", vault->path);
	const unsigned char *nonce = (const unsigned char *)sealed.ptr + MAGIC_BYTES,
			    *text = nonce + NONCE_BYTES;
	int size = (int)(sealed.len - around), len = 0, rest = 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	mr_buf_reserve(out, (size_t)size + 1);
	unsigned char *to = (unsigned char *)out->ptr;
	bool ok = ctx && EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, vault->key, nonce) == 1 &&
		  EVP_DecryptUpdate(ctx, NULL, &len, (const unsigned char *)MAGIC, MAGIC_BYTES) == 1 &&
		  EVP_DecryptUpdate(ctx, to, &len, text, size) == 1 &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, (void *)(text + size)) == 1 &&
		  EVP_DecryptFinal_ex(ctx, to + len, &rest) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (!ok) {
		mr_fail(err, MR_ERR_CORRUPT, "%s does not open with this key", vault->path);
		return mr_hint(err, "%s.key must be the key that it was written with", vault->path);
	}
	out->len = (size_t)(len + rest);
	return 0;
}

/* Read the key, or make one: a new file, never over an old one. */
static int load_key(struct vault *vault, struct mr_error *err)
{
	char *path = mr_asprintf("%s.key", vault->path);
	struct mr_buf bytes = {0};
	int rc = disk_read_file(vault->env->disk, path, 4096, &bytes, err);
	if (rc == MR_ERR_NOT_FOUND && disk_exists(vault->env->disk, vault->path)) {
		rc = mr_fail(err, MR_ERR_NOT_FOUND, "the key of %s is gone", vault->path);
		mr_hint(err, "put %s back; without it the vault cannot be read", path);
	} else if (rc == MR_ERR_NOT_FOUND) {
		mode_t old = umask(0177);
		rc = RAND_bytes(vault->key, KEY_BYTES) == 1 ? 0 : crypto_failed(err);
		if (rc == 0)
			rc = disk_replace_file(vault->env->disk, path,
					       mr_str_n((const char *)vault->key, KEY_BYTES), err);
		umask(old);
	} else if (rc == 0 && bytes.len != KEY_BYTES) {
		rc = mr_fail(err, MR_ERR_CORRUPT, "%s must hold %d bytes", path, KEY_BYTES);
	} else if (rc == 0) {
		memcpy(vault->key, bytes.ptr, KEY_BYTES);
	}
	mr_buf_release(&bytes);
	free(path);
	return rc;
}

static void load_map(struct mr_map *map, struct json_value object)
{
	for (struct json_iter it = json_iter(object); json_next(&it);)
		free(mr_map_put(map, it.key, mr_strndup(json_str(it.value))));
}

static int load(struct vault *vault, struct mr_error *err)
{
	struct mr_buf sealed = {0}, plain = {0};
	struct json_parser *parser = json_parser_new();
	struct json_value root;
	int rc = disk_read_file(vault->env->disk, vault->path, VAULT_BYTES_MAX, &sealed, err);
	if (rc == 0)
		rc = unseal(vault, mr_buf_view(&sealed), &plain, err);
	if (rc == 0)
		rc = json_parse(parser, mr_buf_view(&plain), &root, err);
	if (rc == 0) {
		load_map(&vault->variables, json_get(root, "variables"));
		load_map(&vault->connections, json_get(root, "connections"));
	}
	json_parser_free(parser);
	if (plain.ptr)
		OPENSSL_cleanse(plain.ptr, plain.cap);
	mr_buf_release(&plain);
	mr_buf_release(&sealed);
	return rc == MR_ERR_NOT_FOUND ? 0 : rc;
}

static void put_map(struct json_writer *w, const char *name, const struct mr_map *map)
{
	json_key(w, name);
	json_begin_object(w);
	mr_map_each (map, entry) {
		json_key_str(w, mr_str_n(entry->key, entry->key_len));
		json_put_cstr(w, entry->value);
	}
	json_end_object(w);
}

static int save(struct vault *vault, struct mr_error *err)
{
	struct mr_buf plain = {0}, sealed = {0};
	struct json_writer w = json_writer(&plain);
	json_begin_object(&w);
	put_map(&w, "variables", &vault->variables);
	put_map(&w, "connections", &vault->connections);
	json_end_object(&w);
	int rc =
	    plain.len > VAULT_BYTES_MAX - 64
		? mr_fail(err, MR_ERR_LIMIT, "the vault would be larger than %zu MiB", VAULT_BYTES_MAX >> 20)
		: seal(vault, mr_buf_view(&plain), &sealed, err);
	if (rc == 0)
		rc = disk_replace_file(vault->env->disk, vault->path, mr_buf_view(&sealed), err);
	OPENSSL_cleanse(plain.ptr, plain.cap);
	mr_buf_release(&plain);
	mr_buf_release(&sealed);
	return rc;
}

int vault_open(const struct env *env, const char *folder, struct vault **out, struct mr_error *err)
{
	struct vault *vault = mr_calloc(1, sizeof *vault);
	vault->env = env;
	vault->path = mr_asprintf("%s/vault", folder);
	pthread_mutex_init(&vault->lock, NULL);
	int rc = disk_mkdir_all(env->disk, folder, err);
	if (rc == 0)
		rc = load_key(vault, err);
	if (rc == 0)
		rc = load(vault, err);
	if (rc != 0) {
		vault_free(vault);
		return rc;
	}
	*out = vault;
	return 0;
}

static void free_map(struct mr_map *map)
{
	mr_map_each (map, entry)
		free(entry->value);
	mr_map_release(map);
}

void vault_free(struct vault *vault)
{
	if (!vault)
		return;
	free_map(&vault->variables);
	free_map(&vault->connections);
	OPENSSL_cleanse(vault->key, sizeof vault->key);
	pthread_mutex_destroy(&vault->lock);
	free(vault->path);
	free(vault);
}

/* MILLRACE_VAR_X, AIRFLOW_VAR_X. */
static const char *from_environment(const char *kind, mr_str name)
{
	static const char *const prefixes[] = {"MILLRACE", "AIRFLOW"};
	for (size_t i = 0; i < MR_COUNT(prefixes); i++) {
		char *key = mr_asprintf("%s_%s_%.*s", prefixes[i], kind, MR_FMT(name));
		for (char *p = key; *p; p++)
			*p = (char)toupper((unsigned char)*p);
		const char *value = getenv(key);
		free(key);
		if (value)
			return value;
	}
	return NULL;
}

static bool find(struct vault *vault, const char *kind, const struct mr_map *map, mr_str name,
		 struct mr_buf *out)
{
	const char *value = from_environment(kind, name);
	if (value) {
		mr_buf_cstr(out, value);
		return true;
	}
	pthread_mutex_lock(&vault->lock);
	value = mr_map_get(map, name);
	if (value)
		mr_buf_cstr(out, value);
	pthread_mutex_unlock(&vault->lock);
	return value != NULL;
}

int vault_variable(struct vault *vault, mr_str name, struct mr_buf *out, struct mr_error *err)
{
	(void)err;
	return find(vault, "VAR", &vault->variables, name, out) ? 0 : 1;
}

int vault_connection(struct vault *vault, mr_str id, struct arena *arena, struct connection *out,
		     struct mr_error *err)
{
	struct mr_buf text = {0};
	int rc = 1;
	if (find(vault, "CONN", &vault->connections, id, &text))
		rc = connection_parse(arena, id, mr_buf_view(&text), out, err);
	mr_buf_release(&text);
	return rc;
}

static int set(struct vault *vault, struct mr_map *map, mr_str name, const mr_str *text, struct mr_error *err)
{
	if (name.len == 0 || name.len > 250 || memchr(name.ptr, 0, name.len))
		return mr_fail(err, MR_ERR_INVALID, "a name has 1 to 250 characters");
	pthread_mutex_lock(&vault->lock);
	char *old = text ? mr_map_put(map, name, mr_strndup(*text)) : mr_map_remove(map, name);
	int rc = text || old ? save(vault, err)
			     : mr_fail(err, MR_ERR_NOT_FOUND, "there is no '%.*s'", MR_FMT(name));
	if (rc != 0 && (text || old)) { /* what is not on disk is not there */
		char *undone = old ? mr_map_put(map, name, old) : mr_map_remove(map, name);
		free(undone);
		old = NULL;
	}
	pthread_mutex_unlock(&vault->lock);
	free(old);
	return rc;
}

int vault_set_variable(struct vault *vault, mr_str name, const mr_str *text, struct mr_error *err)
{
	return set(vault, &vault->variables, name, text, err);
}

int vault_set_connection(struct vault *vault, mr_str id, const mr_str *text, struct mr_error *err)
{
	struct arena arena = {0};
	struct connection checked;
	int rc = text ? connection_parse(&arena, id, *text, &checked, err) : 0;
	arena_release(&arena);
	return rc == 0 ? set(vault, &vault->connections, id, text, err) : rc;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void vault_list(struct vault *vault, bool connections, int (*fn)(void *arg, mr_str name), void *arg)
{
	MR_VEC(char *) names = {0};
	pthread_mutex_lock(&vault->lock);
	mr_map_each (connections ? &vault->connections : &vault->variables, entry)
		mr_vec_push(&names, mr_strdup(entry->key));
	pthread_mutex_unlock(&vault->lock);
	if (names.len)
		qsort(names.items, names.len, sizeof *names.items, compare_names);
	bool on = true;
	for (size_t i = 0; i < names.len; i++) {
		on = on && fn(arg, mr_str_from(names.items[i])) == 0;
		free(names.items[i]);
	}
	mr_vec_release(&names);
}

bool vault_name_is_secret(mr_str name)
{
	static const char *const words[] = {"access_token", "api_key", "apikey",       "authorization",
					    "passphrase",   "passwd",  "password",     "private_key",
					    "secret",       "token",   "keyfile_json", "credential"};
	char lower[256];
	size_t n = mr_min_size(name.len, sizeof lower - 1);
	for (size_t i = 0; i < n; i++)
		lower[i] = (char)tolower((unsigned char)name.ptr[i]);
	lower[n] = 0;
	for (size_t i = 0; i < MR_COUNT(words); i++)
		if (strstr(lower, words[i]))
			return true;
	return false;
}

struct secrets {
	struct arena *arena;
	MR_VEC(mr_str) list;
};

static void add_secret(struct secrets *secrets, mr_str text)
{
	if (text.len)
		mr_vec_push(&secrets->list, arena_copy(secrets->arena, text));
}

/* A password, and the extras whose names say that they are secret. */
static void add_connection(struct secrets *secrets, const char *text)
{
	struct connection connection;
	struct json_parser *parser = json_parser_new();
	struct json_value extra;
	if (connection_parse(secrets->arena, MR_STR(""), mr_str_from(text), &connection, NULL) == 0) {
		add_secret(secrets, connection.password);
		if (json_parse(parser, connection.extra_json, &extra, NULL) == 0)
			for (struct json_iter it = json_iter(extra); json_next(&it);)
				if (vault_name_is_secret(it.key))
					add_secret(secrets, json_str(it.value));
	}
	json_parser_free(parser);
}

static void add_environment(struct secrets *secrets)
{
	static const char *const kinds[] = {"AIRFLOW_CONN_", "MILLRACE_CONN_", "AIRFLOW_VAR_",
					    "MILLRACE_VAR_"};
	for (char **entry = environ; *entry; entry++) {
		const char *value = strchr(*entry, '=');
		for (size_t i = 0; value && i < MR_COUNT(kinds); i++) {
			if (strncmp(*entry, kinds[i], strlen(kinds[i])) != 0)
				continue;
			if (i < 2)
				add_connection(secrets, value + 1);
			else if (vault_name_is_secret(mr_str_n(*entry, (size_t)(value - *entry))))
				add_secret(secrets, mr_str_from(value + 1));
		}
	}
}

size_t vault_secrets(struct vault *vault, struct arena *arena, mr_str **out)
{
	struct secrets secrets = {.arena = arena};
	add_environment(&secrets);
	pthread_mutex_lock(&vault->lock);
	mr_map_each (&vault->connections, entry)
		add_connection(&secrets, entry->value);
	mr_map_each (&vault->variables, entry)
		if (vault_name_is_secret(mr_str_n(entry->key, entry->key_len)))
			add_secret(&secrets, mr_str_from(entry->value));
	pthread_mutex_unlock(&vault->lock);
	*out = arena_alloc(arena, (secrets.list.len + 1) * sizeof **out);
	if (secrets.list.len)
		memcpy(*out, secrets.list.items, secrets.list.len * sizeof **out);
	size_t count = secrets.list.len;
	mr_vec_release(&secrets.list);
	return count;
}
