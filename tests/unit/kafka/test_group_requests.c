/* Requests of consumer groups whose answers wait for the log, over a log whose commits the test makes itself.
 */
#include "kafka/bench.h"
#include "kafka/errors.h"

static mr_str join(struct bench *b)
{
	struct join_group_protocol range = {MR_STR("range"), MR_STR("m")};
	struct join_group_request r = {.group_id = MR_STR("g"),
				       .session_timeout_ms = 30000,
				       .rebalance_timeout_ms = 30000,
				       .member_id = MR_STR(""),
				       .protocol_type = MR_STR("consumer"),
				       .protocols = {&range, 1}};
	return bench_frame(b, API_JoinGroup, 3, &r);
}

static mr_str sync_as_leader(struct bench *b, const struct join_group_response *joined)
{
	struct sync_group_assignment mine = {joined->member_id, MR_STR("all")};
	struct sync_group_request r = {.group_id = MR_STR("g"),
				       .generation_id = joined->generation_id,
				       .member_id = joined->member_id,
				       .assignments = {&mine, 1}};
	return bench_frame(b, API_SyncGroup, 3, &r);
}

static const struct join_group_response *joined(struct bench *b)
{
	conn_feed(&b->conn, join(b));
	bench_commit(b);
	const struct join_group_response *r = bench_reply(b, API_JoinGroup, 3);
	CHECK(r);
	CHECK_INT(r->error_code, KE_NONE);
	return r;
}

TEST(sync_group_answers_when_its_generation_is_safe)
{
	struct bench b;
	bench_open(&b, 0);
	conn_feed(&b.conn, sync_as_leader(&b, joined(&b)));
	CHECK(!bench_reply(&b, API_SyncGroup, 3));
	bench_commit(&b);
	const struct sync_group_response *r = bench_reply(&b, API_SyncGroup, 3);
	CHECK(r);
	CHECK_INT(r->error_code, KE_NONE);
	CHECK_STR(r->assignment, "all");
	bench_close(&b);
}

/* What Kafka says too: the assignment would be taken back at once. */
TEST(sync_group_overtaken_by_a_join_says_so)
{
	struct bench b;
	struct conn other;
	bench_open(&b, 0);
	conn_init(&other, &b.core, bench_on_output);
	conn_feed(&b.conn, sync_as_leader(&b, joined(&b)));
	conn_feed(&other, join(&b)); /* while the generation is being written */
	bench_commit(&b);
	const struct sync_group_response *r = bench_reply(&b, API_SyncGroup, 3);
	CHECK(r);
	CHECK_INT(r->error_code, KE_REBALANCE_IN_PROGRESS);
	CHECK_INT(r->assignment.len, 0);
	conn_release(&other);
	bench_close(&b);
}
