/* kafka/schema_txn.c - which version of the transactions' messages carries which field. (Kafka's message
 * definitions, AddPartitionsToTxnRequest.json and so on.) */
#include "kafka/messages.h"
#include "kafka/schema_rules.h"

#define THIS txn_topic
static const struct wire_field txn_topic_fields[] = {
    F(STRING, name, 0, ALL),
    A(INT32, partitions, 0, ALL),
};
CHILD(txn_topic);
#undef THIS

#define THIS txn_partition_result
static const struct wire_field txn_partition_result_fields[] = {
    F(INT32, partition_index, 0, ALL),
    F(INT16, error_code, 0, ALL),
};
CHILD(txn_partition_result);
#undef THIS

#define THIS txn_topic_result
static const struct wire_field txn_topic_result_fields[] = {
    F(STRING, name, 0, ALL),
    AS(txn_partition_result, partitions, 0, ALL),
};
CHILD(txn_topic_result);
#undef THIS

/* ---- AddPartitionsToTxn ---- */

#define THIS add_partitions_to_txn_transaction
static const struct wire_field add_partitions_to_txn_transaction_fields[] = {
    F(STRING, transactional_id, 4, ALL), F(INT64, producer_id, 4, ALL), F(INT16, producer_epoch, 4, ALL),
    F(BOOL, verify_only, 4, ALL),        AS(txn_topic, topics, 4, ALL),
};
CHILD(add_partitions_to_txn_transaction);
#undef THIS

#define THIS add_partitions_to_txn_request
static const struct wire_field add_partitions_to_txn_request_fields[] = {
    AS(add_partitions_to_txn_transaction, transactions, 4, ALL),
    F(STRING, transactional_id, 0, 3),
    F(INT64, producer_id, 0, 3),
    F(INT16, producer_epoch, 0, 3),
    AS(txn_topic, topics, 0, 3),
};
MESSAGE(add_partitions_to_txn_request);
#undef THIS

#define THIS add_partitions_to_txn_result
static const struct wire_field add_partitions_to_txn_result_fields[] = {
    F(STRING, transactional_id, 4, ALL),
    AS(txn_topic_result, topics, 4, ALL),
};
CHILD(add_partitions_to_txn_result);
#undef THIS

#define THIS add_partitions_to_txn_response
static const struct wire_field add_partitions_to_txn_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 4, ALL),
    AS(add_partitions_to_txn_result, transactions, 4, ALL),
    AS(txn_topic_result, topics, 0, 3),
};
MESSAGE(add_partitions_to_txn_response);
#undef THIS

/* ---- AddOffsetsToTxn ---- */

#define THIS add_offsets_to_txn_request
static const struct wire_field add_offsets_to_txn_request_fields[] = {
    F(STRING, transactional_id, 0, ALL),
    F(INT64, producer_id, 0, ALL),
    F(INT16, producer_epoch, 0, ALL),
    F(STRING, group_id, 0, ALL),
};
MESSAGE(add_offsets_to_txn_request);
#undef THIS

#define THIS add_offsets_to_txn_response
static const struct wire_field add_offsets_to_txn_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 0, ALL),
};
MESSAGE(add_offsets_to_txn_response);
#undef THIS

/* ---- EndTxn ---- */

#define THIS end_txn_request
static const struct wire_field end_txn_request_fields[] = {
    F(STRING, transactional_id, 0, ALL),
    F(INT64, producer_id, 0, ALL),
    F(INT16, producer_epoch, 0, ALL),
    F(BOOL, committed, 0, ALL),
};
MESSAGE(end_txn_request);
#undef THIS

#define THIS end_txn_response
static const struct wire_field end_txn_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FD(INT64, producer_id, 5, ALL, -1),
    FD(INT16, producer_epoch, 5, ALL, -1),
};
MESSAGE(end_txn_response);
#undef THIS

/* ---- WriteTxnMarkers ---- */

#define THIS write_txn_markers_marker
static const struct wire_field write_txn_markers_marker_fields[] = {
    F(INT64, producer_id, 0, ALL), F(INT16, producer_epoch, 0, ALL),    F(BOOL, transaction_result, 0, ALL),
    AS(txn_topic, topics, 0, ALL), F(INT32, coordinator_epoch, 0, ALL), F(INT8, transaction_version, 2, ALL),
};
CHILD(write_txn_markers_marker);
#undef THIS

#define THIS write_txn_markers_request
static const struct wire_field write_txn_markers_request_fields[] = {
    AS(write_txn_markers_marker, markers, 0, ALL),
};
MESSAGE(write_txn_markers_request);
#undef THIS

#define THIS write_txn_markers_result
static const struct wire_field write_txn_markers_result_fields[] = {
    F(INT64, producer_id, 0, ALL),
    AS(txn_topic_result, topics, 0, ALL),
};
CHILD(write_txn_markers_result);
#undef THIS

#define THIS write_txn_markers_response
static const struct wire_field write_txn_markers_response_fields[] = {
    AS(write_txn_markers_result, markers, 0, ALL),
};
MESSAGE(write_txn_markers_response);
#undef THIS

/* ---- TxnOffsetCommit ---- */

#define THIS txn_offset_commit_partition
static const struct wire_field txn_offset_commit_partition_fields[] = {
    F(INT32, partition_index, 0, ALL),
    F(INT64, committed_offset, 0, ALL),
    FD(INT32, committed_leader_epoch, 2, ALL, -1),
    FN(STRING, committed_metadata, 0, ALL, 0),
};
CHILD(txn_offset_commit_partition);
#undef THIS

#define THIS txn_offset_commit_topic
static const struct wire_field txn_offset_commit_topic_fields[] = {
    F(STRING, name, 0, ALL),
    AS(txn_offset_commit_partition, partitions, 0, ALL),
};
CHILD(txn_offset_commit_topic);
#undef THIS

#define THIS txn_offset_commit_request
static const struct wire_field txn_offset_commit_request_fields[] = {
    F(STRING, transactional_id, 0, ALL),
    F(STRING, group_id, 0, ALL),
    F(INT64, producer_id, 0, ALL),
    F(INT16, producer_epoch, 0, ALL),
    FD(INT32, generation_id, 3, ALL, -1),
    F(STRING, member_id, 3, ALL),
    FN(STRING, group_instance_id, 3, ALL, 3),
    AS(txn_offset_commit_topic, topics, 0, ALL),
};
MESSAGE(txn_offset_commit_request);
#undef THIS

#define THIS txn_offset_commit_response
static const struct wire_field txn_offset_commit_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(txn_topic_result, topics, 0, ALL),
};
MESSAGE(txn_offset_commit_response);
#undef THIS

/* ---- DescribeProducers ---- */

#define THIS describe_producers_request
static const struct wire_field describe_producers_request_fields[] = {
    AS(txn_topic, topics, 0, ALL),
};
MESSAGE(describe_producers_request);
#undef THIS

#define THIS describe_producers_producer
static const struct wire_field describe_producers_producer_fields[] = {
    F(INT64, producer_id, 0, ALL),        F(INT32, producer_epoch, 0, ALL),
    FD(INT32, last_sequence, 0, ALL, -1), FD(INT64, last_timestamp, 0, ALL, -1),
    F(INT32, coordinator_epoch, 0, ALL),  FD(INT64, current_txn_start_offset, 0, ALL, -1),
};
CHILD(describe_producers_producer);
#undef THIS

#define THIS describe_producers_partition
static const struct wire_field describe_producers_partition_fields[] = {
    F(INT32, partition_index, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    AS(describe_producers_producer, active_producers, 0, ALL),
};
CHILD(describe_producers_partition);
#undef THIS

#define THIS describe_producers_topic
static const struct wire_field describe_producers_topic_fields[] = {
    F(STRING, name, 0, ALL),
    AS(describe_producers_partition, partitions, 0, ALL),
};
CHILD(describe_producers_topic);
#undef THIS

#define THIS describe_producers_response
static const struct wire_field describe_producers_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(describe_producers_topic, topics, 0, ALL),
};
MESSAGE(describe_producers_response);
#undef THIS

/* ---- DescribeTransactions ---- */

#define THIS describe_transactions_request
static const struct wire_field describe_transactions_request_fields[] = {
    A(STRING, transactional_ids, 0, ALL),
};
MESSAGE(describe_transactions_request);
#undef THIS

#define THIS describe_transactions_state
static const struct wire_field describe_transactions_state_fields[] = {
    F(INT16, error_code, 0, ALL),
    F(STRING, transactional_id, 0, ALL),
    F(STRING, transaction_state, 0, ALL),
    F(INT32, transaction_timeout_ms, 0, ALL),
    F(INT64, transaction_start_time_ms, 0, ALL),
    F(INT64, producer_id, 0, ALL),
    F(INT16, producer_epoch, 0, ALL),
    AS(txn_topic, topics, 0, ALL),
};
CHILD(describe_transactions_state);
#undef THIS

#define THIS describe_transactions_response
static const struct wire_field describe_transactions_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(describe_transactions_state, transaction_states, 0, ALL),
};
MESSAGE(describe_transactions_response);
#undef THIS

/* ---- ListTransactions ---- */

#define THIS list_transactions_request
static const struct wire_field list_transactions_request_fields[] = {
    A(STRING, state_filters, 0, ALL),
    A(INT64, producer_id_filters, 0, ALL),
    FD(INT64, duration_filter_ms, 1, ALL, -1),
    FN(STRING, transactional_id_pattern, 2, ALL, 2),
};
MESSAGE(list_transactions_request);
#undef THIS

#define THIS list_transactions_state
static const struct wire_field list_transactions_state_fields[] = {
    F(STRING, transactional_id, 0, ALL),
    F(INT64, producer_id, 0, ALL),
    F(STRING, transaction_state, 0, ALL),
};
CHILD(list_transactions_state);
#undef THIS

#define THIS list_transactions_response
static const struct wire_field list_transactions_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 0, ALL),
    A(STRING, unknown_state_filters, 0, ALL),
    AS(list_transactions_state, transaction_states, 0, ALL),
};
MESSAGE(list_transactions_response);
#undef THIS
