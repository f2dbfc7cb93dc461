/* kafka/messages_admin.h - topics' and brokers' administration as C structs; their tables are in
 * schema_admin.c. */
#pragma once

#include "kafka/wire.h"

/* ---- DeleteRecords (21) ---- */
struct delete_records_partition {
	int32_t partition;
	int64_t offset;
};
struct delete_records_topic {
	mr_str name;
	WIRE_ARRAY(struct delete_records_partition) partitions;
};
struct delete_records_request {
	WIRE_ARRAY(struct delete_records_topic) topics;
	int32_t timeout_ms;
};
struct delete_records_partition_reply {
	int32_t partition;
	int64_t low_watermark;
	int16_t error_code;
};
struct delete_records_topic_reply {
	mr_str name;
	WIRE_ARRAY(struct delete_records_partition_reply) partitions;
};
struct delete_records_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct delete_records_topic_reply) topics;
};

/* ---- OffsetForLeaderEpoch (23) ---- */
struct offset_for_leader_epoch_partition {
	int32_t partition;
	int32_t current_leader_epoch;
	int32_t leader_epoch;
};
struct offset_for_leader_epoch_topic {
	mr_str topic;
	WIRE_ARRAY(struct offset_for_leader_epoch_partition) partitions;
};
struct offset_for_leader_epoch_request {
	int32_t replica_id;
	WIRE_ARRAY(struct offset_for_leader_epoch_topic) topics;
};
struct epoch_end_offset {
	int16_t error_code;
	int32_t partition;
	int32_t leader_epoch;
	int64_t end_offset;
};
struct offset_for_leader_epoch_reply {
	mr_str topic;
	WIRE_ARRAY(struct epoch_end_offset) partitions;
};
struct offset_for_leader_epoch_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct offset_for_leader_epoch_reply) topics;
};

/* ---- DescribeConfigs (32) ---- */
struct describe_configs_resource {
	int8_t resource_type;
	mr_str resource_name;
	WIRE_ARRAY(mr_str) configuration_keys;
};
struct describe_configs_request {
	WIRE_ARRAY(struct describe_configs_resource) resources;
	bool include_synonyms;
	bool include_documentation;
};
struct describe_configs_synonym {
	mr_str name;
	mr_str value;
	int8_t source;
};
struct describe_configs_entry {
	mr_str name;
	mr_str value;
	bool read_only;
	int8_t config_source;
	bool is_sensitive;
	WIRE_ARRAY(struct describe_configs_synonym) synonyms;
	int8_t config_type;
	mr_str documentation;
};
struct describe_configs_result {
	int16_t error_code;
	mr_str error_message;
	int8_t resource_type;
	mr_str resource_name;
	WIRE_ARRAY(struct describe_configs_entry) configs;
};
struct describe_configs_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct describe_configs_result) results;
};

/* ---- AlterConfigs (33) ---- */
struct alter_configs_config {
	mr_str name;
	mr_str value;
};
struct alter_configs_resource {
	int8_t resource_type;
	mr_str resource_name;
	WIRE_ARRAY(struct alter_configs_config) configs;
};
struct alter_configs_request {
	WIRE_ARRAY(struct alter_configs_resource) resources;
	bool validate_only;
};
struct alter_configs_result {
	int16_t error_code;
	mr_str error_message;
	int8_t resource_type;
	mr_str resource_name;
};
struct alter_configs_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct alter_configs_result) responses;
};

/* ---- DescribeLogDirs (35) ---- */
struct describe_log_dirs_wanted {
	mr_str topic;
	WIRE_ARRAY(int32_t) partitions;
};
struct describe_log_dirs_request {
	WIRE_ARRAY(struct describe_log_dirs_wanted) topics;
};
struct describe_log_dirs_partition {
	int32_t partition;
	int64_t partition_size;
	int64_t offset_lag;
	bool is_future_key;
};
struct describe_log_dirs_topic {
	mr_str name;
	WIRE_ARRAY(struct describe_log_dirs_partition) partitions;
};
struct describe_log_dirs_result {
	int16_t error_code;
	mr_str log_dir;
	WIRE_ARRAY(struct describe_log_dirs_topic) topics;
	int64_t total_bytes;
	int64_t usable_bytes;
};
struct describe_log_dirs_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	WIRE_ARRAY(struct describe_log_dirs_result) results;
};

/* ---- CreatePartitions (37) ---- */
struct create_partitions_assignment {
	WIRE_ARRAY(int32_t) broker_ids;
};
struct create_partitions_topic {
	mr_str name;
	int32_t count;
	WIRE_ARRAY(struct create_partitions_assignment) assignments;
};
struct create_partitions_request {
	WIRE_ARRAY(struct create_partitions_topic) topics;
	int32_t timeout_ms;
	bool validate_only;
};
struct create_partitions_result {
	mr_str name;
	int16_t error_code;
	mr_str error_message;
};
struct create_partitions_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct create_partitions_result) results;
};

/* ---- IncrementalAlterConfigs (44) ---- */
struct incremental_alter_configs_config {
	mr_str name;
	int8_t config_operation;
	mr_str value;
};
struct incremental_alter_configs_resource {
	int8_t resource_type;
	mr_str resource_name;
	WIRE_ARRAY(struct incremental_alter_configs_config) configs;
};
struct incremental_alter_configs_request {
	WIRE_ARRAY(struct incremental_alter_configs_resource) resources;
	bool validate_only;
};
struct incremental_alter_configs_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct alter_configs_result) responses;
};

/* ---- ListPartitionReassignments (46) ---- */
struct list_partition_reassignments_wanted {
	mr_str name;
	WIRE_ARRAY(int32_t) partition_indexes;
};
struct list_partition_reassignments_request {
	int32_t timeout_ms;
	WIRE_ARRAY(struct list_partition_reassignments_wanted) topics;
};
struct ongoing_partition_reassignment {
	int32_t partition;
	WIRE_ARRAY(int32_t) replicas;
	WIRE_ARRAY(int32_t) adding_replicas;
	WIRE_ARRAY(int32_t) removing_replicas;
};
struct ongoing_topic_reassignment {
	mr_str name;
	WIRE_ARRAY(struct ongoing_partition_reassignment) partitions;
};
struct list_partition_reassignments_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	mr_str error_message;
	WIRE_ARRAY(struct ongoing_topic_reassignment) topics;
};

/* ---- DescribeTopicPartitions (75) ---- */
struct describe_topic_partitions_topic {
	mr_str name;
};
struct topic_partition_cursor {
	mr_str topic_name;
	int32_t partition;
};
struct describe_topic_partitions_request {
	WIRE_ARRAY(struct describe_topic_partitions_topic) topics;
	int32_t response_partition_limit;
	struct topic_partition_cursor *cursor;
};
struct described_partition {
	int16_t error_code;
	int32_t partition;
	int32_t leader_id;
	int32_t leader_epoch;
	WIRE_ARRAY(int32_t) replica_nodes;
	WIRE_ARRAY(int32_t) isr_nodes;
	WIRE_ARRAY(int32_t) eligible_leader_replicas;
	WIRE_ARRAY(int32_t) last_known_elr;
	WIRE_ARRAY(int32_t) offline_replicas;
};
struct described_topic {
	int16_t error_code;
	mr_str name;
	uint8_t topic_id[16];
	bool is_internal;
	WIRE_ARRAY(struct described_partition) partitions;
	int32_t topic_authorized_operations;
};
struct describe_topic_partitions_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct described_topic) topics;
	struct topic_partition_cursor *next_cursor;
};
