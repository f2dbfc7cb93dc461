/* kafka/messages_txn.h - the messages of transactions, as C structs: see messages.h. */
#pragma once

#include "kafka/wire.h"

struct txn_topic { /* of several messages: a topic and some of its partitions */
	mr_str name;
	WIRE_ARRAY(int32_t) partitions;
};
struct txn_partition_result {
	int32_t partition_index;
	int16_t error_code;
};
struct txn_topic_result {
	mr_str name;
	WIRE_ARRAY(struct txn_partition_result) partitions;
};

/* ---- AddPartitionsToTxn (24) ---- */
struct add_partitions_to_txn_transaction {
	mr_str transactional_id;
	int64_t producer_id;
	int16_t producer_epoch;
	bool verify_only;
	WIRE_ARRAY(struct txn_topic) topics;
};
struct add_partitions_to_txn_request {
	WIRE_ARRAY(struct add_partitions_to_txn_transaction) transactions; /* from version 4 */
	mr_str transactional_id;                                           /* up to version 3 */
	int64_t producer_id;
	int16_t producer_epoch;
	WIRE_ARRAY(struct txn_topic) topics;
};
struct add_partitions_to_txn_result {
	mr_str transactional_id;
	WIRE_ARRAY(struct txn_topic_result) topics;
};
struct add_partitions_to_txn_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	WIRE_ARRAY(struct add_partitions_to_txn_result) transactions;
	WIRE_ARRAY(struct txn_topic_result) topics;
};

/* ---- AddOffsetsToTxn (25) ---- */
struct add_offsets_to_txn_request {
	mr_str transactional_id;
	int64_t producer_id;
	int16_t producer_epoch;
	mr_str group_id;
};
struct add_offsets_to_txn_response {
	int32_t throttle_time_ms;
	int16_t error_code;
};

/* ---- EndTxn (26) ---- */
struct end_txn_request {
	mr_str transactional_id;
	int64_t producer_id;
	int16_t producer_epoch;
	bool committed;
};
struct end_txn_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	int64_t producer_id;
	int16_t producer_epoch;
};

/* ---- WriteTxnMarkers (27) ---- */
struct write_txn_markers_marker {
	int64_t producer_id;
	int16_t producer_epoch;
	bool transaction_result;
	WIRE_ARRAY(struct txn_topic) topics;
	int32_t coordinator_epoch;
	int8_t transaction_version;
};
struct write_txn_markers_request {
	WIRE_ARRAY(struct write_txn_markers_marker) markers;
};
struct write_txn_markers_result {
	int64_t producer_id;
	WIRE_ARRAY(struct txn_topic_result) topics;
};
struct write_txn_markers_response {
	WIRE_ARRAY(struct write_txn_markers_result) markers;
};

/* ---- TxnOffsetCommit (28) ---- */
struct txn_offset_commit_partition {
	int32_t partition_index;
	int64_t committed_offset;
	int32_t committed_leader_epoch;
	mr_str committed_metadata;
};
struct txn_offset_commit_topic {
	mr_str name;
	WIRE_ARRAY(struct txn_offset_commit_partition) partitions;
};
struct txn_offset_commit_request {
	mr_str transactional_id;
	mr_str group_id;
	int64_t producer_id;
	int16_t producer_epoch;
	int32_t generation_id;
	mr_str member_id;
	mr_str group_instance_id;
	WIRE_ARRAY(struct txn_offset_commit_topic) topics;
};
struct txn_offset_commit_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct txn_topic_result) topics;
};

/* ---- DescribeProducers (61) ---- */
struct describe_producers_request {
	WIRE_ARRAY(struct txn_topic) topics;
};
struct describe_producers_producer {
	int64_t producer_id;
	int32_t producer_epoch;
	int32_t last_sequence;
	int64_t last_timestamp;
	int32_t coordinator_epoch;
	int64_t current_txn_start_offset;
};
struct describe_producers_partition {
	int32_t partition_index;
	int16_t error_code;
	mr_str error_message;
	WIRE_ARRAY(struct describe_producers_producer) active_producers;
};
struct describe_producers_topic {
	mr_str name;
	WIRE_ARRAY(struct describe_producers_partition) partitions;
};
struct describe_producers_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct describe_producers_topic) topics;
};

/* ---- DescribeTransactions (65) ---- */
struct describe_transactions_request {
	WIRE_ARRAY(mr_str) transactional_ids;
};
struct describe_transactions_state {
	int16_t error_code;
	mr_str transactional_id;
	mr_str transaction_state;
	int32_t transaction_timeout_ms;
	int64_t transaction_start_time_ms;
	int64_t producer_id;
	int16_t producer_epoch;
	WIRE_ARRAY(struct txn_topic) topics;
};
struct describe_transactions_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct describe_transactions_state) transaction_states;
};

/* ---- ListTransactions (66) ---- */
struct list_transactions_request {
	WIRE_ARRAY(mr_str) state_filters;
	WIRE_ARRAY(int64_t) producer_id_filters;
	int64_t duration_filter_ms;
	mr_str transactional_id_pattern;
};
struct list_transactions_state {
	mr_str transactional_id;
	int64_t producer_id;
	mr_str transaction_state;
};
struct list_transactions_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	WIRE_ARRAY(mr_str) unknown_state_filters;
	WIRE_ARRAY(struct list_transactions_state) transaction_states;
};
