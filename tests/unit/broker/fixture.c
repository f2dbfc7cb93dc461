#include "fixture.h"

void fixture_open(struct fixture *f, size_t pending_bytes_max, bool manual)
{
	fixture_open_env(f, env_linux(), pending_bytes_max, manual);
}

static void open_broker(struct fixture *f, const struct env *env, const char *config_path)
{
	struct broker_options broker = {
	    .env = env, .store = f->store, .auto_create = true, .config_path = config_path};
	log_topic_config_default(&broker.topic_default);
	CHECK_OK(broker_new(&broker, &f->broker, &f->err), f->err);
}

void fixture_open_env(struct fixture *f, const struct env *env, size_t pending_bytes_max, bool manual)
{
	struct log_store_options options = {.env = env,
					    .dir = test_folder(),
					    .journal_bytes = 1 << 20,
					    .pending_bytes_max = pending_bytes_max,
					    .manual = manual};
	CHECK_OK(log_store_open(&options, &f->store, &f->err), f->err);
	open_broker(f, env, NULL);
}

void fixture_open_folder(struct fixture *f, const char *folder)
{
	struct log_store_options options = {.env = env_linux(), .dir = folder, .journal_bytes = 1 << 20};
	CHECK_OK(log_store_open(&options, &f->store, &f->err), f->err);
	open_broker(f, env_linux(), test_path("%s/broker.config", folder));
}

void fixture_close(struct fixture *f)
{
	broker_free(f->broker);
	log_store_close(f->store);
}

struct log_topic *fixture_topic(struct fixture *f, const char *name, int32_t partitions, const char *schema,
				enum on_invalid on_invalid)
{
	struct broker_topic_options options = {.on_invalid = on_invalid};
	log_topic_config_default(&options.log);
	options.log.partitions = partitions;
	if (schema)
		CHECK_OK(json_schema_compile(mr_str_from(schema), name, &options.schema, &f->err), f->err);
	CHECK_OK(broker_topic_declare(f->broker, mr_str_from(name), &options, &f->err), f->err);
	return log_topic_find(f->store, mr_str_from(name));
}

static void print_str(struct mr_buf *out, mr_str s)
{
	mr_buf_str(out, s.ptr ? s : MR_STR("NULL"));
}

static void print_record(struct mr_buf *out, struct record *record)
{
	struct record_header header;
	mr_buf_printf(out, "%lld ", (long long)record->offset);
	print_str(out, record->key);
	mr_buf_char(out, '=');
	print_str(out, record->value);
	mr_buf_char(out, '{');
	for (int i = 0; record_header_next(&record->headers, &header, NULL) == 1; i++) {
		mr_buf_cstr(out, i ? "," : "");
		print_str(out, header.key);
		mr_buf_char(out, ':');
		print_str(out, header.value);
	}
	mr_buf_cstr(out, "};");
}

void fixture_read(struct fixture *f, const char *topic, int32_t partition, struct mr_buf *out)
{
	struct log_topic *found = log_topic_find(f->store, mr_str_from(topic));
	CHECK(found != NULL);
	struct mr_buf bytes = {0};
	struct batch_iter it = {0};
	mr_buf_clear(out);
	mr_buf_cstr(out, "");
	CHECK_OK(log_read(log_partition_at(found, partition), 0, 64 << 20, true, &bytes, NULL, &f->err),
		 f->err);
	mr_str rest = mr_buf_view(&bytes);
	while (rest.len) {
		int64_t size = batch_size(rest, &f->err);
		CHECK(size > 0);
		struct record record;
		CHECK_OK(batch_iter_start(&it, mr_str_n(rest.ptr, (size_t)size), &f->err), f->err);
		CHECK(batch_crc_ok(mr_str_n(rest.ptr, (size_t)size)));
		while (batch_iter_next(&it, &record, &f->err) == 1)
			print_record(out, &record);
		rest = mr_str_tail(rest, (size_t)size);
	}
	batch_iter_release(&it);
	mr_buf_release(&bytes);
}

void fixture_batch(struct batch_writer *w, const char *const *values, size_t count, enum batch_codec codec,
		   mr_str *wire)
{
	struct mr_error err;
	struct record_header header = {MR_STR("h"), MR_STR("v")};
	batch_writer_start(w);
	for (size_t i = 0; i < count; i++)
		batch_writer_add(w, 1000 + (int64_t)i, MR_STR("k"), mr_str_from(values[i]), &header, 1);
	CHECK_OK(batch_writer_finish(w, codec, wire, &err), err);
}
