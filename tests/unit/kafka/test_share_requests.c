/* Share groups over the wire: what other APIs answer of them, whose coordinator this is, renewed locks. */
#include "broker/group_config.h"
#include "kafka/bench.h"

static void *ask(struct bench *b, enum api_index index, int version, const void *request)
{
	conn_feed(&b->conn, bench_frame(b, index, version, request));
	void *reply = NULL;
	for (int round = 0; round < 10 && !(reply = bench_reply(b, index, version)); round++)
		bench_commit(b);
	CHECK(reply);
	return reply;
}

/* A share group "s" of one member that reads "t", from its beginning. */
static void open_with_group(struct bench *b)
{
	struct mr_error err;
	mr_str topic = MR_STR("t");
	struct config_change change = {MR_STR("share.auto.offset.reset"), CONFIG_SET, MR_STR("earliest")};
	bench_open(b, 0);
	(void)bench_topic(b, "t");
	CHECK_OK(
	    group_config_alter(broker_group_configs(b->broker), MR_STR("s"), &change, 1, false, false, &err),
	    err);
	struct share_group_heartbeat_request in = {
	    .group_id = MR_STR("s"), .member_id = MR_STR("m"), .subscribed_topic_names = {&topic, 1}};
	const struct share_group_heartbeat_response *r = ask(b, API_ShareGroupHeartbeat, 1, &in);
	CHECK_INT(r->error_code, KE_NONE);
}

static int16_t commit_from_outside(struct bench *b, int version)
{
	struct offset_commit_partition p = {.committed_offset = 3, .committed_leader_epoch = -1};
	struct offset_commit_topic t = {.name = MR_STR("t"), .partitions = {&p, 1}};
	log_topic_id(bench_topic(b, "t"), t.topic_id);
	struct offset_commit_request in = {.group_id = MR_STR("s"),
					   .generation_id_or_member_epoch = -1,
					   .member_id = MR_STR(""),
					   .topics = {&t, 1}};
	const struct offset_commit_response *r = ask(b, API_OffsetCommit, version, &in);
	return r->topics.items[0].partitions.items[0].error_code;
}

TEST(share_groups_are_no_consumer_groups)
{
	struct bench b;
	open_with_group(&b);
	mr_str name = MR_STR("s");
	for (int version = 2; version <= 10; version++)
		CHECK_INT(commit_from_outside(&b, version), KE_GROUP_ID_NOT_FOUND);
	struct offset_fetch_group group = {.group_id = name, .member_epoch = -1, .topics = {NULL, -1}};
	struct offset_fetch_request fetch = {.groups = {&group, 1}};
	const struct offset_fetch_response *fetched = ask(&b, API_OffsetFetch, 8, &fetch);
	CHECK_INT(fetched->groups.items[0].error_code, KE_NONE);
	CHECK_INT(fetched->groups.items[0].topics.count, 0);
	struct describe_groups_request describe = {.groups = {&name, 1}};
	const struct describe_groups_response *described = ask(&b, API_DescribeGroups, 6, &describe);
	CHECK_INT(described->groups.items[0].error_code, KE_GROUP_ID_NOT_FOUND);
	CHECK_STR(described->groups.items[0].error_message, "Group s is not a classic group.");
	described = ask(&b, API_DescribeGroups, 5, &describe);
	CHECK_INT(described->groups.items[0].error_code, KE_NONE);
	CHECK_STR(described->groups.items[0].group_state, "Dead");
	struct consumer_group_describe_request consumer = {.group_ids = {&name, 1}};
	const struct consumer_group_describe_response *consumers =
	    ask(&b, API_ConsumerGroupDescribe, 1, &consumer);
	CHECK_STR(consumers->groups.items[0].error_message, "Group s is not a consumer group.");
	bench_close(&b);
}

static int16_t find(struct bench *b, int version, const char *key)
{
	mr_str name = mr_str_from(key);
	struct find_coordinator_request in = {.key = name, .key_type = 2, .coordinator_keys = {&name, 1}};
	const struct find_coordinator_response *r = ask(b, API_FindCoordinator, version, &in);
	int16_t code = version < 4 ? r->error_code : r->coordinators.items[0].error_code;
	if (code == KE_NONE)
		CHECK_INT(r->coordinators.items[0].node_id, KAFKA_NODE_ID);
	return code;
}

TEST(share_states_have_a_coordinator)
{
	struct bench b;
	open_with_group(&b);
	CHECK_INT(find(&b, 6, "s:AbCdEfGhIjKlMnOpQrStUv:0"), KE_NONE);
	CHECK_INT(find(&b, 6, "a:b:AbCdEfGhIjKlMnOpQrStUv:17"), KE_NONE);
	for (int version = 1; version < 6; version++)
		CHECK_INT(find(&b, version, "s:AbCdEfGhIjKlMnOpQrStUv:0"), KE_INVALID_REQUEST);
	static const char *const bad[] = {"",
					  "s",
					  "s:0",
					  ":AbCdEfGhIjKlMnOpQrStUv:0",
					  "s:AbCdEfGhIjKlMnOpQrStUv:",
					  "s:AbCdEfGhIjKlMnOpQrStUv:-1",
					  "s:AbCdEfGhIjKlMnOpQrStU:0",
					  "s:AbCdEfGhIjK:MnOpQrStUv:0"};
	for (size_t i = 0; i < MR_COUNT(bad); i++)
		CHECK_INT(find(&b, 6, bad[i]), KE_INVALID_REQUEST);
	bench_close(&b);
}

/* ---- renewed locks ---- */

static const struct share_fetch_response *fetch(struct bench *b, int32_t epoch, int32_t max_bytes,
						bool renews)
{
	struct share_request_partition p = {0};
	struct share_request_topic t = {.partitions = {&p, 1}};
	log_topic_id(bench_topic(b, "t"), t.topic_id);
	struct share_fetch_request in = {
	    .group_id = MR_STR("s"),
	    .member_id = MR_STR("m"),
	    .share_session_epoch = epoch,
	    .max_bytes = max_bytes,
	    .max_records = max_bytes ? 10 : 0,
	    .batch_size = 10,
	    .is_renew_ack = renews,
	    .topics = {&t, 1},
	};
	return ask(b, API_ShareFetch, 2, &in);
}

static int16_t acknowledge(struct bench *b, int version, int32_t epoch, int64_t offset, int8_t type,
			   bool renews)
{
	struct share_ack_types batch = {offset, offset, {&type, 1}};
	struct share_request_partition p = {.acknowledgement_batches = {&batch, 1}};
	struct share_request_topic t = {.partitions = {&p, 1}};
	log_topic_id(bench_topic(b, "t"), t.topic_id);
	struct share_acknowledge_request in = {.group_id = MR_STR("s"),
					       .member_id = MR_STR("m"),
					       .share_session_epoch = epoch,
					       .is_renew_ack = renews,
					       .topics = {&t, 1}};
	const struct share_acknowledge_response *r = ask(b, API_ShareAcknowledge, version, &in);
	CHECK_INT(r->error_code, KE_NONE);
	return r->responses.items[0].partitions.items[0].error_code;
}

TEST(share_locks_are_renewed_by_who_says_so)
{
	struct bench b;
	struct mr_error err;
	struct log_append append;
	struct config_change change = {MR_STR("share.renew.acknowledge.enable"), CONFIG_SET, MR_STR("false")};
	open_with_group(&b);
	CHECK_OK(log_append(log_partition_at(bench_topic(&b, "t"), 0), bench_batch(&b, 5, 10), &append, &err),
		 err);
	bench_commit(&b);
	CHECK_INT(fetch(&b, 0, 1 << 20, true)->error_code, KE_INVALID_REQUEST);
	const struct share_fetch_response *r = fetch(&b, 0, 1 << 20, false);
	CHECK_INT(r->error_code, KE_NONE);
	CHECK_INT(r->responses.items[0].partitions.items[0].acquired_records.items[0].last_offset, 4);
	CHECK_INT(acknowledge(&b, 2, 1, 0, SHARE_RENEW, true), KE_NONE);
	CHECK_INT(acknowledge(&b, 2, 2, 0, SHARE_RENEW, false), KE_INVALID_REQUEST);
	CHECK_INT(acknowledge(&b, 1, 3, 0, SHARE_RENEW, false), KE_INVALID_REQUEST);
	CHECK_OK(
	    group_config_alter(broker_group_configs(b.broker), MR_STR("s"), &change, 1, false, false, &err),
	    err);
	CHECK_INT(acknowledge(&b, 2, 4, 0, SHARE_RENEW, true), KE_INVALID_RECORD_STATE);
	CHECK_INT(acknowledge(&b, 2, 5, 0, SHARE_ACCEPT, true), KE_NONE);
	bench_close(&b);
}
