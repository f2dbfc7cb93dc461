/* Configurations of topics and of the broker: names, sources, what is kept, what a batch must be. */
#include "fixture.h"

#include "broker/admin.h"

#include <stdio.h>

static struct config_change set(const char *name, const char *value)
{
	return (struct config_change){mr_str_from(name), CONFIG_SET, mr_str_from(value)};
}

static int create(struct fixture *f, const char *topic, const struct config_change *changes, size_t count)
{
	struct arena arena = {0};
	struct log_topic_config config;
	struct topic_create request = {
	    .name = mr_str_from(topic), .partitions = -1, .configs = changes, .config_count = count};
	int rc = broker_topic_create(f->broker, &request, &arena, &config, &f->err);
	arena_release(&arena);
	return rc;
}

static int configure(struct fixture *f, const char *topic, struct config_change change)
{
	return broker_topic_configure(f->broker, mr_str_from(topic), &change, 1, false, false, &f->err);
}

/* "value source: name=value source, ..." of one configuration of a topic. */
static void describe(struct fixture *f, const char *topic, const char *name, struct mr_buf *out)
{
	struct arena arena = {0};
	struct log_topic_config config;
	struct config_entry *entries;
	log_topic_config(log_topic_find(f->store, mr_str_from(topic)), &config);
	size_t count = broker_topic_entries(f->broker, &config, &arena, &entries);
	mr_buf_clear(out);
	for (size_t i = 0; i < count; i++) {
		const struct config_entry *e = &entries[i];
		if (strcmp(e->key->name, name) != 0)
			continue;
		mr_buf_printf(out, "%.*s %d:", MR_FMT(e->value), e->source);
		for (size_t s = 0; s < e->synonym_count; s++)
			mr_buf_printf(out, " %s=%.*s %d", e->synonyms[s].name, MR_FMT(e->synonyms[s].value),
				      e->synonyms[s].source);
	}
	arena_release(&arena);
}

#define CHECK_DESCRIBED(f, topic, name, want) \
	do { \
		struct mr_buf text_ = {0}; \
		describe((f), (topic), (name), &text_); \
		CHECK_STR(mr_buf_view(&text_), want); \
		mr_buf_release(&text_); \
	} while (0)

TEST(config_values_are_checked_by_type)
{
	static const struct {
		const char *name, *value, *refusal;
	} tried[] = {
	    {"retention.ms", "-1", NULL},
	    {"retention.ms", " 60000 ", NULL},
	    {"retention.ms", "soon",
	     "Invalid value soon for configuration retention.ms: Not a number of type LONG"},
	    {"retention.ms", "-2",
	     "Invalid value -2 for configuration retention.ms: Value must be at least -1"},
	    {"retention.ms", "9223372036854775808",
	     "Invalid value 9223372036854775808 for configuration retention.ms: Not a number of type LONG"},
	    {"retention.ms", "1e3",
	     "Invalid value 1e3 for configuration retention.ms: Not a number of type LONG"},
	    {"segment.bytes", "2147483648",
	     "Invalid value 2147483648 for configuration segment.bytes: Not a number of type INT"},
	    {"segment.bytes", "1000",
	     "Invalid value 1000 for configuration segment.bytes: Value must be at least 1048576"},
	    {"cleanup.policy", "compact,delete", NULL},
	    {"cleanup.policy", "compact, delete", NULL},
	    {"cleanup.policy", "shred",
	     "Invalid value shred for configuration cleanup.policy: String must be one of: compact, delete"},
	    {"preallocate", "yes",
	     "Invalid value yes for configuration preallocate: Expected value to be either true or false"},
	    {"min.cleanable.dirty.ratio", "0.01", NULL},
	    {"min.cleanable.dirty.ratio", "1.5",
	     "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
	    {"min.insync.replicas", "1", NULL},
	    {"min.insync.replicas", "2",
	     "Invalid value 2 for configuration min.insync.replicas: Value must be no more than 1"},
	    {"millrace.schema", "a\nb",
	     "Invalid value a\nb for configuration millrace.schema: A value is one line"},
	};
	for (size_t i = 0; i < MR_COUNT(tried); i++) {
		struct mr_error err;
		const struct topic_key *key = topic_key_find(mr_str_from(tried[i].name));
		int rc = config_key_check(&key->key, mr_str_from(tried[i].value), &err);
		CHECK_INT(rc, tried[i].refusal ? MR_ERR_INVALID : 0);
		if (tried[i].refusal)
			CHECK_STR(mr_str_from(err.message), tried[i].refusal);
	}
}

TEST(config_presets_are_good_values_and_the_log_s_own)
{
	struct log_topic_config preset, made = {.partitions = 1};
	struct topic_settings settings = {0};
	struct mr_error err;
	log_topic_config_default(&preset);
	for (size_t i = 0; i < topic_key_count; i++) {
		const struct topic_key *key = &topic_keys[i];
		settings.values[i] = mr_str_from(key->key.preset);
		if (key->key.preset)
			CHECK_OK(config_key_check(&key->key, settings.values[i], &err), err);
		CHECK(i == 0 || strcmp(topic_keys[i - 1].key.name, key->key.name) < 0);
	}
	CHECK_OK(topic_settings_apply(&settings, NULL, &made, &err), err);
	CHECK(topic_config_same(&made, &preset));
}

/* Any settings survive text and back, and the fields made of them give the same settings again. */
TEST(config_settings_survive_text_and_fields)
{
	static const struct {
		const char *name, *values[3];
	} some[] = {
	    {"cleanup.policy", {"compact", "compact,delete", NULL}},
	    {"compression.type", {"zstd", "uncompressed", NULL}},
	    {"message.timestamp.type", {"LogAppendTime", NULL}},
	    {"millrace.durability", {"relaxed", NULL}},
	    {"min.cleanable.dirty.ratio", {"0.01", "0.999999", NULL}},
	    {"retention.bytes", {"1", "9223372036854775807", NULL}},
	    {"retention.ms", {"-1", "0", NULL}},
	    {"segment.bytes", {"1048576", "2147483647", NULL}},
	    {"max.message.bytes", {"61", "1073741824", NULL}},
	};
	for (int round = 0; round < 27; round++) {
		struct topic_settings in = {0}, text, fields;
		struct log_topic_config config;
		struct mr_buf buf = {0};
		struct arena arena = {0};
		struct mr_error err;
		for (size_t i = 0, n = (size_t)round; i < MR_COUNT(some); i++, n = n * 7 + 3)
			in.values[topic_key_find(mr_str_from(some[i].name)) - topic_keys] =
			    mr_str_from(some[i].values[n % 3]);
		topic_settings_write(&in, &buf);
		topic_settings_read(mr_buf_view(&buf).ptr, &text);
		log_topic_config_default(&config);
		CHECK_OK(topic_settings_apply(&text, NULL, &config, &err), err);
		topic_settings_derive(&config, &arena, &fields);
		for (size_t i = 0; i < topic_key_count; i++) {
			CHECK(mr_str_eq(in.values[i], text.values[i]));
			CHECK(mr_str_eq(in.values[i], fields.values[i]));
		}
		arena_release(&arena);
		mr_buf_release(&buf);
	}
}

TEST(config_sources_are_told_and_outlive_a_restart)
{
	struct fixture f;
	const char *folder = test_folder();
	fixture_open_folder(&f, folder);
	struct config_change longer = set("retention.ms", "60000");
	CHECK_OK(create(&f, "t", &longer, 1), f.err);
	CHECK_OK(create(&f, "u", NULL, 0), f.err);
	CHECK_DESCRIBED(&f, "t", "retention.ms", "60000 1: retention.ms=60000 1");
	CHECK_DESCRIBED(&f, "u", "retention.ms", "604800000 5:");
	CHECK_DESCRIBED(&f, "u", "segment.bytes", "1073741824 5: log.segment.bytes=1073741824 5");
	struct config_change all = set("log.retention.ms", "1000"), mine = set("log.retention.ms", "2000");
	CHECK_OK(broker_configure(f.broker, CONFIG_FROM_CLUSTER, &all, 1, false, false, &f.err), f.err);
	CHECK_OK(broker_configure(f.broker, CONFIG_FROM_BROKER, &mine, 1, false, true, &f.err), f.err);
	CHECK_DESCRIBED(&f, "u", "retention.ms", "1000 3: log.retention.ms=1000 3");
	CHECK_OK(broker_configure(f.broker, CONFIG_FROM_BROKER, &mine, 1, false, false, &f.err), f.err);
	for (int start = 0; start < 2; start++) {
		struct log_topic_config config;
		CHECK_DESCRIBED(
		    &f, "t", "retention.ms",
		    "60000 1: retention.ms=60000 1 log.retention.ms=2000 2 log.retention.ms=1000 3");
		CHECK_DESCRIBED(&f, "u", "retention.ms",
				"2000 2: log.retention.ms=2000 2 log.retention.ms=1000 3");
		log_topic_config(log_topic_find(f.store, MR_STR("u")), &config);
		CHECK_INT(config.retention_ms, 2000);
		fixture_close(&f);
		fixture_open_folder(&f, folder);
	}
	struct config_change back = {MR_STR("retention.ms"), CONFIG_DELETE, MR_STR_NULL};
	CHECK_OK(configure(&f, "t", back), f.err);
	CHECK_DESCRIBED(&f, "t", "retention.ms", "2000 2: log.retention.ms=2000 2 log.retention.ms=1000 3");
	CHECK_OK(broker_configure(f.broker, CONFIG_FROM_BROKER, NULL, 0, true, false, &f.err), f.err);
	CHECK_DESCRIBED(&f, "t", "retention.ms", "1000 3: log.retention.ms=1000 3");
	fixture_close(&f);
}

TEST(config_refuses_what_it_cannot_do)
{
	struct fixture f;
	fixture_open(&f, 0, false);
	CHECK_OK(create(&f, "t", NULL, 0), f.err);
	CHECK_INT(configure(&f, "t", set("retention.mss", "1")), BROKER_INVALID_CONFIG);
	CHECK_STR(mr_str_from(f.err.message), "Unknown topic config name: retention.mss");
	CHECK_STR(mr_str_from(f.err.hint), "did you mean retention.ms?");
	CHECK_INT(configure(&f, "absent", set("retention.ms", "1")), MR_ERR_NOT_FOUND);
	struct config_change lags[] = {set("min.compaction.lag.ms", "20"),
				       set("max.compaction.lag.ms", "10")};
	CHECK_INT(broker_topic_configure(f.broker, MR_STR("t"), lags, 2, false, false, &f.err),
		  BROKER_INVALID_CONFIG);
	struct config_change append = {MR_STR("retention.ms"), CONFIG_APPEND, MR_STR("1")};
	CHECK_INT(configure(&f, "t", append), BROKER_INVALID_CONFIG);
	struct config_change fixed = set("num.partitions", "3");
	CHECK_INT(broker_configure(f.broker, CONFIG_FROM_BROKER, &fixed, 1, false, false, &f.err),
		  MR_ERR_UNSUPPORTED);
	CHECK_STR(mr_str_from(f.err.message), "Cannot update these configs dynamically: Set(num.partitions)");
	struct config_change half[] = {set("log.retention.ms", "1"), set("log.segment.bytes", "x")};
	CHECK_INT(broker_configure(f.broker, CONFIG_FROM_BROKER, half, 2, false, false, &f.err),
		  BROKER_INVALID_CONFIG);
	CHECK_DESCRIBED(&f, "t", "retention.ms", "604800000 5:");
	CHECK_INT(broker_topic_widen(f.broker, MR_STR("t"), 1, false, &f.err), MR_ERR_LIMIT);
	CHECK_OK(broker_topic_widen(f.broker, MR_STR("t"), 3, true, &f.err), f.err);
	CHECK_INT(log_topic_partition_count(log_topic_find(f.store, MR_STR("t"))), 1);
	fixture_close(&f);
}

TEST(config_lists_are_appended_to_and_taken_from)
{
	struct fixture f;
	fixture_open(&f, 0, false);
	CHECK_OK(create(&f, "t", NULL, 0), f.err);
	struct config_change compact = {MR_STR("cleanup.policy"), CONFIG_APPEND, MR_STR("compact")};
	CHECK_OK(configure(&f, "t", compact), f.err);
	CHECK_OK(configure(&f, "t", compact), f.err);
	CHECK_DESCRIBED(&f, "t", "cleanup.policy",
			"delete,compact 1: cleanup.policy=delete,compact 1 log.cleanup.policy=delete 5");
	struct config_change no_delete = {MR_STR("cleanup.policy"), CONFIG_SUBTRACT, MR_STR("delete")};
	CHECK_OK(configure(&f, "t", no_delete), f.err);
	struct log_topic_config config;
	log_topic_config(log_topic_find(f.store, MR_STR("t")), &config);
	CHECK_INT(config.cleanup_policy, LOG_CLEANUP_COMPACT);
	fixture_close(&f);
}

/* The project file rules what it can say; the rest stays as it was altered. */
TEST(config_declared_topics_keep_what_the_file_does_not_say)
{
	struct fixture f;
	fixture_open(&f, 0, false);
	struct broker_topic_options options = {.on_invalid = ON_INVALID_OFF};
	log_topic_config_default(&options.log);
	options.log.retention_ms = 5000;
	CHECK_OK(broker_topic_declare(f.broker, MR_STR("t"), &options, &f.err), f.err);
	CHECK_OK(configure(&f, "t", set("retention.ms", "7000")), f.err);
	CHECK_OK(configure(&f, "t", set("retention.bytes", "7000")), f.err);
	CHECK_OK(configure(&f, "t", set("delete.retention.ms", "7000")), f.err);
	CHECK_OK(broker_topic_widen(f.broker, MR_STR("t"), 4, false, &f.err), f.err);
	CHECK_OK(broker_topic_declare(f.broker, MR_STR("t"), &options, &f.err), f.err);
	CHECK_DESCRIBED(&f, "t", "retention.ms", "5000 1: retention.ms=5000 1");
	CHECK_DESCRIBED(&f, "t", "retention.bytes", "-1 5: log.retention.bytes=-1 5");
	CHECK_DESCRIBED(&f, "t", "delete.retention.ms",
			"7000 1: delete.retention.ms=7000 1 log.cleaner.delete.retention.ms=86400000 5");
	CHECK_INT(log_topic_partition_count(log_topic_find(f.store, MR_STR("t"))), 4);
	fixture_close(&f);
}

/* ---- what a batch must be ---- */

struct one {
	struct batch_writer writer;
	mr_str wire;
};

static void batch_of(struct one *one, int64_t timestamp, const char *key, size_t records)
{
	struct mr_error err;
	struct record_header header = {MR_STR("h"), MR_STR("v")};
	batch_writer_init(&one->writer, 0);
	batch_writer_start(&one->writer);
	for (size_t i = 0; i < records; i++)
		batch_writer_add(&one->writer, timestamp, mr_str_from(i + 1 < records ? "k" : key),
				 MR_STR("a value that is long enough to be worth its compression, twice: a "
					"value that is long enough to be worth its compression"),
				 &header, 1);
	CHECK_OK(batch_writer_finish(&one->writer, BATCH_LZ4, &one->wire, &err), err);
}

static int produce(struct fixture *f, const char *topic, int64_t timestamp, const char *key,
		   struct broker_ack *ack)
{
	struct one one;
	batch_of(&one, timestamp, key, 5);
	struct log_partition *p = log_partition_at(log_topic_find(f->store, mr_str_from(topic)), 0);
	int rc = broker_produce(f->broker, p, one.wire, ack, &f->err);
	if (rc == 0)
		CHECK_OK(log_wait_stable(p, ack->main.next_offset, 5000, &f->err), f->err);
	batch_writer_release(&one.writer);
	return rc;
}

TEST(config_compacted_topics_want_keys)
{
	struct fixture f;
	struct broker_ack ack;
	fixture_open(&f, 0, false);
	struct config_change compact = set("cleanup.policy", "compact");
	CHECK_OK(create(&f, "t", &compact, 1), f.err);
	int64_t now = clock_wall_ms(env_linux()->clock);
	CHECK_OK(produce(&f, "t", now, "key", &ack), f.err);
	CHECK_INT(produce(&f, "t", now, NULL, &ack), BROKER_INVALID_RECORD);
	CHECK_INT(ack.bad_record, 4);
	CHECK_STR(mr_str_from(ack.reason),
		  "Compacted topic cannot accept message without key in topic partition t-0.");
	CHECK_INT(log_end_offset(log_partition_at(log_topic_find(f.store, MR_STR("t")), 0)), 5);
	fixture_close(&f);
}

TEST(config_timestamps_have_limits)
{
	struct fixture f;
	struct broker_ack ack;
	fixture_open(&f, 0, false);
	struct config_change past = set("message.timestamp.before.max.ms", "60000");
	CHECK_OK(create(&f, "t", NULL, 0), f.err);
	CHECK_OK(create(&f, "near", &past, 1), f.err);
	int64_t now = clock_wall_ms(env_linux()->clock);
	CHECK_OK(produce(&f, "t", 0, "k", &ack), f.err);
	CHECK_OK(produce(&f, "t", now + 3000000, "k", &ack), f.err);
	CHECK_INT(produce(&f, "t", now + 4000000, "k", &ack), BROKER_INVALID_TIMESTAMP);
	CHECK_INT(ack.bad_record, 0);
	CHECK_OK(produce(&f, "near", now - 30000, "k", &ack), f.err);
	CHECK_INT(produce(&f, "near", now - 90000, "k", &ack), BROKER_INVALID_TIMESTAMP);
	CHECK_OK(configure(&f, "near", set("message.timestamp.type", "LogAppendTime")), f.err);
	CHECK_OK(produce(&f, "near", now - 90000, "k", &ack), f.err);
	fixture_close(&f);
}

TEST(config_compression_type_packs_anew)
{
	static const char *const types[] = {"producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"};
	static const int want[] = {BATCH_LZ4, BATCH_NONE, BATCH_GZIP, BATCH_SNAPPY, BATCH_LZ4, BATCH_ZSTD};
	struct fixture f;
	struct broker_ack ack;
	struct mr_buf first = {0}, text = {0}, bytes = {0};
	fixture_open(&f, 0, false);
	for (size_t i = 0; i < MR_COUNT(types); i++) {
		struct config_change type = set("compression.type", types[i]);
		CHECK_OK(create(&f, types[i], &type, 1), f.err);
		CHECK_OK(produce(&f, types[i], 1000, "last", &ack), f.err);
		CHECK_INT(ack.main.next_offset, 5);
		mr_buf_clear(&bytes);
		struct log_topic *topic = log_topic_find(f.store, mr_str_from(types[i]));
		CHECK_OK(log_read(log_partition_at(topic, 0), 0, 1, true, &bytes, NULL, &f.err), f.err);
		CHECK_INT(mr_get_be16(bytes.ptr + 21) & BATCH_CODEC_MASK, want[i]);
		fixture_read(&f, types[i], 0, i ? &text : &first);
		if (i)
			CHECK_STR(mr_buf_view(&text), mr_buf_view(&first).ptr);
	}
	mr_buf_release(&first);
	mr_buf_release(&text);
	mr_buf_release(&bytes);
	fixture_close(&f);
}

TEST(config_a_schema_that_was_set_by_name_is_in_force_after_a_restart)
{
	struct fixture f;
	struct broker_ack ack;
	const char *folder = test_folder();
	fixture_open_folder(&f, folder);
	struct config_change schema[] = {set("millrace.schema", EVENT_SCHEMA),
					 set("millrace.on.invalid", "reject")};
	CHECK_INT(create(&f, "t", &schema[1], 1), BROKER_INVALID_CONFIG);
	CHECK_OK(create(&f, "t", schema, 2), f.err);
	for (int start = 0; start < 2; start++) {
		CHECK_INT(produce(&f, "t", 1000, "k", &ack), BROKER_INVALID_RECORD);
		fixture_close(&f);
		fixture_open_folder(&f, folder);
	}
	CHECK_INT(configure(&f, "t", set("millrace.schema", "{")), BROKER_INVALID_CONFIG);
	CHECK_OK(broker_topic_configure(f.broker, MR_STR("t"), NULL, 0, true, false, &f.err), f.err);
	CHECK_OK(produce(&f, "t", 1000, "k", &ack), f.err);
	fixture_close(&f);
}

/* docs/topic-configs.md ends with the table; MR_TEST_UPDATE=1 writes it. */
TEST(config_page_is_current)
{
	static const char marker[] = "<!-- names: written by the table -->\n";
	static const char path[] = TEST_GOLDEN "/../../docs/topic-configs.md";
	struct mr_disk *disk = env_linux()->disk;
	struct mr_buf page = {0}, table = {0};
	struct mr_error err;
	topic_keys_document(&table);
	CHECK_OK(disk_read_file(disk, path, 1 << 20, &page, &err), err);
	const char *found = strstr(page.ptr, marker);
	CHECK(found);
	if (strcmp(found + strlen(marker), table.ptr) != 0 && getenv("MR_TEST_UPDATE")) {
		page.len = (size_t)(found - page.ptr) + strlen(marker);
		mr_buf_str(&page, mr_buf_view(&table));
		CHECK_OK(disk_replace_file(disk, path, mr_buf_view(&page), &err), err);
		found = strstr(page.ptr, marker);
	}
	CHECK_STR(mr_str_from(found + strlen(marker)), table.ptr);
	mr_buf_release(&page);
	mr_buf_release(&table);
}
