/* kafka/messages_group.h - the messages of consumer groups, as C structs: see messages.h. */
#pragma once

#include "kafka/wire.h"

/* ---- JoinGroup (11) ---- */
struct join_group_protocol {
	mr_str name;
	mr_str metadata;
};
struct join_group_request {
	mr_str group_id;
	int32_t session_timeout_ms;
	int32_t rebalance_timeout_ms;
	mr_str member_id;
	mr_str group_instance_id;
	mr_str protocol_type;
	WIRE_ARRAY(struct join_group_protocol) protocols;
	mr_str reason;
};
struct join_group_member {
	mr_str member_id;
	mr_str group_instance_id;
	mr_str metadata;
};
struct join_group_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	int32_t generation_id;
	mr_str protocol_type;
	mr_str protocol_name;
	mr_str leader;
	bool skip_assignment;
	mr_str member_id;
	WIRE_ARRAY(struct join_group_member) members;
};

/* ---- SyncGroup (14) ---- */
struct sync_group_assignment {
	mr_str member_id;
	mr_str assignment;
};
struct sync_group_request {
	mr_str group_id;
	int32_t generation_id;
	mr_str member_id;
	mr_str group_instance_id;
	mr_str protocol_type;
	mr_str protocol_name;
	WIRE_ARRAY(struct sync_group_assignment) assignments;
};
struct sync_group_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	mr_str protocol_type;
	mr_str protocol_name;
	mr_str assignment;
};

/* ---- Heartbeat (12) ---- */
struct heartbeat_request {
	mr_str group_id;
	int32_t generation_id;
	mr_str member_id;
	mr_str group_instance_id;
};
struct heartbeat_response {
	int32_t throttle_time_ms;
	int16_t error_code;
};

/* ---- LeaveGroup (13) ---- */
struct leave_group_member {
	mr_str member_id;
	mr_str group_instance_id;
	mr_str reason;
};
struct leave_group_request {
	mr_str group_id;
	mr_str member_id;
	WIRE_ARRAY(struct leave_group_member) members;
};
struct leave_group_member_reply {
	mr_str member_id;
	mr_str group_instance_id;
	int16_t error_code;
};
struct leave_group_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	WIRE_ARRAY(struct leave_group_member_reply) members;
};

/* ---- OffsetCommit (8) ---- */
struct offset_commit_partition {
	int32_t partition_index;
	int64_t committed_offset;
	int32_t committed_leader_epoch;
	mr_str committed_metadata;
};
struct offset_commit_topic {
	mr_str name;
	uint8_t topic_id[16];
	WIRE_ARRAY(struct offset_commit_partition) partitions;
};
struct offset_commit_request {
	mr_str group_id;
	int32_t generation_id_or_member_epoch;
	mr_str member_id;
	mr_str group_instance_id;
	int64_t retention_time_ms;
	WIRE_ARRAY(struct offset_commit_topic) topics;
};
struct offset_commit_partition_reply {
	int32_t partition_index;
	int16_t error_code;
};
struct offset_commit_topic_reply {
	mr_str name;
	uint8_t topic_id[16];
	WIRE_ARRAY(struct offset_commit_partition_reply) partitions;
};
struct offset_commit_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct offset_commit_topic_reply) topics;
};

/* ---- OffsetFetch (9) ---- */
struct offset_fetch_topic {
	mr_str name;
	uint8_t topic_id[16];
	WIRE_ARRAY(int32_t) partition_indexes;
};
struct offset_fetch_group {
	mr_str group_id;
	mr_str member_id;
	int32_t member_epoch;
	WIRE_ARRAY(struct offset_fetch_topic) topics;
};
struct offset_fetch_request {
	mr_str group_id;
	WIRE_ARRAY(struct offset_fetch_topic) topics;
	WIRE_ARRAY(struct offset_fetch_group) groups;
	bool require_stable;
};
struct offset_fetch_partition_reply {
	int32_t partition_index;
	int64_t committed_offset;
	int32_t committed_leader_epoch;
	mr_str metadata;
	int16_t error_code;
};
struct offset_fetch_topic_reply {
	mr_str name;
	uint8_t topic_id[16];
	WIRE_ARRAY(struct offset_fetch_partition_reply) partitions;
};
struct offset_fetch_group_reply {
	mr_str group_id;
	WIRE_ARRAY(struct offset_fetch_topic_reply) topics;
	int16_t error_code;
};
struct offset_fetch_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct offset_fetch_topic_reply) topics;
	int16_t error_code;
	WIRE_ARRAY(struct offset_fetch_group_reply) groups;
};

/* ---- DescribeGroups (15) ---- */
struct describe_groups_request {
	WIRE_ARRAY(mr_str) groups;
	bool include_authorized_operations;
};
struct describe_groups_member {
	mr_str member_id;
	mr_str group_instance_id;
	mr_str client_id;
	mr_str client_host;
	mr_str member_metadata;
	mr_str member_assignment;
};
struct describe_groups_group {
	int16_t error_code;
	mr_str error_message;
	mr_str group_id;
	mr_str group_state;
	mr_str protocol_type;
	mr_str protocol_data;
	WIRE_ARRAY(struct describe_groups_member) members;
	int32_t authorized_operations;
};
struct describe_groups_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct describe_groups_group) groups;
};

/* ---- ListGroups (16) ---- */
struct list_groups_request {
	WIRE_ARRAY(mr_str) states_filter;
	WIRE_ARRAY(mr_str) types_filter;
};
struct list_groups_group {
	mr_str group_id;
	mr_str protocol_type;
	mr_str group_state;
	mr_str group_type;
};
struct list_groups_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	WIRE_ARRAY(struct list_groups_group) groups;
};

/* ---- DeleteGroups (42) ---- */
struct delete_groups_request {
	WIRE_ARRAY(mr_str) groups_names;
};
struct delete_groups_result {
	mr_str group_id;
	int16_t error_code;
};
struct delete_groups_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct delete_groups_result) results;
};

/* ---- OffsetDelete (47) ---- */
struct offset_delete_partition {
	int32_t partition_index;
};
struct offset_delete_topic {
	mr_str name;
	WIRE_ARRAY(struct offset_delete_partition) partitions;
};
struct offset_delete_request {
	mr_str group_id;
	WIRE_ARRAY(struct offset_delete_topic) topics;
};
struct offset_delete_partition_reply {
	int32_t partition_index;
	int16_t error_code;
};
struct offset_delete_topic_reply {
	mr_str name;
	WIRE_ARRAY(struct offset_delete_partition_reply) partitions;
};
struct offset_delete_response {
	int16_t error_code;
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct offset_delete_topic_reply) topics;
};

/* ---- ConsumerGroupHeartbeat (68) ---- */
struct consumer_topic_partitions {
	uint8_t topic_id[16];
	WIRE_ARRAY(int32_t) partitions;
};
struct consumer_group_heartbeat_request {
	mr_str group_id;
	mr_str member_id;
	int32_t member_epoch;
	mr_str instance_id;
	mr_str rack_id;
	int32_t rebalance_timeout_ms;
	WIRE_ARRAY(mr_str) subscribed_topic_names;
	mr_str subscribed_topic_regex;
	mr_str server_assignor;
	WIRE_ARRAY(struct consumer_topic_partitions) topic_partitions;
};
struct consumer_heartbeat_assignment {
	WIRE_ARRAY(struct consumer_topic_partitions) topic_partitions;
};
struct consumer_group_heartbeat_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	mr_str error_message;
	mr_str member_id;
	int32_t member_epoch;
	int32_t heartbeat_interval_ms;
	struct consumer_heartbeat_assignment *assignment;
};

/* ---- ConsumerGroupDescribe (69) ---- */
struct consumer_group_describe_request {
	WIRE_ARRAY(mr_str) group_ids;
	bool include_authorized_operations;
};
struct consumer_described_partitions {
	uint8_t topic_id[16];
	mr_str topic_name;
	WIRE_ARRAY(int32_t) partitions;
};
struct consumer_described_assignment {
	WIRE_ARRAY(struct consumer_described_partitions) topic_partitions;
};
struct consumer_described_member {
	mr_str member_id;
	mr_str instance_id;
	mr_str rack_id;
	int32_t member_epoch;
	mr_str client_id;
	mr_str client_host;
	WIRE_ARRAY(mr_str) subscribed_topic_names;
	mr_str subscribed_topic_regex;
	struct consumer_described_assignment assignment;
	struct consumer_described_assignment target_assignment;
	int8_t member_type;
};
struct consumer_described_group {
	int16_t error_code;
	mr_str error_message;
	mr_str group_id;
	mr_str group_state;
	int32_t group_epoch;
	int32_t assignment_epoch;
	mr_str assignor_name;
	WIRE_ARRAY(struct consumer_described_member) members;
	int32_t authorized_operations;
};
struct consumer_group_describe_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct consumer_described_group) groups;
};
