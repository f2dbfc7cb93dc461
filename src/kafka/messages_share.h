/* kafka/messages_share.h - the messages of share groups, as C structs: see messages.h. */
#pragma once

#include "kafka/messages_group.h"

/* ---- ShareGroupHeartbeat (76) ---- */
struct share_group_heartbeat_request {
	mr_str group_id;
	mr_str member_id;
	int32_t member_epoch;
	mr_str rack_id;
	WIRE_ARRAY(mr_str) subscribed_topic_names;
};
struct share_heartbeat_assignment {
	WIRE_ARRAY(struct consumer_topic_partitions) topic_partitions;
};
struct share_group_heartbeat_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	mr_str error_message;
	mr_str member_id;
	int32_t member_epoch;
	int32_t heartbeat_interval_ms;
	struct share_heartbeat_assignment *assignment;
};

/* ---- ShareGroupDescribe (77) ---- */
struct share_group_describe_request {
	WIRE_ARRAY(mr_str) group_ids;
	bool include_authorized_operations;
};
struct share_described_partitions {
	uint8_t topic_id[16];
	mr_str topic_name;
	WIRE_ARRAY(int32_t) partitions;
};
struct share_described_assignment {
	WIRE_ARRAY(struct share_described_partitions) topic_partitions;
};
struct share_described_member {
	mr_str member_id;
	mr_str rack_id;
	int32_t member_epoch;
	mr_str client_id;
	mr_str client_host;
	WIRE_ARRAY(mr_str) subscribed_topic_names;
	struct share_described_assignment assignment;
};
struct share_described_group {
	int16_t error_code;
	mr_str error_message;
	mr_str group_id;
	mr_str group_state;
	int32_t group_epoch;
	int32_t assignment_epoch;
	mr_str assignor_name;
	WIRE_ARRAY(struct share_described_member) members;
	int32_t authorized_operations;
};
struct share_group_describe_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct share_described_group) groups;
};

/* ---- ShareFetch (78), ShareAcknowledge (79) ---- */
struct share_ack_types {
	int64_t first_offset;
	int64_t last_offset;
	WIRE_ARRAY(int8_t) acknowledge_types;
};
struct share_request_partition {
	int32_t partition_index;
	WIRE_ARRAY(struct share_ack_types) acknowledgement_batches;
};
struct share_request_topic {
	uint8_t topic_id[16];
	WIRE_ARRAY(struct share_request_partition) partitions;
};
struct share_leader {
	int32_t leader_id;
	int32_t leader_epoch;
};
struct share_endpoint {
	int32_t node_id;
	mr_str host;
	int32_t port;
	mr_str rack;
};
struct share_fetch_request {
	mr_str group_id;
	mr_str member_id;
	int32_t share_session_epoch;
	int32_t max_wait_ms;
	int32_t min_bytes;
	int32_t max_bytes;
	int32_t max_records;
	int32_t batch_size;
	int8_t share_acquire_mode;
	bool is_renew_ack;
	WIRE_ARRAY(struct share_request_topic) topics;
	WIRE_ARRAY(struct consumer_topic_partitions) forgotten_topics_data;
};
struct share_acquired_records {
	int64_t first_offset;
	int64_t last_offset;
	int16_t delivery_count;
};
struct share_fetch_partition_reply {
	int32_t partition_index;
	int16_t error_code;
	mr_str error_message;
	int16_t acknowledge_error_code;
	mr_str acknowledge_error_message;
	struct share_leader current_leader;
	struct wire_pieces records;
	WIRE_ARRAY(struct share_acquired_records) acquired_records;
};
struct share_fetch_topic_reply {
	uint8_t topic_id[16];
	WIRE_ARRAY(struct share_fetch_partition_reply) partitions;
};
struct share_fetch_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	mr_str error_message;
	int32_t acquisition_lock_timeout_ms;
	WIRE_ARRAY(struct share_fetch_topic_reply) responses;
	WIRE_ARRAY(struct share_endpoint) node_endpoints;
};
struct share_acknowledge_request {
	mr_str group_id;
	mr_str member_id;
	int32_t share_session_epoch;
	bool is_renew_ack;
	WIRE_ARRAY(struct share_request_topic) topics;
};
struct share_acknowledge_partition_reply {
	int32_t partition_index;
	int16_t error_code;
	mr_str error_message;
	struct share_leader current_leader;
};
struct share_acknowledge_topic_reply {
	uint8_t topic_id[16];
	WIRE_ARRAY(struct share_acknowledge_partition_reply) partitions;
};
struct share_acknowledge_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	mr_str error_message;
	int32_t acquisition_lock_timeout_ms;
	WIRE_ARRAY(struct share_acknowledge_topic_reply) responses;
	WIRE_ARRAY(struct share_endpoint) node_endpoints;
};

/* ---- DescribeShareGroupOffsets (90) ---- */
struct describe_share_offsets_topic {
	mr_str topic_name;
	WIRE_ARRAY(int32_t) partitions;
};
struct describe_share_offsets_group {
	mr_str group_id;
	WIRE_ARRAY(struct describe_share_offsets_topic) topics; /* null: all */
};
struct describe_share_group_offsets_request {
	WIRE_ARRAY(struct describe_share_offsets_group) groups;
};
struct described_share_offset {
	int32_t partition_index;
	int64_t start_offset;
	int32_t leader_epoch;
	int64_t lag;
	int16_t error_code;
	mr_str error_message;
};
struct described_share_offsets_topic {
	mr_str topic_name;
	uint8_t topic_id[16];
	WIRE_ARRAY(struct described_share_offset) partitions;
};
struct described_share_offsets_group {
	mr_str group_id;
	WIRE_ARRAY(struct described_share_offsets_topic) topics;
	int16_t error_code;
	mr_str error_message;
};
struct describe_share_group_offsets_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct described_share_offsets_group) groups;
};

/* ---- AlterShareGroupOffsets (91) ---- */
struct alter_share_offset {
	int32_t partition_index;
	int64_t start_offset;
};
struct alter_share_offsets_topic {
	mr_str topic_name;
	WIRE_ARRAY(struct alter_share_offset) partitions;
};
struct alter_share_group_offsets_request {
	mr_str group_id;
	WIRE_ARRAY(struct alter_share_offsets_topic) topics;
};
struct altered_share_offset {
	int32_t partition_index;
	int16_t error_code;
	mr_str error_message;
};
struct altered_share_offsets_topic {
	mr_str topic_name;
	uint8_t topic_id[16];
	WIRE_ARRAY(struct altered_share_offset) partitions;
};
struct alter_share_group_offsets_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	mr_str error_message;
	WIRE_ARRAY(struct altered_share_offsets_topic) responses;
};

/* ---- DeleteShareGroupOffsets (92) ---- */
struct delete_share_offsets_topic {
	mr_str topic_name;
};
struct delete_share_group_offsets_request {
	mr_str group_id;
	WIRE_ARRAY(struct delete_share_offsets_topic) topics;
};
struct deleted_share_offsets_topic {
	mr_str topic_name;
	uint8_t topic_id[16];
	int16_t error_code;
	mr_str error_message;
};
struct delete_share_group_offsets_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	mr_str error_message;
	WIRE_ARRAY(struct deleted_share_offsets_topic) responses;
};
