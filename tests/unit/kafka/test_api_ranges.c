/* What is served against what a broker of Kafka 4.2 serves to clients: no version may go missing. */
#include "kafka/bench.h"

/* Key, name, first and last version, first flexible one. (Kafka's message definitions; Produce begins at
 * 0 in what Kafka advertises, too.) */
static const struct {
	int16_t key;
	const char *name;
	int16_t min, max, flexible;
} kafka[] = {
    {0, "Produce", 0, 13, 9},
    {1, "Fetch", 4, 18, 12},
    {2, "ListOffsets", 1, 11, 6},
    {3, "Metadata", 0, 13, 9},
    {8, "OffsetCommit", 2, 10, 8},
    {9, "OffsetFetch", 1, 10, 6},
    {10, "FindCoordinator", 0, 6, 3},
    {11, "JoinGroup", 0, 9, 6},
    {12, "Heartbeat", 0, 4, 4},
    {13, "LeaveGroup", 0, 5, 4},
    {14, "SyncGroup", 0, 5, 4},
    {15, "DescribeGroups", 0, 6, 5},
    {16, "ListGroups", 0, 5, 3},
    {17, "SaslHandshake", 0, 1, API_NEVER_FLEXIBLE},
    {18, "ApiVersions", 0, 4, 3},
    {19, "CreateTopics", 2, 7, 5},
    {20, "DeleteTopics", 1, 6, 4},
    {21, "DeleteRecords", 0, 2, 2},
    {22, "InitProducerId", 0, 5, 2},
    {23, "OffsetForLeaderEpoch", 2, 4, 4},
    {24, "AddPartitionsToTxn", 0, 5, 3},
    {25, "AddOffsetsToTxn", 0, 4, 3},
    {26, "EndTxn", 0, 5, 3},
    {27, "WriteTxnMarkers", 1, 2, 1},
    {28, "TxnOffsetCommit", 0, 5, 3},
    {29, "DescribeAcls", 1, 3, 2},
    {30, "CreateAcls", 1, 3, 2},
    {31, "DeleteAcls", 1, 3, 2},
    {32, "DescribeConfigs", 1, 4, 4},
    {33, "AlterConfigs", 0, 2, 2},
    {35, "DescribeLogDirs", 1, 4, 2},
    {36, "SaslAuthenticate", 0, 2, 2},
    {37, "CreatePartitions", 0, 3, 2},
    {42, "DeleteGroups", 0, 2, 2},
    {44, "IncrementalAlterConfigs", 0, 1, 1},
    {46, "ListPartitionReassignments", 0, 0, 0},
    {47, "OffsetDelete", 0, 0, API_NEVER_FLEXIBLE},
    {48, "DescribeClientQuotas", 0, 1, 1},
    {49, "AlterClientQuotas", 0, 1, 1},
    {50, "DescribeUserScramCredentials", 0, 0, 0},
    {51, "AlterUserScramCredentials", 0, 0, 0},
    {60, "DescribeCluster", 0, 2, 0},
    {61, "DescribeProducers", 0, 0, 0},
    {65, "DescribeTransactions", 0, 0, 0},
    {66, "ListTransactions", 0, 2, 0},
    {68, "ConsumerGroupHeartbeat", 0, 1, 0},
    {69, "ConsumerGroupDescribe", 0, 1, 0},
    {75, "DescribeTopicPartitions", 0, 0, 0},
    {76, "ShareGroupHeartbeat", 1, 1, 0},
    {77, "ShareGroupDescribe", 1, 1, 0},
    {78, "ShareFetch", 1, 2, 0},
    {79, "ShareAcknowledge", 1, 2, 0},
    {90, "DescribeShareGroupOffsets", 0, 1, 0},
    {91, "AlterShareGroupOffsets", 0, 0, 0},
    {92, "DeleteShareGroupOffsets", 0, 0, 0},
};

TEST(every_version_of_kafka_is_served)
{
	for (size_t i = 0; i < MR_COUNT(kafka); i++) {
		const struct api *a = kafka_api_find(kafka[i].key);
		if (!a)
			test_fail(__FILE__, __LINE__, "%s (%d) is not served", kafka[i].name, kafka[i].key);
		CHECK_STR(mr_str_from(a->name), kafka[i].name);
		if (a->min > kafka[i].min || a->max < kafka[i].max || a->flexible != kafka[i].flexible)
			test_fail(__FILE__, __LINE__, "%s is served from %d to %d, flexible from %d", a->name,
				  a->min, a->max, a->flexible);
	}
	CHECK_INT(API_COUNT, MR_COUNT(kafka)); /* what comes newly belongs into the table */
}

/* What a client reads of it, in every form of the answer. */
TEST(every_version_of_kafka_is_advertised)
{
	struct bench b;
	bench_open(&b, 0);
	for (int version = 0; version <= 4; version++) {
		struct api_versions_request in = {MR_STR("test"), MR_STR("1")};
		conn_feed(&b.conn, bench_frame(&b, API_ApiVersions, version, &in));
		const struct api_versions_response *r = bench_reply(&b, API_ApiVersions, version);
		CHECK(r);
		CHECK_INT(r->api_keys.count, MR_COUNT(kafka));
		for (size_t i = 0; i < MR_COUNT(kafka); i++) {
			CHECK_INT(r->api_keys.items[i].api_key, kafka[i].key);
			CHECK(r->api_keys.items[i].min_version <= kafka[i].min);
			CHECK(r->api_keys.items[i].max_version >= kafka[i].max);
		}
	}
	bench_close(&b);
}

/* A request that says nothing beyond the defaults, at every version: it is answered, in words that the
 * version has, and the connection goes on. */
TEST(every_version_of_kafka_is_answered)
{
	for (size_t i = 0; i < API_COUNT; i++) {
		const struct api *a = &kafka_apis[i];
		struct bench b;
		if (i == API_SaslAuthenticate)
			continue; /* a failed log-in is answered late, and ends the connection */
		bench_open(&b, 0);
		for (int version = a->min; version <= a->max; version++) {
			void *request = arena_calloc(&b.arena, 1, a->request->size);
			const void *reply = NULL;
			wire_defaults(a->request, request);
			if (i == API_Produce)
				((struct produce_request *)request)->acks = -1; /* 0 asks for no answer */
			conn_feed(&b.conn, bench_frame(&b, (enum api_index)i, version, request));
			for (int round = 0; round < 8; round++) {
				reply = bench_reply(&b, (enum api_index)i, version);
				if (reply)
					break;
				bench_commit(&b);
			}
			if (!reply)
				test_fail(__FILE__, __LINE__, "%s version %d is not answered", a->name,
					  version);
		}
		bench_close(&b);
	}
}
