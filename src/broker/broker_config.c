#include "broker/broker_config.h"

#include "base/buf.h"
#include "base/vec.h"
#include "broker/topic_config.h"
#include "conf/nearest.h"

#include <pthread.h>
#include <stdlib.h>

#define FILE_MAX ((size_t)256 << 10)
#define KEYS_MAX 96
#define SOURCES (CONFIG_FROM_FILE + 1)

/* What a start decides, and no alteration. A default that the program computes is noted instead. */
static const struct config_key fixed_keys[] = {
    {"advertised.listeners", CONFIG_STRING, NULL, 0, 0, NULL, NULL, "Addresses that clients are told."},
    {"auto.create.topics.enable", CONFIG_BOOLEAN, "true", 0, 0, NULL, NULL,
     "A topic that a client asks for is created."},
    {"broker.id", CONFIG_INT, "1", 0, 0, NULL, NULL, "The broker's number."},
    {"broker.rack", CONFIG_STRING, NULL, 0, 0, NULL, NULL, "The broker's rack."},
    {"connections.max.idle.ms", CONFIG_LONG, "600000", 0, 0, NULL, NULL,
     "A connection on which nothing moves for this long is closed."},
    {"default.replication.factor", CONFIG_INT, "1", 0, 0, NULL, NULL, "Copies of a partition."},
    {"delete.topic.enable", CONFIG_BOOLEAN, "true", 0, 0, NULL, NULL, "Topics may be deleted."},
    {"group.consumer.heartbeat.interval.ms", CONFIG_INT, "5000", 0, 0, NULL, NULL,
     "How often members of the consumer protocol call."},
    {"group.consumer.migration.policy", CONFIG_STRING, "bidirectional", 0, 0, NULL, NULL,
     "Which way groups with members may change protocol."},
    {"group.consumer.session.timeout.ms", CONFIG_INT, "45000", 0, 0, NULL, NULL,
     "After this silence a member of the consumer protocol is gone."},
    {"group.initial.rebalance.delay.ms", CONFIG_INT, "0", 0, 0, NULL, NULL,
     "How long an empty group waits for more members."},
    {"group.max.session.timeout.ms", CONFIG_INT, "1800000", 0, 0, NULL, NULL,
     "The longest session timeout a member may ask for."},
    {"group.max.size", CONFIG_INT, "2147483647", 0, 0, NULL, NULL, "Members of a group."},
    {"group.min.session.timeout.ms", CONFIG_INT, "6000", 0, 0, NULL, NULL,
     "The shortest session timeout a member may ask for."},
    {"listeners", CONFIG_STRING, NULL, 0, 0, NULL, NULL, "Addresses where the broker listens."},
    {"log.dirs", CONFIG_STRING, NULL, 0, 0, NULL, NULL, "The folder of the partitions."},
    {"max.connections", CONFIG_INT, "2000", 0, 0, NULL, NULL, "Connections at the same time."},
    {"node.id", CONFIG_INT, "1", 0, 0, NULL, NULL, "The broker's number."},
    {"num.partitions", CONFIG_INT, "1", 0, 0, NULL, NULL,
     "Partitions of a topic that is created without a number."},
    {"offset.metadata.max.bytes", CONFIG_INT, "4096", 0, 0, NULL, NULL,
     "The text that may go with a committed offset."},
    {"offsets.retention.minutes", CONFIG_INT, "10080", 0, 0, NULL, NULL,
     "How long an empty group's offsets are kept."},
    {"offsets.topic.num.partitions", CONFIG_INT, "1", 0, 0, NULL, NULL, "Partitions of __consumer_offsets."},
    {"offsets.topic.replication.factor", CONFIG_SHORT, "1", 0, 0, NULL, NULL,
     "Copies of __consumer_offsets."},
    {"process.roles", CONFIG_LIST, "broker,controller", 0, 0, NULL, NULL, "What this node does."},
    {"socket.request.max.bytes", CONFIG_INT, "104857600", 0, 0, NULL, NULL, "The largest request."},
    {"transaction.max.timeout.ms", CONFIG_INT, "900000", 0, 0, NULL, NULL,
     "The longest timeout of a transaction."},
    {"transactional.id.expiration.ms", CONFIG_INT, "604800000", 0, 0, NULL, NULL,
     "An idle transactional id is forgotten after this."},
};

struct broker_config {
	const struct env *env;
	char *path;
	struct broker_key keys[KEYS_MAX]; /* by name */
	size_t key_count;
	pthread_mutex_t alter_lock; /* one alteration at a time, the file included */
	pthread_mutex_t lock;       /* of what follows; short */
	mr_str values[SOURCES][KEYS_MAX];
	MR_VEC(char *) texts; /* all there ever were: readers keep what they were given */
};

static int by_name(const void *a, const void *b)
{
	const struct broker_key *x = a, *y = b;
	return strcmp(x->key.name, y->key.name);
}

static const struct broker_key *find(const struct broker_config *config, mr_str name)
{
	for (size_t i = 0; i < config->key_count; i++) {
		if (mr_str_is(name, config->keys[i].key.name))
			return &config->keys[i];
	}
	return NULL;
}

/* A topic's key under the broker's name. */
static void add_topic_key(struct broker_config *config, const struct topic_key *from)
{
	if (!from->broker_name || find(config, mr_str_from(from->broker_name)))
		return;
	struct broker_key *key = &config->keys[config->key_count++];
	*key = (struct broker_key){.key = from->key, .dynamic = true};
	key->key.name = from->broker_name;
	key->key.preset = from->broker_preset;
}

static void make_keys(struct broker_config *config)
{
	MR_ASSERT(MR_COUNT(fixed_keys) + topic_key_count <= KEYS_MAX);
	for (size_t i = 0; i < MR_COUNT(fixed_keys); i++)
		config->keys[config->key_count++].key = fixed_keys[i];
	for (size_t i = 0; i < topic_key_count; i++)
		add_topic_key(config, &topic_keys[i]);
	qsort(config->keys, config->key_count, sizeof config->keys[0], by_name);
}

/* The lock is held, or nobody else is there. */
static void put(struct broker_config *config, enum config_source source, size_t key, mr_str value)
{
	config->values[source][key] = MR_STR_NULL;
	if (!value.ptr)
		return;
	char *copy = mr_strndup(value);
	mr_vec_push(&config->texts, copy);
	config->values[source][key] = mr_str_n(copy, value.len);
}

/* ---- the file ---- */

static const struct {
	const char *word;
	enum config_source source;
} scopes[] = {{"broker ", CONFIG_FROM_BROKER}, {"cluster ", CONFIG_FROM_CLUSTER}};

static void read_line(struct broker_config *config, mr_str line)
{
	for (size_t s = 0; s < MR_COUNT(scopes); s++) {
		mr_str word = mr_str_from(scopes[s].word);
		const char *equals = memchr(line.ptr, '=', line.len);
		if (!equals || !mr_str_starts(line, word))
			continue;
		size_t at = (size_t)(equals - line.ptr);
		const struct broker_key *key = find(config, mr_str_n(line.ptr + word.len, at - word.len));
		if (key && key->dynamic)
			put(config, scopes[s].source, (size_t)(key - config->keys),
			    mr_str_tail(line, at + 1));
	}
}

static int read_file(struct broker_config *config, struct mr_error *err)
{
	struct mr_buf text = {0};
	int rc = config->path ? disk_read_file(config->env->disk, config->path, FILE_MAX, &text, err) : 0;
	for (mr_str rest = mr_buf_view(&text); rc == 0 && rest.len;) {
		const char *end = memchr(rest.ptr, '\n', rest.len);
		mr_str line = mr_str_n(rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len);
		rest = mr_str_tail(rest, line.len + 1);
		read_line(config, line);
	}
	mr_buf_release(&text);
	return rc == MR_ERR_NOT_FOUND ? 0 : rc;
}

static int write_file(struct broker_config *config, enum config_source scope, const mr_str *values,
		      struct mr_error *err)
{
	if (!config->path)
		return 0;
	struct mr_buf text = {0};
	for (size_t s = 0; s < MR_COUNT(scopes); s++) {
		const mr_str *from = scopes[s].source == scope ? values : config->values[scopes[s].source];
		for (size_t i = 0; i < config->key_count; i++) {
			if (from[i].ptr)
				mr_buf_printf(&text, "%s%s=%.*s\n", scopes[s].word, config->keys[i].key.name,
					      MR_FMT(from[i]));
		}
	}
	int rc = disk_replace_file(config->env->disk, config->path, mr_buf_view(&text), err);
	mr_buf_release(&text);
	return rc;
}

int broker_config_open(const struct env *env, const char *path, struct broker_config **out,
		       struct mr_error *err)
{
	struct broker_config *config = mr_calloc(1, sizeof *config);
	config->env = env;
	config->path = path ? mr_strdup(path) : NULL;
	pthread_mutex_init(&config->alter_lock, NULL);
	pthread_mutex_init(&config->lock, NULL);
	make_keys(config);
	int rc = read_file(config, err);
	if (rc < 0)
		broker_config_free(config);
	else
		*out = config;
	return rc;
}

void broker_config_free(struct broker_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->texts.len; i++)
		free(config->texts.items[i]);
	mr_vec_release(&config->texts);
	pthread_mutex_destroy(&config->alter_lock);
	pthread_mutex_destroy(&config->lock);
	free(config->path);
	free(config);
}

void broker_config_note(struct broker_config *config, const char *name, mr_str value)
{
	const struct broker_key *key = find(config, mr_str_from(name));
	MR_ASSERT(key);
	put(config, CONFIG_FROM_FILE, (size_t)(key - config->keys), value);
}

/* ---- looking ---- */

size_t broker_config_keys(const struct broker_config *config, const struct broker_key **out)
{
	*out = config->keys;
	return config->key_count;
}

static mr_str value_from(const struct broker_config *config, size_t key, enum config_source source)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)&config->lock;
	pthread_mutex_lock(lock);
	mr_str value = config->values[source][key];
	pthread_mutex_unlock(lock);
	return value;
}

mr_str broker_config_from(const struct broker_config *config, const char *name, enum config_source source)
{
	const struct broker_key *key = find(config, mr_str_from(name));
	return key ? value_from(config, (size_t)(key - config->keys), source) : MR_STR_NULL;
}

mr_str broker_config_get(const struct broker_config *config, const char *name)
{
	mr_str value = MR_STR_NULL;
	for (int source = CONFIG_FROM_BROKER; source <= CONFIG_FROM_FILE && !value.ptr; source++)
		value = broker_config_from(config, name, (enum config_source)source);
	return value;
}

static void entry_of(const struct broker_config *config, size_t at, enum config_source first,
		     struct config_entry *out)
{
	const struct broker_key *key = &config->keys[at];
	*out = (struct config_entry){
	    .key = &key->key,
	    .value = mr_str_from(key->key.preset),
	    .source = CONFIG_FROM_DEFAULT,
	    .read_only = !key->dynamic,
	};
	for (int source = first; source <= CONFIG_FROM_DEFAULT; source++) {
		mr_str value = source == CONFIG_FROM_DEFAULT
				   ? mr_str_from(key->key.preset)
				   : value_from(config, at, (enum config_source)source);
		if (value.ptr)
			out->synonyms[out->synonym_count++] =
			    (struct config_synonym){key->key.name, value, (enum config_source)source};
	}
	if (out->synonym_count) {
		out->value = out->synonyms[0].value;
		out->source = out->synonyms[0].source;
	}
}

size_t broker_config_entries(const struct broker_config *config, enum config_source scope,
			     struct arena *arena, struct config_entry **out)
{
	struct config_entry *entries = arena_calloc(arena, config->key_count, sizeof *entries);
	size_t count = 0;
	for (size_t i = 0; i < config->key_count; i++) {
		if (scope == CONFIG_FROM_BROKER || value_from(config, i, CONFIG_FROM_CLUSTER).ptr)
			entry_of(config, i, scope, &entries[count++]);
	}
	*out = entries;
	return count;
}

/* ---- altering ---- */

static int unknown(const struct broker_config *config, mr_str name, struct mr_error *err)
{
	const char *names[KEYS_MAX];
	for (size_t i = 0; i < config->key_count; i++)
		names[i] = config->keys[i].key.name;
	const char *near = conf_nearest(name, names, config->key_count);
	mr_fail(err, MR_ERR_INVALID, "Unknown broker config name: %.*s", (int)mr_min_size(name.len, 200),
		name.ptr ? name.ptr : "");
	return near && err ? mr_hint(err, "did you mean %s?", near) : MR_ERR_INVALID;
}

static int change_one(const struct broker_config *config, mr_str *values, const struct config_change *change,
		      struct arena *arena, struct mr_error *err)
{
	const struct broker_key *key = find(config, change->name);
	if (!key)
		return unknown(config, change->name, err);
	if (!key->dynamic)
		return mr_fail(err, MR_ERR_UNSUPPORTED, "Cannot update these configs dynamically: Set(%s)",
			       key->key.name);
	mr_str *slot = &values[key - config->keys];
	if (change->op == CONFIG_DELETE || !change->value.ptr) {
		*slot = MR_STR_NULL;
		return 0;
	}
	mr_str value = change->value;
	if (change->op != CONFIG_SET && key->key.type != CONFIG_LIST)
		return config_not_list(&key->key, change->op, err);
	if (change->op != CONFIG_SET) {
		mr_str now = slot->ptr ? *slot : broker_config_get(config, key->key.name);
		value = config_list_change(change->op, now.ptr ? now : mr_str_from(key->key.preset), value,
					   arena);
	}
	int rc = config_key_check(&key->key, value, err);
	if (rc == 0)
		*slot = arena_copy(arena, value);
	return rc;
}

static void publish(struct broker_config *config, enum config_source scope, const mr_str *values)
{
	pthread_mutex_lock(&config->lock);
	for (size_t i = 0; i < config->key_count; i++) {
		mr_str now = config->values[scope][i];
		if (!now.ptr != !values[i].ptr || !mr_str_eq(now, values[i]))
			put(config, scope, i, values[i]);
	}
	pthread_mutex_unlock(&config->lock);
}

int broker_config_alter(struct broker_config *config, enum config_source scope,
			const struct config_change *changes, size_t count, bool replace, bool validate_only,
			struct mr_error *err)
{
	struct arena arena = {0};
	mr_str values[KEYS_MAX] = {{NULL, 0}};
	int rc = 0;
	pthread_mutex_lock(&config->alter_lock);
	if (!replace)
		memcpy(values, config->values[scope], sizeof values);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = change_one(config, values, &changes[i], &arena, err);
	if (rc == 0 && !validate_only)
		rc = write_file(config, scope, values, err);
	if (rc == 0 && !validate_only)
		publish(config, scope, values);
	pthread_mutex_unlock(&config->alter_lock);
	arena_release(&arena);
	return rc;
}
