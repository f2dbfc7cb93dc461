/* The connection without sockets, over a log whose commits the test makes itself. */
#include "base/crc32c.h"
#include "base/varint.h"
#include "codec/batch.h"
#include "codec/jsonschema.h"
#include "env/disk_sim.h"
#include "kafka/bench.h"
#include "kafka/server.h"
#include "kafka/kafka_fixture.h"

#include "test.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static mr_str produce_frame(struct bench *b, int version, int16_t acks, const char *topic, int32_t index,
			    mr_str batch)
{
	struct produce_partition partition = {.index = index, .records = batch};
	struct produce_topic t = {.name = mr_str_from(topic), .partitions = {&partition, 1}};
	struct log_topic *found = log_topic_find(b->store, t.name);
	if (found)
		log_topic_id(found, t.topic_id);
	struct produce_request r = {.acks = acks, .timeout_ms = 5000, .topics = {&t, 1}};
	return bench_frame(b, API_Produce, version, &r);
}

static mr_str fetch_frame(struct bench *b, int version, const char *topic, int64_t offset, int32_t min_bytes)
{
	struct fetch_partition partition = {
	    .current_leader_epoch = -1,
	    .fetch_offset = offset,
	    .partition_max_bytes = 1 << 20,
	    .high_watermark = INT64_MAX,
	};
	struct fetch_topic t = {.topic = mr_str_from(topic), .partitions = {&partition, 1}};
	struct log_topic *found = log_topic_find(b->store, t.topic);
	if (found)
		log_topic_id(found, t.topic_id);
	struct fetch_request r = {
	    .max_wait_ms = 60000,
	    .min_bytes = min_bytes,
	    .max_bytes = 1 << 20,
	    .session_epoch = -1,
	    .topics = {&t, 1},
	    .rack_id = MR_STR(""),
	    .replica_id = -1,
	    .replica_state = {-1, -1},
	};
	return bench_frame(b, API_Fetch, version, &r);
}

static mr_str api_versions_frame(struct bench *b)
{
	struct api_versions_request r = {MR_STR("test"), MR_STR("1")};
	return bench_frame(b, API_ApiVersions, 3, &r);
}

static const struct produce_partition_reply *produced(struct bench *b, int version)
{
	const struct produce_response *r = bench_reply(b, API_Produce, version);
	return r ? &r->topics.items[0].partitions.items[0] : NULL;
}

static const struct fetch_partition_reply *fetched(struct bench *b, int version)
{
	const struct fetch_response *r = bench_reply(b, API_Fetch, version);
	return r ? &r->topics.items[0].partitions.items[0] : NULL;
}

/* ---- tests ---- */

TEST(connection_answers_in_the_order_of_requests)
{
	struct bench b;
	mr_str body;
	bench_open(&b, 0);
	bench_topic(&b, "t");
	conn_feed(&b.conn, produce_frame(&b, 7, -1, "t", 0, bench_batch(&b, 3, 10)));
	conn_feed(&b.conn, api_versions_frame(&b));
	conn_feed(&b.conn, produce_frame(&b, 9, 1, "t", 0, bench_batch(&b, 2, 10)));
	conn_feed(&b.conn, fetch_frame(&b, 11, "t", 0, 1));
	CHECK_INT(bench_next_reply(&b, false, &body), -1);                       /* none before it is safe */
	CHECK_INT(log_end_offset(log_partition_at(bench_topic(&b, "t"), 0)), 5); /* both are in one commit */
	bench_commit(&b);
	for (int i = 0; i < 4; i++)
		CHECK_INT(bench_next_reply(&b, false, &body), 100 + i);
	CHECK_INT(bench_next_reply(&b, false, &body), -1);
	bench_close(&b);
}

TEST(connection_takes_input_in_any_pieces)
{
	struct bench b;
	bench_open(&b, 0);
	bench_topic(&b, "t");
	struct mr_buf all = {0};
	for (int i = 0; i < 5; i++) {
		mr_buf_str(&all, produce_frame(&b, i, -1, "t", 0, bench_batch(&b, 1, 100)));
		mr_buf_str(&all, produce_frame(&b, 9 + i, -1, "t", 0, bench_batch(&b, 1, 100)));
	}
	for (size_t i = 0; i < all.len; i++)
		conn_feed(&b.conn, mr_str_n(all.ptr + i, 1));
	bench_commit(&b);
	for (int i = 0; i < 10; i++) {
		const struct produce_partition_reply *p = produced(&b, i % 2 ? 9 + i / 2 : i / 2);
		CHECK(p);
		CHECK_INT(p->error_code, 0);
		CHECK_INT(p->base_offset, i);
	}
	mr_buf_release(&all);
	bench_close(&b);
}

TEST(connection_refuses_garbage_after_answering_what_came_before)
{
	static const char *const garbage[] = {"GET / HTTP/1.1\r\n\r\n",
					      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
					      "\xff\xff\xff\xff\xff\xff\xff\xff", "\x7f\xff\xff\xff"};
	for (size_t i = 0; i < MR_COUNT(garbage); i++) {
		struct bench b;
		mr_str body;
		bench_open(&b, 0);
		conn_feed(&b.conn, api_versions_frame(&b));
		conn_feed(&b.conn, mr_str_from(garbage[i]));
		CHECK(b.conn.broken);
		CHECK_INT(b.core.bad_frames, 1);
		CHECK_INT(bench_next_reply(&b, false, &body), 100);
		CHECK(conn_finished(&b.conn));
		bench_close(&b);
	}
}

TEST(connection_closes_on_what_is_not_served)
{
	static const int16_t requests[][2] = {{999, 0}, {-1, 0}, {1, 3}, {1, 19}, {0, 14}, {3, -1}};
	for (size_t i = 0; i < MR_COUNT(requests); i++) {
		struct bench b;
		bench_open(&b, 0);
		char bytes[18] = {0, 0, 0, 14};
		mr_put_be16(bytes + 4, (uint16_t)requests[i][0]);
		mr_put_be16(bytes + 6, (uint16_t)requests[i][1]);
		conn_feed(&b.conn, mr_str_n(bytes, sizeof bytes));
		CHECK(conn_finished(&b.conn));
		CHECK_INT(b.core.bad_frames, 1);
		bench_close(&b);
	}
}

TEST(connection_survives_frames_cut_and_closed_at_every_byte)
{
	struct bench b;
	bench_open(&b, 0);
	bench_topic(&b, "t");
	mr_str whole = produce_frame(&b, 9, -1, "t", 0, bench_batch(&b, 1, 20));
	for (size_t len = 0; len < whole.len; len++) {
		struct conn conn;
		conn_init(&conn, &b.core, bench_on_output);
		conn_feed(&conn, mr_str_n(whole.ptr, len));
		CHECK(!conn.broken);
		conn_release(&conn);
		/* The same bytes as a frame that says it is whole. */
		char *cut = (char *)arena_copy(&b.arena, mr_str_n(whole.ptr, mr_max_size(len, 4))).ptr;
		mr_put_be32(cut, (uint32_t)(mr_max_size(len, 4) - 4));
		conn_init(&conn, &b.core, bench_on_output);
		conn_feed(&conn, mr_str_n(cut, mr_max_size(len, 4)));
		CHECK(conn.broken);
		conn_release(&conn);
	}
	CHECK_INT(log_end_offset(log_partition_at(bench_topic(&b, "t"), 0)), 0);
	bench_close(&b);
}

TEST(api_versions_of_the_future_are_told_what_is_spoken)
{
	struct bench b;
	bench_open(&b, 0);
	mr_str f = api_versions_frame(&b);
	mr_put_be16((char *)f.ptr + 6, 77);
	conn_feed(&b.conn, f);
	const struct api_versions_response *r = bench_reply(&b, API_ApiVersions, 0);
	CHECK(r);
	CHECK_INT(r->error_code, KE_UNSUPPORTED_VERSION);
	CHECK_INT(r->api_keys.count, API_COUNT);
	CHECK(!b.conn.broken);
	bench_close(&b);
}

TEST(produce_waits_where_it_is_while_the_log_is_full)
{
	struct bench b;
	mr_str body;
	bench_open(&b, 50 << 10);
	bench_topic(&b, "t");
	mr_str batch = bench_batch(&b, 1, 20 << 10);
	bool was_busy = false;
	for (int i = 0; i < 2; i++) {
		struct mr_buf three = {0};
		for (int k = 0; k < 3; k++)
			mr_buf_str(&three, produce_frame(&b, 9, -1, "t", 0, batch));
		conn_feed(&b.conn, mr_buf_view(&three));
		mr_buf_release(&three);
		while (!conn_wants_input(&b.conn)) {
			was_busy = true;
			bench_commit(&b);
		}
	}
	bench_commit(&b);
	CHECK(was_busy);
	for (int i = 0; i < 6; i++) {
		const struct produce_partition_reply *p = produced(&b, 9);
		CHECK(p);
		CHECK_INT(p->error_code, 0);
		CHECK_INT(p->base_offset, i); /* each once, in order */
	}
	CHECK_INT(bench_next_reply(&b, true, &body), -1);
	CHECK_INT(log_stable_offset(log_partition_at(bench_topic(&b, "t"), 0)), 6);
	bench_close(&b);
}

TEST(produce_times_out_when_the_log_does_not_move)
{
	struct bench b;
	bench_open(&b, 0);
	bench_topic(&b, "t");
	conn_feed(&b.conn, produce_frame(&b, 9, -1, "t", 0, bench_batch(&b, 1, 10)));
	CHECK(b.conn.first && !b.conn.first->done);
	b.conn.first->timer.fire(&b.conn.first->timer);
	const struct produce_partition_reply *p = produced(&b, 9);
	CHECK(p);
	CHECK_INT(p->error_code, KE_REQUEST_TIMED_OUT);
	bench_commit(&b); /* what it waited for moves with nobody waiting */
	bench_close(&b);
}

TEST(produce_is_told_at_once_when_the_disk_fails)
{
	struct bench b;
	struct env env = *env_linux();
	env.disk = sim_disk_new(7);
	bench_open_in(&b, &env, "/data", 0);
	bench_topic(&b, "t");
	conn_feed(&b.conn, produce_frame(&b, 9, -1, "t", 0, bench_batch(&b, 1, 10)));
	sim_disk_fail_sync(env.disk, 1);
	CHECK_INT(bench_try_commit(&b), MR_ERR_IO);
	const struct produce_partition_reply *p = produced(&b, 9);
	CHECK(p);
	CHECK_INT(p->error_code, KE_KAFKA_STORAGE_ERROR);
	CHECK(p->error_message.len > 0);
	bench_close(&b);
	sim_disk_free(env.disk);
}

TEST(produce_is_told_at_once_when_its_topic_is_deleted)
{
	struct bench b;
	struct mr_error err;
	bench_open(&b, 0);
	bench_topic(&b, "t");
	conn_feed(&b.conn, produce_frame(&b, 9, -1, "t", 0, bench_batch(&b, 1, 10)));
	CHECK_OK(log_topic_delete(b.store, MR_STR("t"), &err), err);
	bench_commit(&b);
	const struct produce_partition_reply *p = produced(&b, 9);
	CHECK(p);
	CHECK_INT(p->error_code, KE_UNKNOWN_TOPIC_OR_PARTITION);
	bench_close(&b);
}

TEST(produce_without_acks_is_silent_and_hangs_up_on_failure)
{
	struct bench b;
	mr_str body;
	bench_open(&b, 0);
	bench_topic(&b, "t");
	conn_feed(&b.conn, produce_frame(&b, 7, 0, "t", 0, bench_batch(&b, 1, 10)));
	conn_feed(&b.conn, api_versions_frame(&b));
	CHECK_INT(bench_next_reply(&b, false, &body), 101);
	CHECK_INT(log_end_offset(log_partition_at(bench_topic(&b, "t"), 0)), 1);
	conn_feed(&b.conn, produce_frame(&b, 7, 0, "t", 5, bench_batch(&b, 1, 10)));
	CHECK_INT(bench_next_reply(&b, false, &body), -1);
	CHECK(conn_finished(&b.conn));
	bench_close(&b);
}

static int16_t refusal(struct bench *b, int version, int16_t acks, int32_t partition, mr_str batch)
{
	conn_feed(&b->conn, produce_frame(b, version, acks, "t", partition, batch));
	const struct produce_partition_reply *p = produced(b, version);
	CHECK(p);
	CHECK_INT(p->base_offset, -1);
	return p->error_code;
}

TEST(produce_refuses_by_kafkas_codes)
{
	struct bench b;
	bench_open(&b, 0);
	bench_topic(&b, "t");
	mr_str good = bench_batch(&b, 1, 50);
	char *bad = (char *)arena_copy(&b.arena, good).ptr;
	CHECK_INT(refusal(&b, 9, -1, 9, good), KE_UNKNOWN_TOPIC_OR_PARTITION);
	CHECK_INT(refusal(&b, 9, 2, 0, good), KE_INVALID_REQUIRED_ACKS);
	CHECK_INT(refusal(&b, 9, -1, 0, MR_STR_NULL), KE_INVALID_RECORD);
	CHECK_INT(refusal(&b, 9, -1, 0, mr_str_n(good.ptr, 30)), KE_CORRUPT_MESSAGE);
	CHECK_INT(refusal(&b, 9, -1, 0, mr_str_n(good.ptr, good.len - 1)), KE_CORRUPT_MESSAGE);
	CHECK_INT(refusal(&b, 9, -1, 0, bench_batch(&b, 1, 2 << 20)), KE_MESSAGE_TOO_LARGE);
	bad[16] = 1; /* magic */
	for (int version = 0; version <= 13; version++)
		CHECK_INT(refusal(&b, version, -1, 0, mr_str_n(bad, good.len)),
			  KE_UNSUPPORTED_FOR_MESSAGE_FORMAT);
	bad[16] = 2;
	bad[good.len - 1] ^= 1;
	CHECK_INT(refusal(&b, 9, -1, 0, mr_str_n(bad, good.len)), KE_CORRUPT_MESSAGE);
	bad[good.len - 1] ^= 1;
	mr_put_be16(bad + 21, BATCH_CONTROL);
	CHECK_INT(refusal(&b, 9, -1, 0, mr_str_n(bad, good.len)), KE_INVALID_RECORD);
	mr_put_be16(bad + 21, BATCH_TRANSACTIONAL);
	CHECK_INT(refusal(&b, 9, -1, 0, mr_str_n(bad, good.len)), KE_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
	mr_put_be16(bad + 21, BATCH_ZSTD);
	CHECK_INT(refusal(&b, 6, -1, 0, mr_str_n(bad, good.len)), KE_UNSUPPORTED_COMPRESSION_TYPE);
	CHECK_INT(log_end_offset(log_partition_at(bench_topic(&b, "t"), 0)), 0);
	bench_close(&b);
}

static mr_str batch_of_producer(struct bench *b, int64_t id, int16_t epoch, int32_t sequence)
{
	mr_str good = bench_batch(b, 2, 20);
	char *batch = (char *)good.ptr;
	mr_put_be64(batch + 43, (uint64_t)id);
	mr_put_be16(batch + 51, (uint16_t)epoch);
	mr_put_be32(batch + 53, (uint32_t)sequence);
	mr_put_be32(batch + 17, mr_crc32c(0, batch + 21, good.len - 21));
	return good;
}

TEST(produce_names_the_record_that_breaks_the_contract)
{
	struct bench b;
	struct mr_error err;
	mr_str batch;
	bench_open(&b, 0);
	struct broker_topic_options options = {.schema_path = "t.json", .on_invalid = ON_INVALID_REJECT};
	log_topic_config_default(&options.log);
	CHECK_OK(json_schema_compile(MR_STR("{\"type\":\"object\"}"), "t.json", &options.schema, &err), err);
	CHECK_OK(broker_topic_declare(b.broker, MR_STR("t"), &options, &err), err);
	batch_writer_start(&b.writer);
	batch_writer_add(&b.writer, 1, MR_STR_NULL, MR_STR("{}"), NULL, 0);
	batch_writer_add(&b.writer, 2, MR_STR_NULL, MR_STR("[]"), NULL, 0);
	CHECK_OK(batch_writer_finish(&b.writer, BATCH_NONE, &batch, &err), err);
	for (int version = 3; version <= 13; version++) {
		conn_feed(&b.conn, produce_frame(&b, version, -1, "t", 0, batch));
		const struct produce_partition_reply *p = produced(&b, version);
		CHECK(p);
		CHECK_INT(p->error_code, KE_INVALID_RECORD);
		if (version < 8)
			continue;
		CHECK_INT(p->record_errors.count, 1);
		CHECK_INT(p->record_errors.items[0].batch_index, 1);
		CHECK(p->record_errors.items[0].message.len > 0);
		CHECK(p->error_message.len > 0);
	}
	CHECK_INT(log_end_offset(log_partition_at(bench_topic(&b, "t"), 0)), 0);
	bench_close(&b);
}

TEST(produce_knows_an_idempotent_producers_retries)
{
	struct bench b;
	bench_open(&b, 0);
	bench_topic(&b, "t");
	struct init_producer_id_request ask = {.transaction_timeout_ms = 1, .producer_id = -1};
	conn_feed(&b.conn, bench_frame(&b, API_InitProducerId, 4, &ask));
	const struct init_producer_id_response *given = bench_reply(&b, API_InitProducerId, 4);
	CHECK(given);
	CHECK_INT(given->error_code, 0);
	int64_t id = given->producer_id;
	static const struct {
		int16_t epoch;
		int32_t sequence;
		int16_t error;
		int64_t offset;
	} tries[] = {
	    {0, 0, 0, 0},
	    {0, 2, 0, 2},
	    {0, 2, 0, 2}, /* again: the first try's offset */
	    {0, 6, KE_OUT_OF_ORDER_SEQUENCE_NUMBER, -1},
	    {1, 0, 0, 4},
	    {0, 4, KE_INVALID_PRODUCER_EPOCH, -1},
	};
	for (size_t i = 0; i < MR_COUNT(tries); i++) {
		mr_str batch = batch_of_producer(&b, id, tries[i].epoch, tries[i].sequence);
		conn_feed(&b.conn, produce_frame(&b, 9, -1, "t", 0, batch));
		bench_commit(&b);
		const struct produce_partition_reply *p = produced(&b, 9);
		CHECK(p);
		CHECK_INT(p->error_code, tries[i].error);
		CHECK_INT(p->base_offset, tries[i].offset);
	}
	CHECK_INT(log_end_offset(log_partition_at(bench_topic(&b, "t"), 0)), 6);
	bench_close(&b);
}

TEST(this_node_coordinates_every_group)
{
	struct bench b;
	bench_open(&b, 0);
	for (int version = 0; version <= 6; version++) {
		mr_str key = MR_STR("group");
		struct find_coordinator_request find = {.key = key, .coordinator_keys = {&key, 1}};
		conn_feed(&b.conn, bench_frame(&b, API_FindCoordinator, version, &find));
		const struct find_coordinator_response *r = bench_reply(&b, API_FindCoordinator, version);
		CHECK_INT(version < 4 ? r->error_code : r->coordinators.items[0].error_code, KE_NONE);
		CHECK_INT(version < 4 ? r->node_id : r->coordinators.items[0].node_id, KAFKA_NODE_ID);
	}
	bench_close(&b);
}

/* ---- topics ---- */

static int16_t create(struct bench *b, const char *name, int32_t partitions, int16_t replicas,
		      const char *key, const char *value)
{
	struct create_topics_config config = {mr_str_from(key), mr_str_from(value)};
	struct create_topics_topic t = {
	    .name = mr_str_from(name),
	    .num_partitions = partitions,
	    .replication_factor = replicas,
	    .configs = {&config, key ? 1 : 0},
	};
	struct create_topics_request r = {.topics = {&t, 1}};
	conn_feed(&b->conn, bench_frame(b, API_CreateTopics, 7, &r));
	const struct create_topics_response *reply = bench_reply(b, API_CreateTopics, 7);
	return reply->topics.items[0].error_code;
}

TEST(create_topics_takes_what_it_can_honour)
{
	struct bench b;
	struct log_topic_config config;
	bench_open(&b, 0);
	CHECK_INT(create(&b, "a", 4, 1, "retention.ms", "1234"), 0);
	log_topic_config(log_topic_find(b.store, MR_STR("a")), &config);
	CHECK_INT(config.partitions, 4);
	CHECK_INT(config.retention_ms, 1234);
	CHECK_INT(config.durability, LOG_DURABLE);
	CHECK_INT(create(&b, "b", -1, -1, "millrace.durability", "relaxed"), 0);
	log_topic_config(log_topic_find(b.store, MR_STR("b")), &config);
	CHECK_INT(config.durability, LOG_RELAXED);
	CHECK_INT(create(&b, "c", 1, 1, "message.timestamp.type", "LogAppendTime"), 0);
	log_topic_config(log_topic_find(b.store, MR_STR("c")), &config);
	CHECK(config.log_append_time);
	CHECK_INT(create(&b, "a", 1, 1, NULL, NULL), KE_TOPIC_ALREADY_EXISTS);
	CHECK_INT(create(&b, "a/b", 1, 1, NULL, NULL), KE_INVALID_TOPIC_EXCEPTION);
	CHECK_INT(create(&b, "..", 1, 1, NULL, NULL), KE_INVALID_TOPIC_EXCEPTION);
	CHECK_INT(create(&b, "d", 0, 1, NULL, NULL), KE_INVALID_PARTITIONS);
	CHECK_INT(create(&b, "d", LOG_PARTITIONS_MAX + 1, 1, NULL, NULL), KE_INVALID_PARTITIONS);
	CHECK_INT(create(&b, "d", 1, 3, NULL, NULL), KE_INVALID_REPLICATION_FACTOR);
	CHECK_INT(create(&b, "d", 1, 1, "cleanup.policy", "shred"), KE_INVALID_CONFIG);
	CHECK_INT(create(&b, "d", 1, 1, "retention.ms", "soon"), KE_INVALID_CONFIG);
	CHECK_INT(create(&b, "d", 1, 1, "retention.ms", "-2"), KE_INVALID_CONFIG);
	CHECK_INT(create(&b, "d", 1, 1, "unheard.of", "1"), KE_INVALID_CONFIG);
	CHECK(!log_topic_find(b.store, MR_STR("d")));
	bench_close(&b);
}

TEST(delete_topics_by_name_and_by_id)
{
	struct bench b;
	bench_open(&b, 0);
	bench_topic(&b, "a");
	struct delete_topics_topic by_id = {0};
	log_topic_id(bench_topic(&b, "b"), by_id.topic_id);
	struct delete_topics_request r = {.topics = {&by_id, 1}};
	static const int16_t codes[] = {0, KE_UNKNOWN_TOPIC_ID};
	for (int i = 0; i < 2; i++) {
		conn_feed(&b.conn, bench_frame(&b, API_DeleteTopics, 6, &r));
		const struct delete_topics_response *reply = bench_reply(&b, API_DeleteTopics, 6);
		CHECK_INT(reply->responses.items[0].error_code, codes[i]);
	}
	mr_str names[] = {MR_STR("a"), MR_STR("absent")};
	struct delete_topics_request by_name = {.topic_names = {names, 2}};
	conn_feed(&b.conn, bench_frame(&b, API_DeleteTopics, 5, &by_name));
	const struct delete_topics_response *reply = bench_reply(&b, API_DeleteTopics, 5);
	CHECK_INT(reply->responses.items[0].error_code, 0);
	CHECK_INT(reply->responses.items[1].error_code, KE_UNKNOWN_TOPIC_OR_PARTITION);
	CHECK(!log_topic_find(b.store, MR_STR("a")));
	bench_close(&b);
}

TEST(list_offsets_by_place_and_by_time)
{
	struct bench b;
	bench_open(&b, 0);
	bench_topic(&b, "t");
	conn_feed(&b.conn, produce_frame(&b, 9, -1, "t", 0, bench_batch(&b, 10, 10))); /* 1000 .. 1009 ms */
	bench_commit(&b);
	CHECK(produced(&b, 9));
	static const int64_t asked[][2] = {{-1, 10}, {-2, 0},   {-3, 9},   {-4, 0},   {-5, -1},
					   {0, 0},   {1004, 4}, {1009, 9}, {1010, -1}};
	for (size_t i = 0; i < MR_COUNT(asked); i++) {
		struct list_offsets_partition p = {.current_leader_epoch = -1, .timestamp = asked[i][0]};
		struct list_offsets_topic t = {.name = MR_STR("t"), .partitions = {&p, 1}};
		struct list_offsets_request r = {.replica_id = -1, .topics = {&t, 1}};
		for (int version = 1; version <= 11; version++) {
			conn_feed(&b.conn, bench_frame(&b, API_ListOffsets, version, &r));
			const struct list_offsets_response *reply = bench_reply(&b, API_ListOffsets, version);
			CHECK_INT(reply->topics.items[0].partitions.items[0].error_code, 0);
			CHECK_INT(reply->topics.items[0].partitions.items[0].offset, asked[i][1]);
		}
	}
	bench_close(&b);
}

TEST(fetch_waits_for_min_bytes_and_is_woken_by_its_partition_only)
{
	struct bench b;
	bench_open(&b, 0);
	bench_topic(&b, "t");
	bench_topic(&b, "other");
	mr_str batch = bench_batch(&b, 2, 100);
	conn_feed(&b.conn, fetch_frame(&b, 13, "t", 0, (int32_t)batch.len * 2));
	struct conn producer;
	conn_init(&producer, &b.core, bench_on_output);
	conn_feed(&producer, produce_frame(&b, 9, -1, "other", 0, batch));
	bench_commit(&b);
	CHECK(!fetched(&b, 13));
	conn_feed(&producer, produce_frame(&b, 9, -1, "t", 0, batch));
	bench_commit(&b);
	CHECK(!fetched(&b, 13)); /* half of what it wants */
	conn_feed(&producer, produce_frame(&b, 9, -1, "t", 0, batch));
	CHECK(!fetched(&b, 13)); /* appended, not stable */
	bench_commit(&b);
	const struct fetch_partition_reply *p = fetched(&b, 13);
	CHECK(p);
	CHECK_INT(p->records.bytes, batch.len * 2);
	CHECK_INT(p->high_watermark, 4);
	conn_release(&producer);
	bench_close(&b);
}

TEST(fetch_session_answers_only_what_moved)
{
	struct bench b;
	bench_open(&b, 0);
	struct fetch_partition part = {.current_leader_epoch = -1};
	struct fetch_topic t = {.topic = MR_STR("t"), .partitions = {&part, 1}};
	struct fetch_request in = {.rack_id = MR_STR(""), .topics = {&t, 1}};
	bench_topic(&b, "t");
	for (; in.session_epoch < 3; in.session_epoch++, in.topics.count = 0) {
		if (in.session_epoch == 2) {
			conn_feed(&b.conn, produce_frame(&b, 9, -1, "t", 0, bench_batch(&b, 2, 100)));
			bench_commit(&b);
			CHECK(produced(&b, 9));
		}
		conn_feed(&b.conn, bench_frame(&b, API_Fetch, 11, &in));
		const struct fetch_response *r = bench_reply(&b, API_Fetch, 11);
		CHECK_INT(r->topics.count, in.session_epoch != 1); /* all, silence, the records */
		in.session_id = r->session_id;
	}
	conn_feed(&b.conn, bench_frame(&b, API_Fetch, 11, (in.session_epoch = 9, &in)));
	CHECK_INT(((const struct fetch_response *)bench_reply(&b, API_Fetch, 11))->error_code,
		  KE_INVALID_FETCH_SESSION_EPOCH);
	bench_close(&b);
}

TEST(fetch_gives_the_whole_batch_that_holds_the_offset)
{
	struct bench b;
	bench_open(&b, 0);
	bench_topic(&b, "t");
	mr_str batch = bench_batch(&b, 10, 100);
	conn_feed(&b.conn, produce_frame(&b, 9, -1, "t", 0, batch));
	bench_commit(&b);
	CHECK(produced(&b, 9));
	for (int version = 4; version <= 18; version++) {
		conn_feed(&b.conn, fetch_frame(&b, version, "t", 7, 1));
		const struct fetch_partition_reply *p = fetched(&b, version);
		CHECK(p);
		CHECK_INT(p->error_code, 0);
		CHECK_INT(p->records.bytes, batch.len);
		CHECK(memcmp(p->records.items[0].bytes + 16, batch.ptr + 16, batch.len - 16) == 0);
	}
	conn_feed(&b.conn, fetch_frame(&b, 11, "t", 11, 1));
	CHECK_INT(fetched(&b, 11)->error_code, KE_OFFSET_OUT_OF_RANGE);
	conn_feed(&b.conn, fetch_frame(&b, 11, "absent", 0, 1));
	CHECK_INT(fetched(&b, 11)->error_code, KE_UNKNOWN_TOPIC_OR_PARTITION);
	conn_feed(&b.conn, fetch_frame(&b, 13, "absent", 0, 1));
	CHECK_INT(fetched(&b, 13)->error_code, KE_UNKNOWN_TOPIC_ID);
	bench_close(&b);
}

TEST(fetch_answers_what_there_is_when_its_time_is_over)
{
	struct bench b;
	bench_open(&b, 0);
	bench_topic(&b, "t");
	conn_feed(&b.conn, fetch_frame(&b, 11, "t", 0, 1));
	CHECK(b.conn.first && !b.conn.first->done);
	b.conn.first->timer.fire(&b.conn.first->timer);
	const struct fetch_partition_reply *p = fetched(&b, 11);
	CHECK(p);
	CHECK_INT(p->error_code, 0);
	CHECK_INT(p->records.bytes, 0);
	bench_close(&b);
}

struct stopper {
	struct loop_timer timer;
	struct loop *loop;
};

static void stop_loop(struct loop_timer *timer)
{
	loop_stop(MR_CONTAINER_OF(timer, struct stopper, timer)->loop);
}

TEST(connection_closed_while_it_waits_leaves_nothing_behind)
{
	struct bench b;
	bench_open(&b, 0);
	bench_topic(&b, "t");
	struct conn gone;
	conn_init(&gone, &b.core, bench_on_output);
	conn_feed(&gone, fetch_frame(&b, 11, "t", 0, 1));
	loop_timer_set(b.loop, &gone.first->timer, 1000);
	conn_release(&gone);
	/* Neither its timer nor its partition finds it any more. */
	struct stopper stopper = {.timer.fire = stop_loop, .loop = b.loop};
	loop_timer_set(b.loop, &stopper.timer, 5000);
	loop_run(b.loop);
	conn_feed(&b.conn, produce_frame(&b, 9, -1, "t", 0, bench_batch(&b, 1, 10)));
	bench_commit(&b);
	CHECK(produced(&b, 9));
	bench_close(&b);
}

TEST(connection_limits_what_waits)
{
	struct bench b;
	bench_open(&b, 0);
	bench_topic(&b, "t");
	for (int i = 0; i < 3 * KAFKA_IN_FLIGHT_MAX; i++)
		conn_feed(&b.conn, produce_frame(&b, 9, -1, "t", 0, bench_batch(&b, 1, 10)));
	CHECK_INT(b.conn.queued, KAFKA_IN_FLIGHT_MAX);
	CHECK(!conn_wants_input(&b.conn));
	for (int i = 0; i < 3 * KAFKA_IN_FLIGHT_MAX; i++) {
		const struct produce_partition_reply *p = produced(&b, 9);
		if (!p) {
			conn_pump(&b.conn);
			bench_commit(&b);
			p = produced(&b, 9);
		}
		CHECK(p);
		CHECK_INT(p->base_offset, i);
	}
	bench_close(&b);
}

/* ---- over a socket ---- */

TEST(server_stop_answers_polls_and_closes)
{
	struct kafka_fixture f;
	struct bench b = {.correlation = 1};
	char size[4], byte;
	kafka_fixture_start(&f, test_folder());
	kafka_fixture_topic(&f, "t", 1);
	b.store = f.store;
	mr_str poll = fetch_frame(&b, 11, "t", 0, 1);
	struct mr_error err;
	int fd;
	CHECK_OK(net_connect_tcp(f.address, &fd, &err), err);
	CHECK_INT(send(fd, poll.ptr, poll.len, 0), poll.len);
	struct kafka_api_stats apis[API_COUNT];
	CHECK_INT(kafka_server_api_stats(f.server, apis, API_COUNT), API_COUNT);
	struct kafka_stats stats = {0};
	while (stats.bytes_in < poll.len)
		kafka_server_stats(f.server, &stats);
	int64_t before = clock_mono_ms(env_linux()->clock);
	kafka_fixture_stop(&f);
	CHECK(clock_mono_ms(env_linux()->clock) - before < 1500);
	CHECK_INT(recv(fd, size, 4, MSG_WAITALL), 4);
	while (recv(fd, &byte, 1, 0) > 0)
		continue;
	close(fd);
	arena_release(&b.arena);
}
