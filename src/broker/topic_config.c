#include "broker/topic_config.h"

#include "broker/broker_config.h"
#include "codec/compress.h"
#include "conf/nearest.h"

#include <stddef.h>

#define AT(member) \
	.offset = offsetof(struct log_topic_config, member), \
	.size = sizeof(((struct log_topic_config *)0)->member)
#define SETTINGS_MARK "settings=1" /* written also when nothing is set: the broker has been here */
#define LONG_MAX_TEXT "9223372036854775807"
#define ONE_BROKER "there is one broker, and one copy of each partition"
#define NOT_TIERED "all of a topic is on the local disk"

/* Sorted by name: the order in which Kafka shows them. */
const struct topic_key topic_keys[] = {
    {{"cleanup.policy", CONFIG_LIST, "delete", 0, 0, "compact delete", NULL,
      "What becomes of old records: delete drops segments past the retention, compact keeps the last "
      "record of each key."},
     "log.cleanup.policy",
     "delete",
     AT(cleanup_policy),
     TOPIC_ACTS},
    {{"compression.gzip.level", CONFIG_INT, "-1", -1, 9, NULL, NULL, "Level of gzip."},
     "compression.gzip.level",
     "-1",
     0,
     0,
     TOPIC_HARMLESS},
    {{"compression.lz4.level", CONFIG_INT, "9", 1, 17, NULL, NULL, "Level of lz4."},
     "compression.lz4.level",
     "9",
     0,
     0,
     TOPIC_HARMLESS},
    {{"compression.type", CONFIG_STRING, "producer", 0, 0, "uncompressed zstd lz4 snappy gzip producer", NULL,
      "The codec batches are stored in; producer: as they came."},
     "compression.type",
     "producer",
     AT(compression),
     TOPIC_ACTS},
    {{"compression.zstd.level", CONFIG_INT, "3", -131072, 22, NULL, NULL, "Level of zstd."},
     "compression.zstd.level",
     "3",
     0,
     0,
     TOPIC_HARMLESS},
    {{"delete.retention.ms", CONFIG_LONG, "86400000", 0, INT64_MAX, NULL, NULL,
      "How long the tombstones of a compacted topic stay."},
     "log.cleaner.delete.retention.ms",
     "86400000",
     AT(delete_retention_ms),
     TOPIC_ACTS},
    {{"file.delete.delay.ms", CONFIG_LONG, "60000", 0, INT64_MAX, NULL, NULL,
      "How long a dropped segment's file stays. Here it goes at once; who reads it finishes."},
     "log.segment.delete.delay.ms",
     "60000",
     0,
     0,
     TOPIC_HARMLESS},
    {{"flush.messages", CONFIG_LONG, LONG_MAX_TEXT, 1, INT64_MAX, NULL, NULL,
      "Sync after so many records. A durable topic syncs before every acknowledgement; a relaxed one "
      "that sets this is durable."},
     "log.flush.interval.messages",
     LONG_MAX_TEXT,
     0,
     0,
     TOPIC_COVERED},
    {{"flush.ms", CONFIG_LONG, LONG_MAX_TEXT, 0, INT64_MAX, NULL, NULL,
      "Sync after so long. A durable topic syncs before every acknowledgement; a relaxed one that sets "
      "this is durable."},
     "log.flush.interval.ms",
     NULL,
     0,
     0,
     TOPIC_COVERED},
    {{"follower.replication.throttled.replicas", CONFIG_LIST, "", 0, 0, NULL, NULL, "Nothing is replicated."},
     NULL,
     NULL,
     0,
     0,
     TOPIC_HARMLESS},
    {{"index.interval.bytes", CONFIG_INT, "4096", 0, INT32_MAX, NULL, NULL,
      "Bytes between the entries of an index. Here always 4096."},
     "log.index.interval.bytes",
     "4096",
     0,
     0,
     TOPIC_HARMLESS},
    {{"leader.replication.throttled.replicas", CONFIG_LIST, "", 0, 0, NULL, NULL, "Nothing is replicated."},
     NULL,
     NULL,
     0,
     0,
     TOPIC_HARMLESS},
    {{"local.retention.bytes", CONFIG_LONG, "-2", -2, INT64_MAX, NULL, NULL, "Of tiered storage."},
     "log.local.retention.bytes",
     "-2",
     0,
     0,
     TOPIC_HARMLESS},
    {{"local.retention.ms", CONFIG_LONG, "-2", -2, INT64_MAX, NULL, NULL, "Of tiered storage."},
     "log.local.retention.ms",
     "-2",
     0,
     0,
     TOPIC_HARMLESS},
    {{"max.compaction.lag.ms", CONFIG_LONG, LONG_MAX_TEXT, 1, INT64_MAX, NULL, NULL,
      "A record is compacted at the latest after so long."},
     "log.cleaner.max.compaction.lag.ms",
     LONG_MAX_TEXT,
     AT(max_compaction_lag_ms),
     TOPIC_ACTS},
    {{"max.message.bytes", CONFIG_INT, "1048588", 0, INT32_MAX, NULL, NULL,
      "The largest record batch, as it is sent."},
     "message.max.bytes",
     "1048588",
     AT(max_message_bytes),
     TOPIC_ACTS},
    {{"message.timestamp.after.max.ms", CONFIG_LONG, "3600000", 0, INT64_MAX, NULL, NULL,
      "How far in the future a record's timestamp may be."},
     "log.message.timestamp.after.max.ms",
     "3600000",
     AT(timestamp_after_max_ms),
     TOPIC_ACTS},
    {{"message.timestamp.before.max.ms", CONFIG_LONG, LONG_MAX_TEXT, 0, INT64_MAX, NULL, NULL,
      "How far in the past a record's timestamp may be."},
     "log.message.timestamp.before.max.ms",
     LONG_MAX_TEXT,
     AT(timestamp_before_max_ms),
     TOPIC_ACTS},
    {{"message.timestamp.type", CONFIG_STRING, "CreateTime", 0, 0, "CreateTime LogAppendTime", NULL,
      "Whose clock stamps a record: the producer's or the broker's."},
     "log.message.timestamp.type",
     "CreateTime",
     AT(log_append_time),
     TOPIC_ACTS},
    {{"millrace.durability", CONFIG_STRING, "durable", 0, 0, "durable relaxed", NULL,
      "durable: acknowledged means synced to the disk; relaxed: it is in the page cache."},
     NULL,
     NULL,
     AT(durability),
     TOPIC_ACTS},
    {{TOPIC_ON_INVALID, CONFIG_STRING, NULL, 0, 0, "off reject dlq", NULL,
      "What becomes of a record that breaks the topic's schema. With a schema dlq, else off."},
     NULL,
     NULL,
     0,
     0,
     TOPIC_ACTS},
    {{TOPIC_SCHEMA, CONFIG_STRING, NULL, 0, 0, NULL, NULL,
      "The JSON Schema of the topic's values, in one line."},
     NULL,
     NULL,
     0,
     0,
     TOPIC_ACTS},
    {{"min.cleanable.dirty.ratio", CONFIG_DOUBLE, "0.5", 0, 1, NULL, NULL,
      "The part of a log that must be uncompacted before it is compacted."},
     "log.cleaner.min.cleanable.ratio",
     "0.5",
     AT(min_cleanable_dirty_ppm),
     TOPIC_ACTS},
    {{"min.compaction.lag.ms", CONFIG_LONG, "0", 0, INT64_MAX, NULL, NULL,
      "A record is not compacted before this age."},
     "log.cleaner.min.compaction.lag.ms",
     "0",
     AT(min_compaction_lag_ms),
     TOPIC_ACTS},
    {{"min.insync.replicas", CONFIG_INT, "1", 1, 1, NULL, ONE_BROKER,
      "Copies that an acknowledgement waits for. There is one."},
     "min.insync.replicas",
     "1",
     0,
     0,
     TOPIC_COVERED},
    {{"preallocate", CONFIG_BOOLEAN, "false", 0, 0, NULL, NULL,
      "Take a segment's space in advance. Without effect on what is kept."},
     "log.preallocate",
     "false",
     0,
     0,
     TOPIC_HARMLESS},
    {{"remote.copy.disable", CONFIG_BOOLEAN, "false", 0, 0, NULL, NULL, "Of tiered storage."},
     NULL,
     NULL,
     0,
     0,
     TOPIC_HARMLESS},
    {{"remote.log.delete.on.disable", CONFIG_BOOLEAN, "false", 0, 0, NULL, NULL, "Of tiered storage."},
     NULL,
     NULL,
     0,
     0,
     TOPIC_HARMLESS},
    {{"remote.storage.enable", CONFIG_BOOLEAN, "false", 0, 0, "false", NOT_TIERED,
      "Tiered storage. There is none."},
     NULL,
     NULL,
     0,
     0,
     TOPIC_COVERED},
    {{"retention.bytes", CONFIG_LONG, "-1", 0, 0, NULL, NULL,
      "What a partition keeps; the oldest segments go. -1: no limit."},
     "log.retention.bytes",
     "-1",
     AT(retention_bytes),
     TOPIC_ACTS},
    {{"retention.ms", CONFIG_LONG, "604800000", -1, INT64_MAX, NULL, NULL,
      "How long records are kept; whole segments go. -1: for ever."},
     "log.retention.ms",
     NULL,
     AT(retention_ms),
     TOPIC_ACTS},
    {{"segment.bytes", CONFIG_INT, "1073741824", 1 << 20, INT32_MAX, NULL, NULL,
      "The size at which a segment is closed and the next one begun."},
     "log.segment.bytes",
     "1073741824",
     AT(segment_bytes),
     TOPIC_ACTS},
    {{"segment.index.bytes", CONFIG_INT, "10485760", 4, INT32_MAX, NULL, NULL,
      "The size of an index. Here an index grows as it must."},
     "log.index.size.max.bytes",
     "10485760",
     0,
     0,
     TOPIC_HARMLESS},
    {{"segment.jitter.ms", CONFIG_LONG, "0", 0, INT64_MAX, NULL, NULL,
      "Spread of the times at which segments are closed. Here none is needed."},
     "log.roll.jitter.ms",
     NULL,
     0,
     0,
     TOPIC_HARMLESS},
    {{"segment.ms", CONFIG_LONG, "604800000", 1, INT64_MAX, NULL, NULL,
      "The age at which a segment is closed and the next one begun."},
     "log.roll.ms",
     NULL,
     AT(segment_ms),
     TOPIC_ACTS},
    {{"unclean.leader.election.enable", CONFIG_BOOLEAN, "false", 0, 0, NULL, NULL,
      "Whether a copy that lags may lead. There is one copy."},
     "unclean.leader.election.enable",
     "false",
     0,
     0,
     TOPIC_HARMLESS},
};
const size_t topic_key_count = MR_COUNT(topic_keys);
_Static_assert(MR_COUNT(topic_keys) <= TOPIC_KEYS_MAX, "struct topic_settings holds every key");

const struct topic_key *topic_key_find(mr_str name)
{
	for (size_t i = 0; i < topic_key_count; i++) {
		if (mr_str_is(name, topic_keys[i].key.name))
			return &topic_keys[i];
	}
	return NULL;
}

/* ---- settings as text ---- */

void topic_settings_read(const char *text, struct topic_settings *out)
{
	*out = (struct topic_settings){0};
	for (mr_str rest = mr_str_from(text); rest.len;) {
		const char *end = memchr(rest.ptr, '\n', rest.len);
		mr_str line = mr_str_n(rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len);
		rest = mr_str_tail(rest, line.len + 1);
		const char *equals = memchr(line.ptr, '=', line.len);
		size_t len = equals ? (size_t)(equals - line.ptr) : line.len;
		const struct topic_key *key = equals ? topic_key_find(mr_str_n(line.ptr, len)) : NULL;
		if (key)
			out->values[key - topic_keys] = mr_str_tail(line, len + 1);
	}
}

void topic_settings_write(const struct topic_settings *settings, struct mr_buf *out)
{
	mr_buf_cstr(out, SETTINGS_MARK "\n");
	for (size_t i = 0; i < topic_key_count; i++) {
		if (settings->values[i].ptr)
			mr_buf_printf(out, "%s=%.*s\n", topic_keys[i].key.name, MR_FMT(settings->values[i]));
	}
}

mr_str topic_setting(const struct topic_settings *settings, const char *name)
{
	const struct topic_key *key = topic_key_find(mr_str_from(name));
	return key ? settings->values[key - topic_keys] : MR_STR_NULL;
}

/* ---- what holds ---- */

/* ptr NULL: its default holds. */
static mr_str given_value(const struct topic_settings *settings, const struct topic_key *key,
			  const struct broker_config *broker)
{
	mr_str value = settings->values[key - topic_keys];
	if (!value.ptr && key->broker_name && broker)
		value = broker_config_get(broker, key->broker_name);
	return value;
}

static void add_synonym(struct config_entry *out, const char *name, mr_str value, enum config_source source)
{
	if (value.ptr)
		out->synonyms[out->synonym_count++] = (struct config_synonym){name, value, source};
}

void topic_setting_entry(const struct topic_settings *settings, const struct topic_key *key,
			 const struct broker_config *broker, struct config_entry *out)
{
	*out = (struct config_entry){.key = &key->key, .source = CONFIG_FROM_DEFAULT};
	add_synonym(out, key->key.name, settings->values[key - topic_keys], CONFIG_FROM_TOPIC);
	for (int source = CONFIG_FROM_BROKER; key->broker_name && source <= CONFIG_FROM_FILE; source++)
		add_synonym(out, key->broker_name,
			    broker ? broker_config_from(broker, key->broker_name, (enum config_source)source)
				   : MR_STR_NULL,
			    (enum config_source)source);
	out->value = mr_str_from(key->key.preset);
	if (out->synonym_count) {
		out->value = out->synonyms[0].value;
		out->source = out->synonyms[0].source;
	}
	add_synonym(out, key->broker_name, mr_str_from(key->broker_preset), CONFIG_FROM_DEFAULT);
}

/* ---- changing ---- */

static int unknown(mr_str name, struct mr_error *err)
{
	const char *names[TOPIC_KEYS_MAX];
	for (size_t i = 0; i < topic_key_count; i++)
		names[i] = topic_keys[i].key.name;
	const char *near = conf_nearest(name, names, topic_key_count);
	mr_fail(err, MR_ERR_INVALID, "Unknown topic config name: %.*s", (int)mr_min_size(name.len, 200),
		name.ptr ? name.ptr : "");
	return near && err ? mr_hint(err, "did you mean %s?", near) : MR_ERR_INVALID;
}

static int change_one(struct topic_settings *settings, const struct broker_config *broker,
		      const struct config_change *change, struct arena *arena, struct mr_error *err)
{
	const struct topic_key *key = topic_key_find(change->name);
	if (!key)
		return unknown(change->name, err);
	mr_str *slot = &settings->values[key - topic_keys];
	if (change->op == CONFIG_DELETE || !change->value.ptr) {
		*slot = MR_STR_NULL;
		return 0;
	}
	mr_str value = change->value, given = given_value(settings, key, broker);
	if (change->op != CONFIG_SET && key->key.type != CONFIG_LIST)
		return config_not_list(&key->key, change->op, err);
	if (change->op != CONFIG_SET)
		value = config_list_change(change->op, given.ptr ? given : mr_str_from(key->key.preset),
					   value, arena);
	int rc = config_key_check(&key->key, value, err);
	if (rc == 0)
		*slot = arena_copy(arena, value);
	return rc;
}

int topic_settings_change(struct topic_settings *settings, const struct broker_config *broker,
			  const struct config_change *changes, size_t count, struct arena *arena,
			  struct mr_error *err)
{
	int rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = change_one(settings, broker, &changes[i], arena, err);
	return rc;
}

/* ---- into the log's fields ---- */

static int64_t cleanup_bits(mr_str list)
{
	int64_t bits = (config_list_has(list, MR_STR("delete")) ? LOG_CLEANUP_DELETE : 0) |
		       (config_list_has(list, MR_STR("compact")) ? LOG_CLEANUP_COMPACT : 0);
	return bits;
}

static int64_t compression_code(mr_str word)
{
	enum batch_codec codec;
	if (mr_str_is(word, "producer"))
		return LOG_COMPRESSION_PRODUCER;
	return compression_parse(word, &codec) ? (int64_t)codec : BATCH_NONE;
}

/* The number that stands for a value in its field, within what the log can do. */
static int64_t number_of(const struct topic_key *key, mr_str value)
{
	switch (key->offset) {
	case offsetof(struct log_topic_config, cleanup_policy):
		return cleanup_bits(value);
	case offsetof(struct log_topic_config, compression):
		return compression_code(value);
	case offsetof(struct log_topic_config, log_append_time):
		return mr_str_is(value, "LogAppendTime");
	case offsetof(struct log_topic_config, durability):
		return mr_str_is(value, "relaxed") ? LOG_RELAXED : LOG_DURABLE;
	case offsetof(struct log_topic_config, min_cleanable_dirty_ppm):
		return (int64_t)(config_double(value) * 1e6);
	case offsetof(struct log_topic_config, max_message_bytes):
		return mr_max_i64(LOG_MESSAGE_BYTES_LEAST,
				  mr_min_i64(config_int(value), LOG_MESSAGE_BYTES_MOST));
	case offsetof(struct log_topic_config, retention_bytes):
		return mr_max_i64(config_int(value), -1);
	default:
		return config_int(value);
	}
}

static int64_t field_get(const struct log_topic_config *config, const struct topic_key *key)
{
	const char *at = (const char *)config + key->offset;
	int64_t wide;
	int32_t narrow;
	if (key->size == sizeof wide)
		return memcpy(&wide, at, sizeof wide), wide;
	if (key->size == sizeof narrow)
		return memcpy(&narrow, at, sizeof narrow), narrow;
	return *(const bool *)at;
}

static void field_set(struct log_topic_config *config, const struct topic_key *key, int64_t number)
{
	char *at = (char *)config + key->offset;
	int32_t narrow = (int32_t)number;
	if (key->size == sizeof number)
		memcpy(at, &number, sizeof number);
	else if (key->size == sizeof narrow)
		memcpy(at, &narrow, sizeof narrow);
	else
		*(bool *)at = number != 0;
}

/* A relaxed topic that asks for syncs gets them: before every acknowledgement. */
static bool asks_for_syncs(const struct topic_settings *settings)
{
	mr_str by_count = topic_setting(settings, "flush.messages"),
	       by_time = topic_setting(settings, "flush.ms");
	return (by_count.ptr && config_int(by_count) != INT64_MAX) ||
	       (by_time.ptr && config_int(by_time) != INT64_MAX);
}

int topic_settings_apply(const struct topic_settings *settings, const struct broker_config *broker,
			 struct log_topic_config *config, struct mr_error *err)
{
	for (size_t i = 0; i < topic_key_count; i++) {
		const struct topic_key *key = &topic_keys[i];
		mr_str value = key->size ? given_value(settings, key, broker) : MR_STR_NULL;
		if (value.ptr)
			field_set(config, key, number_of(key, value));
	}
	if (asks_for_syncs(settings))
		config->durability = LOG_DURABLE;
	if (config->cleanup_policy == 0)
		config->cleanup_policy = LOG_CLEANUP_DELETE;
	if (config->max_compaction_lag_ms < config->min_compaction_lag_ms)
		return mr_fail(err, MR_ERR_INVALID,
			       "conflict topic config setting min.compaction.lag.ms (%lld) > "
			       "max.compaction.lag.ms (%lld)",
			       (long long)config->min_compaction_lag_ms,
			       (long long)config->max_compaction_lag_ms);
	return 0;
}

/* The text of a field's number: number_of backwards. */
static mr_str text_of(const struct topic_key *key, int64_t number, struct arena *arena)
{
	switch (key->offset) {
	case offsetof(struct log_topic_config, cleanup_policy):
		return number == LOG_CLEANUP_COMPACT  ? MR_STR("compact")
		       : number == LOG_CLEANUP_DELETE ? MR_STR("delete")
						      : MR_STR("compact,delete");
	case offsetof(struct log_topic_config, compression):
		return number == LOG_COMPRESSION_PRODUCER ? MR_STR("producer")
		       : number == BATCH_NONE             ? MR_STR("uncompressed")
					      : mr_str_from(compression_name((enum batch_codec)number));
	case offsetof(struct log_topic_config, log_append_time):
		return number ? MR_STR("LogAppendTime") : MR_STR("CreateTime");
	case offsetof(struct log_topic_config, durability):
		return number == LOG_RELAXED ? MR_STR("relaxed") : MR_STR("durable");
	case offsetof(struct log_topic_config, min_cleanable_dirty_ppm):
		return arena_printf(arena, "%g", (double)number / 1e6);
	default:
		return arena_printf(arena, "%lld", (long long)number);
	}
}

void topic_settings_derive(const struct log_topic_config *config, struct arena *arena,
			   struct topic_settings *out)
{
	struct log_topic_config preset;
	log_topic_config_default(&preset);
	*out = (struct topic_settings){0};
	for (size_t i = 0; i < topic_key_count; i++) {
		const struct topic_key *key = &topic_keys[i];
		if (key->size && field_get(config, key) != field_get(&preset, key))
			out->values[i] = text_of(key, field_get(config, key), arena);
	}
}

void topic_settings_of(const struct log_topic_config *config, struct arena *arena, struct topic_settings *out)
{
	if (config->settings)
		topic_settings_read(config->settings, out);
	else
		topic_settings_derive(config, arena, out);
}

bool topic_config_same(const struct log_topic_config *a, const struct log_topic_config *b)
{
	for (size_t i = 0; i < topic_key_count; i++) {
		if (topic_keys[i].size && field_get(a, &topic_keys[i]) != field_get(b, &topic_keys[i]))
			return false;
	}
	return a->partitions == b->partitions &&
	       mr_str_eq(mr_str_from(a->settings), mr_str_from(b->settings));
}

/* ---- the page ---- */

void topic_keys_document(struct mr_buf *out)
{
	static const char *const effects[] = {"acts", "holds anyway", "no effect"};
	mr_buf_cstr(out, "| Name | Default | Broker's name | Here | Meaning |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < topic_key_count; i++) {
		const struct topic_key *key = &topic_keys[i];
		mr_buf_printf(out, "| `%s` | %s%s%s | %s%s%s | %s | %s%s%s%s%s |\n", key->key.name,
			      key->key.preset ? "`" : "", key->key.preset ? key->key.preset : "",
			      key->key.preset ? "`" : "", key->broker_name ? "`" : "",
			      key->broker_name ? key->broker_name : "", key->broker_name ? "`" : "",
			      effects[key->effect], key->key.help, key->key.words ? " One of: " : "",
			      key->key.words ? key->key.words : "", key->key.words ? "." : "",
			      key->key.only ? " Anything else is refused." : "");
	}
}
