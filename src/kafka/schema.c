/* kafka/schema.c - the messages of producing, fetching and topics as tables; schema_<subject>.c
 * has those of the other subjects, schema_rules.h the words they are written in. */
#include "kafka/messages.h"
#include "kafka/schema_rules.h"

/* ---- shared ---- */

#define THIS leader_and_epoch
static const struct wire_field leader_and_epoch_fields[] = {
    FD(INT32, leader_id, 0, ALL, -1),
    FD(INT32, leader_epoch, 0, ALL, -1),
};
CHILD(leader_and_epoch);
#undef THIS

#define THIS node_endpoint
static const struct wire_field node_endpoint_fields[] = {
    F(INT32, node_id, 0, ALL),
    F(STRING, host, 0, ALL),
    F(INT32, port, 0, ALL),
    FN(STRING, rack, 0, ALL, 0),
};
CHILD(node_endpoint);
#undef THIS

/* ---- Produce ---- */

#define THIS produce_partition
static const struct wire_field produce_partition_fields[] = {
    F(INT32, index, 0, ALL),
    FN(RECORDS, records, 0, ALL, 0),
};
CHILD(produce_partition);
#undef THIS

#define THIS produce_topic
static const struct wire_field produce_topic_fields[] = {
    F(STRING, name, 0, 12),
    F(UUID, topic_id, 13, ALL),
    AS(produce_partition, partitions, 0, ALL),
};
CHILD(produce_topic);
#undef THIS

#define THIS produce_request
static const struct wire_field produce_request_fields[] = {
    FN(STRING, transactional_id, 3, ALL, 3),
    F(INT16, acks, 0, ALL),
    F(INT32, timeout_ms, 0, ALL),
    AS(produce_topic, topics, 0, ALL),
};
MESSAGE(produce_request);
#undef THIS

#define THIS produce_record_error
static const struct wire_field produce_record_error_fields[] = {
    F(INT32, batch_index, 8, ALL),
    FN(STRING, message, 8, ALL, 8),
};
CHILD(produce_record_error);
#undef THIS

#define THIS produce_partition_reply
static const struct wire_field produce_partition_reply_fields[] = {
    F(INT32, index, 0, ALL),
    F(INT16, error_code, 0, ALL),
    F(INT64, base_offset, 0, ALL),
    FD(INT64, log_append_time_ms, 2, ALL, -1),
    FD(INT64, log_start_offset, 5, ALL, -1),
    AS(produce_record_error, record_errors, 8, ALL),
    FN(STRING, error_message, 8, ALL, 8),
    TS(0, leader_and_epoch, current_leader, 10),
};
CHILD(produce_partition_reply);
#undef THIS

#define THIS produce_topic_reply
static const struct wire_field produce_topic_reply_fields[] = {
    F(STRING, name, 0, 12),
    F(UUID, topic_id, 13, ALL),
    AS(produce_partition_reply, partitions, 0, ALL),
};
CHILD(produce_topic_reply);
#undef THIS

#define THIS produce_response
static const struct wire_field produce_response_fields[] = {
    AS(produce_topic_reply, topics, 0, ALL),
    F(INT32, throttle_time_ms, 1, ALL),
    TAS(0, node_endpoint, node_endpoints, 10),
};
MESSAGE(produce_response);
#undef THIS

/* ---- Fetch ---- */

#define THIS fetch_replica_state
static const struct wire_field fetch_replica_state_fields[] = {
    FD(INT32, replica_id, 15, ALL, -1),
    FD(INT64, replica_epoch, 15, ALL, -1),
};
CHILD(fetch_replica_state);
#undef THIS

#define THIS fetch_partition
static const struct wire_field fetch_partition_fields[] = {
    F(INT32, partition, 0, ALL),
    FD(INT32, current_leader_epoch, 9, ALL, -1),
    F(INT64, fetch_offset, 0, ALL),
    FD(INT32, last_fetched_epoch, 12, ALL, -1),
    FD(INT64, log_start_offset, 5, ALL, -1),
    F(INT32, partition_max_bytes, 0, ALL),
    TF(0, UUID, replica_directory_id, 17, 0),
    TF(1, INT64, high_watermark, 18, INT64_MAX),
};
CHILD(fetch_partition);
#undef THIS

#define THIS fetch_topic
static const struct wire_field fetch_topic_fields[] = {
    F(STRING, topic, 0, 12),
    F(UUID, topic_id, 13, ALL),
    AS(fetch_partition, partitions, 0, ALL),
};
CHILD(fetch_topic);
#undef THIS

#define THIS fetch_forgotten_topic
static const struct wire_field fetch_forgotten_topic_fields[] = {
    F(STRING, topic, 7, 12),
    F(UUID, topic_id, 13, ALL),
    A(INT32, partitions, 7, ALL),
};
CHILD(fetch_forgotten_topic);
#undef THIS

#define THIS fetch_request
static const struct wire_field fetch_request_fields[] = {
    TFN(0, STRING, cluster_id, 12),
    FD(INT32, replica_id, 0, 14, -1),
    TS(1, fetch_replica_state, replica_state, 15),
    F(INT32, max_wait_ms, 0, ALL),
    F(INT32, min_bytes, 0, ALL),
    FD(INT32, max_bytes, 3, ALL, INT32_MAX),
    F(INT8, isolation_level, 4, ALL),
    F(INT32, session_id, 7, ALL),
    FD(INT32, session_epoch, 7, ALL, -1),
    AS(fetch_topic, topics, 0, ALL),
    AS(fetch_forgotten_topic, forgotten_topics, 7, ALL),
    F(STRING, rack_id, 11, ALL),
};
MESSAGE(fetch_request);
#undef THIS

#define THIS fetch_epoch_end
static const struct wire_field fetch_epoch_end_fields[] = {
    FD(INT32, epoch, 12, ALL, -1),
    FD(INT64, end_offset, 12, ALL, -1),
};
CHILD(fetch_epoch_end);
#undef THIS

#define THIS fetch_snapshot_id
static const struct wire_field fetch_snapshot_id_fields[] = {
    FD(INT64, end_offset, 0, ALL, -1),
    FD(INT32, epoch, 0, ALL, -1),
};
CHILD(fetch_snapshot_id);
#undef THIS

#define THIS fetch_aborted
static const struct wire_field fetch_aborted_fields[] = {
    F(INT64, producer_id, 4, ALL),
    F(INT64, first_offset, 4, ALL),
};
CHILD(fetch_aborted);
#undef THIS

#define THIS fetch_partition_reply
static const struct wire_field fetch_partition_reply_fields[] = {
    F(INT32, partition, 0, ALL),
    F(INT16, error_code, 0, ALL),
    F(INT64, high_watermark, 0, ALL),
    FD(INT64, last_stable_offset, 4, ALL, -1),
    FD(INT64, log_start_offset, 5, ALL, -1),
    TS(0, fetch_epoch_end, diverging_epoch, 12),
    TS(1, leader_and_epoch, current_leader, 12),
    TS(2, fetch_snapshot_id, snapshot_id, 12),
    ASN(fetch_aborted, aborted_transactions, 4, ALL, 4),
    FD(INT32, preferred_read_replica, 11, ALL, -1),
    FN(PIECES, records, 0, ALL, 0),
};
CHILD(fetch_partition_reply);
#undef THIS

#define THIS fetch_topic_reply
static const struct wire_field fetch_topic_reply_fields[] = {
    F(STRING, topic, 0, 12),
    F(UUID, topic_id, 13, ALL),
    AS(fetch_partition_reply, partitions, 0, ALL),
};
CHILD(fetch_topic_reply);
#undef THIS

#define THIS fetch_response
static const struct wire_field fetch_response_fields[] = {
    F(INT32, throttle_time_ms, 1, ALL),
    F(INT16, error_code, 7, ALL),
    F(INT32, session_id, 7, ALL),
    AS(fetch_topic_reply, topics, 0, ALL),
    TAS(0, node_endpoint, node_endpoints, 16),
};
MESSAGE(fetch_response);
#undef THIS

/* ---- ListOffsets ---- */

#define THIS list_offsets_partition
static const struct wire_field list_offsets_partition_fields[] = {
    F(INT32, partition, 0, ALL),
    FD(INT32, current_leader_epoch, 4, ALL, -1),
    F(INT64, timestamp, 0, ALL),
};
CHILD(list_offsets_partition);
#undef THIS

#define THIS list_offsets_topic
static const struct wire_field list_offsets_topic_fields[] = {
    F(STRING, name, 0, ALL),
    AS(list_offsets_partition, partitions, 0, ALL),
};
CHILD(list_offsets_topic);
#undef THIS

#define THIS list_offsets_request
static const struct wire_field list_offsets_request_fields[] = {
    F(INT32, replica_id, 0, ALL),
    F(INT8, isolation_level, 2, ALL),
    AS(list_offsets_topic, topics, 0, ALL),
    F(INT32, timeout_ms, 10, ALL),
};
MESSAGE(list_offsets_request);
#undef THIS

#define THIS list_offsets_partition_reply
static const struct wire_field list_offsets_partition_reply_fields[] = {
    F(INT32, partition, 0, ALL),   F(INT16, error_code, 0, ALL),        FD(INT64, timestamp, 1, ALL, -1),
    FD(INT64, offset, 1, ALL, -1), FD(INT32, leader_epoch, 4, ALL, -1),
};
CHILD(list_offsets_partition_reply);
#undef THIS

#define THIS list_offsets_topic_reply
static const struct wire_field list_offsets_topic_reply_fields[] = {
    F(STRING, name, 0, ALL),
    AS(list_offsets_partition_reply, partitions, 0, ALL),
};
CHILD(list_offsets_topic_reply);
#undef THIS

#define THIS list_offsets_response
static const struct wire_field list_offsets_response_fields[] = {
    F(INT32, throttle_time_ms, 2, ALL),
    AS(list_offsets_topic_reply, topics, 0, ALL),
};
MESSAGE(list_offsets_response);
#undef THIS

/* ---- Metadata ---- */

#define THIS metadata_request_topic
static const struct wire_field metadata_request_topic_fields[] = {
    F(UUID, topic_id, 10, ALL),
    FN(STRING, name, 0, ALL, 10),
};
CHILD(metadata_request_topic);
#undef THIS

#define THIS metadata_request
static const struct wire_field metadata_request_fields[] = {
    ASN(metadata_request_topic, topics, 0, ALL, 1),
    FD(BOOL, allow_auto_topic_creation, 4, ALL, 1),
    F(BOOL, include_cluster_authorized_operations, 8, 10),
    F(BOOL, include_topic_authorized_operations, 8, ALL),
};
MESSAGE(metadata_request);
#undef THIS

#define THIS metadata_broker
static const struct wire_field metadata_broker_fields[] = {
    F(INT32, node_id, 0, ALL),
    F(STRING, host, 0, ALL),
    F(INT32, port, 0, ALL),
    FN(STRING, rack, 1, ALL, 1),
};
CHILD(metadata_broker);
#undef THIS

#define THIS metadata_partition
static const struct wire_field metadata_partition_fields[] = {
    F(INT16, error_code, 0, ALL),        F(INT32, partition, 0, ALL),     F(INT32, leader_id, 0, ALL),
    FD(INT32, leader_epoch, 7, ALL, -1), A(INT32, replica_nodes, 0, ALL), A(INT32, isr_nodes, 0, ALL),
    A(INT32, offline_replicas, 5, ALL),
};
CHILD(metadata_partition);
#undef THIS

#define THIS metadata_topic
static const struct wire_field metadata_topic_fields[] = {
    F(INT16, error_code, 0, ALL),
    FN(STRING, name, 0, ALL, 12),
    F(UUID, topic_id, 10, ALL),
    F(BOOL, is_internal, 1, ALL),
    AS(metadata_partition, partitions, 0, ALL),
    FD(INT32, topic_authorized_operations, 8, ALL, INT32_MIN),
};
CHILD(metadata_topic);
#undef THIS

#define THIS metadata_response
static const struct wire_field metadata_response_fields[] = {
    F(INT32, throttle_time_ms, 3, ALL), AS(metadata_broker, brokers, 0, ALL),
    FN(STRING, cluster_id, 2, ALL, 2),  FD(INT32, controller_id, 1, ALL, -1),
    AS(metadata_topic, topics, 0, ALL), FD(INT32, cluster_authorized_operations, 8, 10, INT32_MIN),
    F(INT16, error_code, 13, ALL),
};
MESSAGE(metadata_response);
#undef THIS

/* ---- FindCoordinator ---- */

#define THIS find_coordinator_request
static const struct wire_field find_coordinator_request_fields[] = {
    F(STRING, key, 0, 3),
    F(INT8, key_type, 1, ALL),
    A(STRING, coordinator_keys, 4, ALL),
};
MESSAGE(find_coordinator_request);
#undef THIS

#define THIS find_coordinator_reply
static const struct wire_field find_coordinator_reply_fields[] = {
    F(STRING, key, 4, ALL), F(INT32, node_id, 4, ALL),    F(STRING, host, 4, ALL),
    F(INT32, port, 4, ALL), F(INT16, error_code, 4, ALL), FN(STRING, error_message, 4, ALL, 4),
};
CHILD(find_coordinator_reply);
#undef THIS

#define THIS find_coordinator_response
static const struct wire_field find_coordinator_response_fields[] = {
    F(INT32, throttle_time_ms, 1, ALL),
    F(INT16, error_code, 0, 3),
    FN(STRING, error_message, 1, 3, 1),
    F(INT32, node_id, 0, 3),
    F(STRING, host, 0, 3),
    F(INT32, port, 0, 3),
    AS(find_coordinator_reply, coordinators, 4, ALL),
};
MESSAGE(find_coordinator_response);
#undef THIS

/* ---- ApiVersions ---- */

#define THIS api_versions_request
static const struct wire_field api_versions_request_fields[] = {
    F(STRING, client_software_name, 3, ALL),
    F(STRING, client_software_version, 3, ALL),
};
MESSAGE(api_versions_request);
#undef THIS

#define THIS api_versions_range
static const struct wire_field api_versions_range_fields[] = {
    F(INT16, api_key, 0, ALL),
    F(INT16, min_version, 0, ALL),
    F(INT16, max_version, 0, ALL),
};
CHILD(api_versions_range);
#undef THIS

#define THIS api_versions_supported
static const struct wire_field api_versions_supported_fields[] = {
    F(STRING, name, 3, ALL),
    F(INT16, min_version, 3, ALL),
    F(INT16, max_version, 3, ALL),
};
CHILD(api_versions_supported);
#undef THIS

#define THIS api_versions_finalized
static const struct wire_field api_versions_finalized_fields[] = {
    F(STRING, name, 3, ALL),
    F(INT16, max_version_level, 3, ALL),
    F(INT16, min_version_level, 3, ALL),
};
CHILD(api_versions_finalized);
#undef THIS

#define THIS api_versions_response
static const struct wire_field api_versions_response_fields[] = {
    F(INT16, error_code, 0, ALL),
    AS(api_versions_range, api_keys, 0, ALL),
    F(INT32, throttle_time_ms, 1, ALL),
    TAS(0, api_versions_supported, supported_features, 3),
    TF(1, INT64, finalized_features_epoch, 3, -1),
    TAS(2, api_versions_finalized, finalized_features, 3),
};
MESSAGE(api_versions_response);
#undef THIS

/* ---- CreateTopics ---- */

#define THIS create_topics_assignment
static const struct wire_field create_topics_assignment_fields[] = {
    F(INT32, partition, 0, ALL),
    A(INT32, broker_ids, 0, ALL),
};
CHILD(create_topics_assignment);
#undef THIS

#define THIS create_topics_config
static const struct wire_field create_topics_config_fields[] = {
    F(STRING, name, 0, ALL),
    FN(STRING, value, 0, ALL, 0),
};
CHILD(create_topics_config);
#undef THIS

#define THIS create_topics_topic
static const struct wire_field create_topics_topic_fields[] = {
    F(STRING, name, 0, ALL),
    F(INT32, num_partitions, 0, ALL),
    F(INT16, replication_factor, 0, ALL),
    AS(create_topics_assignment, assignments, 0, ALL),
    AS(create_topics_config, configs, 0, ALL),
};
CHILD(create_topics_topic);
#undef THIS

#define THIS create_topics_request
static const struct wire_field create_topics_request_fields[] = {
    AS(create_topics_topic, topics, 0, ALL),
    FD(INT32, timeout_ms, 0, ALL, 60000),
    F(BOOL, validate_only, 1, ALL),
};
MESSAGE(create_topics_request);
#undef THIS

#define THIS create_topics_config_reply
static const struct wire_field create_topics_config_reply_fields[] = {
    F(STRING, name, 5, ALL),       FN(STRING, value, 5, ALL, 5),
    F(BOOL, read_only, 5, ALL),    FD(INT8, config_source, 5, ALL, -1),
    F(BOOL, is_sensitive, 5, ALL),
};
CHILD(create_topics_config_reply);
#undef THIS

#define THIS create_topics_reply
static const struct wire_field create_topics_reply_fields[] = {
    F(STRING, name, 0, ALL),
    F(UUID, topic_id, 7, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 1, ALL, 0),
    TF(0, INT16, topic_config_error_code, 5, 0),
    FD(INT32, num_partitions, 5, ALL, -1),
    FD(INT16, replication_factor, 5, ALL, -1),
    ASN(create_topics_config_reply, configs, 5, ALL, 5),
};
CHILD(create_topics_reply);
#undef THIS

#define THIS create_topics_response
static const struct wire_field create_topics_response_fields[] = {
    F(INT32, throttle_time_ms, 2, ALL),
    AS(create_topics_reply, topics, 0, ALL),
};
MESSAGE(create_topics_response);
#undef THIS

/* ---- DeleteTopics ---- */

#define THIS delete_topics_topic
static const struct wire_field delete_topics_topic_fields[] = {
    FN(STRING, name, 6, ALL, 6),
    F(UUID, topic_id, 6, ALL),
};
CHILD(delete_topics_topic);
#undef THIS

#define THIS delete_topics_request
static const struct wire_field delete_topics_request_fields[] = {
    AS(delete_topics_topic, topics, 6, ALL),
    A(STRING, topic_names, 0, 5),
    F(INT32, timeout_ms, 0, ALL),
};
MESSAGE(delete_topics_request);
#undef THIS

#define THIS delete_topics_reply
static const struct wire_field delete_topics_reply_fields[] = {
    FN(STRING, name, 0, ALL, 6),
    F(UUID, topic_id, 6, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 5, ALL, 5),
};
CHILD(delete_topics_reply);
#undef THIS

#define THIS delete_topics_response
static const struct wire_field delete_topics_response_fields[] = {
    F(INT32, throttle_time_ms, 1, ALL),
    AS(delete_topics_reply, responses, 0, ALL),
};
MESSAGE(delete_topics_response);
#undef THIS

/* ---- InitProducerId ---- */

#define THIS init_producer_id_request
static const struct wire_field init_producer_id_request_fields[] = {
    FN(STRING, transactional_id, 0, ALL, 0),
    F(INT32, transaction_timeout_ms, 0, ALL),
    FD(INT64, producer_id, 3, ALL, -1),
    FD(INT16, producer_epoch, 3, ALL, -1),
};
MESSAGE(init_producer_id_request);
#undef THIS

#define THIS init_producer_id_response
static const struct wire_field init_producer_id_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FD(INT64, producer_id, 0, ALL, -1),
    F(INT16, producer_epoch, 0, ALL),
};
MESSAGE(init_producer_id_response);
#undef THIS

/* ---- DescribeCluster ---- */

#define THIS describe_cluster_request
static const struct wire_field describe_cluster_request_fields[] = {
    F(BOOL, include_cluster_authorized_operations, 0, ALL),
    FD(INT8, endpoint_type, 1, ALL, 1),
    F(BOOL, include_fenced_brokers, 2, ALL),
};
MESSAGE(describe_cluster_request);
#undef THIS

#define THIS describe_cluster_broker
static const struct wire_field describe_cluster_broker_fields[] = {
    F(INT32, broker_id, 0, ALL), F(STRING, host, 0, ALL),    F(INT32, port, 0, ALL),
    FN(STRING, rack, 0, ALL, 0), F(BOOL, is_fenced, 2, ALL),
};
CHILD(describe_cluster_broker);
#undef THIS

#define THIS describe_cluster_response
static const struct wire_field describe_cluster_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    FD(INT8, endpoint_type, 1, ALL, 1),
    F(STRING, cluster_id, 0, ALL),
    FD(INT32, controller_id, 0, ALL, -1),
    AS(describe_cluster_broker, brokers, 0, ALL),
    FD(INT32, cluster_authorized_operations, 0, ALL, INT32_MIN),
};
MESSAGE(describe_cluster_response);
#undef THIS
