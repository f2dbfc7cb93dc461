/* kafka/schema_admin.c - the messages that administer topics, partitions and configurations, as tables. */
#include "kafka/messages.h"
#include "kafka/schema_rules.h"

/* ---- DeleteRecords ---- */

#define THIS delete_records_partition
static const struct wire_field delete_records_partition_fields[] = {
    F(INT32, partition, 0, ALL),
    F(INT64, offset, 0, ALL),
};
CHILD(delete_records_partition);
#undef THIS

#define THIS delete_records_topic
static const struct wire_field delete_records_topic_fields[] = {
    F(STRING, name, 0, ALL),
    AS(delete_records_partition, partitions, 0, ALL),
};
CHILD(delete_records_topic);
#undef THIS

#define THIS delete_records_request
static const struct wire_field delete_records_request_fields[] = {
    AS(delete_records_topic, topics, 0, ALL),
    F(INT32, timeout_ms, 0, ALL),
};
MESSAGE(delete_records_request);
#undef THIS

#define THIS delete_records_partition_reply
static const struct wire_field delete_records_partition_reply_fields[] = {
    F(INT32, partition, 0, ALL),
    F(INT64, low_watermark, 0, ALL),
    F(INT16, error_code, 0, ALL),
};
CHILD(delete_records_partition_reply);
#undef THIS

#define THIS delete_records_topic_reply
static const struct wire_field delete_records_topic_reply_fields[] = {
    F(STRING, name, 0, ALL),
    AS(delete_records_partition_reply, partitions, 0, ALL),
};
CHILD(delete_records_topic_reply);
#undef THIS

#define THIS delete_records_response
static const struct wire_field delete_records_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(delete_records_topic_reply, topics, 0, ALL),
};
MESSAGE(delete_records_response);
#undef THIS

/* ---- OffsetForLeaderEpoch ---- */

#define THIS offset_for_leader_epoch_partition
static const struct wire_field offset_for_leader_epoch_partition_fields[] = {
    F(INT32, partition, 0, ALL),
    FD(INT32, current_leader_epoch, 2, ALL, -1),
    F(INT32, leader_epoch, 0, ALL),
};
CHILD(offset_for_leader_epoch_partition);
#undef THIS

#define THIS offset_for_leader_epoch_topic
static const struct wire_field offset_for_leader_epoch_topic_fields[] = {
    F(STRING, topic, 0, ALL),
    AS(offset_for_leader_epoch_partition, partitions, 0, ALL),
};
CHILD(offset_for_leader_epoch_topic);
#undef THIS

#define THIS offset_for_leader_epoch_request
static const struct wire_field offset_for_leader_epoch_request_fields[] = {
    FD(INT32, replica_id, 3, ALL, -2),
    AS(offset_for_leader_epoch_topic, topics, 0, ALL),
};
MESSAGE(offset_for_leader_epoch_request);
#undef THIS

#define THIS epoch_end_offset
static const struct wire_field epoch_end_offset_fields[] = {
    F(INT16, error_code, 0, ALL),
    F(INT32, partition, 0, ALL),
    FD(INT32, leader_epoch, 1, ALL, -1),
    FD(INT64, end_offset, 0, ALL, -1),
};
CHILD(epoch_end_offset);
#undef THIS

#define THIS offset_for_leader_epoch_reply
static const struct wire_field offset_for_leader_epoch_reply_fields[] = {
    F(STRING, topic, 0, ALL),
    AS(epoch_end_offset, partitions, 0, ALL),
};
CHILD(offset_for_leader_epoch_reply);
#undef THIS

#define THIS offset_for_leader_epoch_response
static const struct wire_field offset_for_leader_epoch_response_fields[] = {
    F(INT32, throttle_time_ms, 2, ALL),
    AS(offset_for_leader_epoch_reply, topics, 0, ALL),
};
MESSAGE(offset_for_leader_epoch_response);
#undef THIS

/* ---- DescribeConfigs ---- */

#define THIS describe_configs_resource
static const struct wire_field describe_configs_resource_fields[] = {
    F(INT8, resource_type, 0, ALL),
    F(STRING, resource_name, 0, ALL),
    AN(STRING, configuration_keys, 0, ALL, 0),
};
CHILD(describe_configs_resource);
#undef THIS

#define THIS describe_configs_request
static const struct wire_field describe_configs_request_fields[] = {
    AS(describe_configs_resource, resources, 0, ALL),
    F(BOOL, include_synonyms, 1, ALL),
    F(BOOL, include_documentation, 3, ALL),
};
MESSAGE(describe_configs_request);
#undef THIS

#define THIS describe_configs_synonym
static const struct wire_field describe_configs_synonym_fields[] = {
    F(STRING, name, 1, ALL),
    FN(STRING, value, 1, ALL, 0),
    F(INT8, source, 1, ALL),
};
CHILD(describe_configs_synonym);
#undef THIS

#define THIS describe_configs_entry
static const struct wire_field describe_configs_entry_fields[] = {
    F(STRING, name, 0, ALL),       FN(STRING, value, 0, ALL, 0),
    F(BOOL, read_only, 0, ALL),    FD(INT8, config_source, 1, ALL, -1),
    F(BOOL, is_sensitive, 0, ALL), AS(describe_configs_synonym, synonyms, 1, ALL),
    F(INT8, config_type, 3, ALL),  FN(STRING, documentation, 3, ALL, 0),
};
CHILD(describe_configs_entry);
#undef THIS

#define THIS describe_configs_result
static const struct wire_field describe_configs_result_fields[] = {
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    F(INT8, resource_type, 0, ALL),
    F(STRING, resource_name, 0, ALL),
    AS(describe_configs_entry, configs, 0, ALL),
};
CHILD(describe_configs_result);
#undef THIS

#define THIS describe_configs_response
static const struct wire_field describe_configs_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(describe_configs_result, results, 0, ALL),
};
MESSAGE(describe_configs_response);
#undef THIS

/* ---- AlterConfigs ---- */

#define THIS alter_configs_config
static const struct wire_field alter_configs_config_fields[] = {
    F(STRING, name, 0, ALL),
    FN(STRING, value, 0, ALL, 0),
};
CHILD(alter_configs_config);
#undef THIS

#define THIS alter_configs_resource
static const struct wire_field alter_configs_resource_fields[] = {
    F(INT8, resource_type, 0, ALL),
    F(STRING, resource_name, 0, ALL),
    AS(alter_configs_config, configs, 0, ALL),
};
CHILD(alter_configs_resource);
#undef THIS

#define THIS alter_configs_request
static const struct wire_field alter_configs_request_fields[] = {
    AS(alter_configs_resource, resources, 0, ALL),
    F(BOOL, validate_only, 0, ALL),
};
MESSAGE(alter_configs_request);
#undef THIS

#define THIS alter_configs_result
static const struct wire_field alter_configs_result_fields[] = {
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    F(INT8, resource_type, 0, ALL),
    F(STRING, resource_name, 0, ALL),
};
CHILD(alter_configs_result);
#undef THIS

#define THIS alter_configs_response
static const struct wire_field alter_configs_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(alter_configs_result, responses, 0, ALL),
};
MESSAGE(alter_configs_response);
#undef THIS

/* ---- DescribeLogDirs ---- */

#define THIS describe_log_dirs_wanted
static const struct wire_field describe_log_dirs_wanted_fields[] = {
    F(STRING, topic, 0, ALL),
    A(INT32, partitions, 0, ALL),
};
CHILD(describe_log_dirs_wanted);
#undef THIS

#define THIS describe_log_dirs_request
static const struct wire_field describe_log_dirs_request_fields[] = {
    ASN(describe_log_dirs_wanted, topics, 0, ALL, 0),
};
MESSAGE(describe_log_dirs_request);
#undef THIS

#define THIS describe_log_dirs_partition
static const struct wire_field describe_log_dirs_partition_fields[] = {
    F(INT32, partition, 0, ALL),
    F(INT64, partition_size, 0, ALL),
    F(INT64, offset_lag, 0, ALL),
    F(BOOL, is_future_key, 0, ALL),
};
CHILD(describe_log_dirs_partition);
#undef THIS

#define THIS describe_log_dirs_topic
static const struct wire_field describe_log_dirs_topic_fields[] = {
    F(STRING, name, 0, ALL),
    AS(describe_log_dirs_partition, partitions, 0, ALL),
};
CHILD(describe_log_dirs_topic);
#undef THIS

#define THIS describe_log_dirs_result
static const struct wire_field describe_log_dirs_result_fields[] = {
    F(INT16, error_code, 0, ALL),
    F(STRING, log_dir, 0, ALL),
    AS(describe_log_dirs_topic, topics, 0, ALL),
    FD(INT64, total_bytes, 4, ALL, -1),
    FD(INT64, usable_bytes, 4, ALL, -1),
};
CHILD(describe_log_dirs_result);
#undef THIS

#define THIS describe_log_dirs_response
static const struct wire_field describe_log_dirs_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 3, ALL),
    AS(describe_log_dirs_result, results, 0, ALL),
};
MESSAGE(describe_log_dirs_response);
#undef THIS

/* ---- CreatePartitions ---- */

#define THIS create_partitions_assignment
static const struct wire_field create_partitions_assignment_fields[] = {
    A(INT32, broker_ids, 0, ALL),
};
CHILD(create_partitions_assignment);
#undef THIS

#define THIS create_partitions_topic
static const struct wire_field create_partitions_topic_fields[] = {
    F(STRING, name, 0, ALL),
    F(INT32, count, 0, ALL),
    ASN(create_partitions_assignment, assignments, 0, ALL, 0),
};
CHILD(create_partitions_topic);
#undef THIS

#define THIS create_partitions_request
static const struct wire_field create_partitions_request_fields[] = {
    AS(create_partitions_topic, topics, 0, ALL),
    F(INT32, timeout_ms, 0, ALL),
    F(BOOL, validate_only, 0, ALL),
};
MESSAGE(create_partitions_request);
#undef THIS

#define THIS create_partitions_result
static const struct wire_field create_partitions_result_fields[] = {
    F(STRING, name, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
};
CHILD(create_partitions_result);
#undef THIS

#define THIS create_partitions_response
static const struct wire_field create_partitions_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(create_partitions_result, results, 0, ALL),
};
MESSAGE(create_partitions_response);
#undef THIS

/* ---- IncrementalAlterConfigs ---- */

#define THIS incremental_alter_configs_config
static const struct wire_field incremental_alter_configs_config_fields[] = {
    F(STRING, name, 0, ALL),
    F(INT8, config_operation, 0, ALL),
    FN(STRING, value, 0, ALL, 0),
};
CHILD(incremental_alter_configs_config);
#undef THIS

#define THIS incremental_alter_configs_resource
static const struct wire_field incremental_alter_configs_resource_fields[] = {
    F(INT8, resource_type, 0, ALL),
    F(STRING, resource_name, 0, ALL),
    AS(incremental_alter_configs_config, configs, 0, ALL),
};
CHILD(incremental_alter_configs_resource);
#undef THIS

#define THIS incremental_alter_configs_request
static const struct wire_field incremental_alter_configs_request_fields[] = {
    AS(incremental_alter_configs_resource, resources, 0, ALL),
    F(BOOL, validate_only, 0, ALL),
};
MESSAGE(incremental_alter_configs_request);
#undef THIS

#define THIS incremental_alter_configs_response
static const struct wire_field incremental_alter_configs_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(alter_configs_result, responses, 0, ALL),
};
MESSAGE(incremental_alter_configs_response);
#undef THIS

/* ---- ListPartitionReassignments ---- */

#define THIS list_partition_reassignments_wanted
static const struct wire_field list_partition_reassignments_wanted_fields[] = {
    F(STRING, name, 0, ALL),
    A(INT32, partition_indexes, 0, ALL),
};
CHILD(list_partition_reassignments_wanted);
#undef THIS

#define THIS list_partition_reassignments_request
static const struct wire_field list_partition_reassignments_request_fields[] = {
    FD(INT32, timeout_ms, 0, ALL, 60000),
    ASN(list_partition_reassignments_wanted, topics, 0, ALL, 0),
};
MESSAGE(list_partition_reassignments_request);
#undef THIS

#define THIS ongoing_partition_reassignment
static const struct wire_field ongoing_partition_reassignment_fields[] = {
    F(INT32, partition, 0, ALL),
    A(INT32, replicas, 0, ALL),
    A(INT32, adding_replicas, 0, ALL),
    A(INT32, removing_replicas, 0, ALL),
};
CHILD(ongoing_partition_reassignment);
#undef THIS

#define THIS ongoing_topic_reassignment
static const struct wire_field ongoing_topic_reassignment_fields[] = {
    F(STRING, name, 0, ALL),
    AS(ongoing_partition_reassignment, partitions, 0, ALL),
};
CHILD(ongoing_topic_reassignment);
#undef THIS

#define THIS list_partition_reassignments_response
static const struct wire_field list_partition_reassignments_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    F(INT16, error_code, 0, ALL),
    FN(STRING, error_message, 0, ALL, 0),
    AS(ongoing_topic_reassignment, topics, 0, ALL),
};
MESSAGE(list_partition_reassignments_response);
#undef THIS

/* ---- DescribeTopicPartitions ---- */

#define THIS describe_topic_partitions_topic
static const struct wire_field describe_topic_partitions_topic_fields[] = {
    F(STRING, name, 0, ALL),
};
CHILD(describe_topic_partitions_topic);
#undef THIS

#define THIS topic_partition_cursor
static const struct wire_field topic_partition_cursor_fields[] = {
    F(STRING, topic_name, 0, ALL),
    F(INT32, partition, 0, ALL),
};
CHILD(topic_partition_cursor);
#undef THIS

#define THIS describe_topic_partitions_request
static const struct wire_field describe_topic_partitions_request_fields[] = {
    AS(describe_topic_partitions_topic, topics, 0, ALL),
    FD(INT32, response_partition_limit, 0, ALL, 2000),
    O(topic_partition_cursor, cursor, 0, ALL),
};
MESSAGE(describe_topic_partitions_request);
#undef THIS

#define THIS described_partition
static const struct wire_field described_partition_fields[] = {
    F(INT16, error_code, 0, ALL),
    F(INT32, partition, 0, ALL),
    F(INT32, leader_id, 0, ALL),
    FD(INT32, leader_epoch, 0, ALL, -1),
    A(INT32, replica_nodes, 0, ALL),
    A(INT32, isr_nodes, 0, ALL),
    AN(INT32, eligible_leader_replicas, 0, ALL, 0),
    AN(INT32, last_known_elr, 0, ALL, 0),
    A(INT32, offline_replicas, 0, ALL),
};
CHILD(described_partition);
#undef THIS

#define THIS described_topic
static const struct wire_field described_topic_fields[] = {
    F(INT16, error_code, 0, ALL),
    FN(STRING, name, 0, ALL, 0),
    F(UUID, topic_id, 0, ALL),
    F(BOOL, is_internal, 0, ALL),
    AS(described_partition, partitions, 0, ALL),
    FD(INT32, topic_authorized_operations, 0, ALL, INT32_MIN),
};
CHILD(described_topic);
#undef THIS

#define THIS describe_topic_partitions_response
static const struct wire_field describe_topic_partitions_response_fields[] = {
    F(INT32, throttle_time_ms, 0, ALL),
    AS(described_topic, topics, 0, ALL),
    O(topic_partition_cursor, next_cursor, 0, ALL),
};
MESSAGE(describe_topic_partitions_response);
#undef THIS
