/* kafka/messages_auth.h - SASL, ACLs, quotas and SCRAM credentials as C structs; their tables are
 * in schema_auth.c. */
#pragma once

#include "kafka/wire.h"

/* ---- SaslHandshake (17) ---- */
struct sasl_handshake_request {
	mr_str mechanism;
};
struct sasl_handshake_response {
	int16_t error_code;
	WIRE_ARRAY(mr_str) mechanisms;
};

/* ---- SaslAuthenticate (36) ---- */
struct sasl_authenticate_request {
	mr_str auth_bytes;
};
struct sasl_authenticate_response {
	int16_t error_code;
	mr_str error_message;
	mr_str auth_bytes;
	int64_t session_lifetime_ms;
};

/* ---- DescribeAcls (29) ---- */
struct describe_acls_request {
	int8_t resource_type_filter;
	mr_str resource_name_filter;
	int8_t pattern_type_filter;
	mr_str principal_filter;
	mr_str host_filter;
	int8_t operation;
	int8_t permission_type;
};
struct describe_acls_entry {
	mr_str principal;
	mr_str host;
	int8_t operation;
	int8_t permission_type;
};
struct describe_acls_resource {
	int8_t resource_type;
	mr_str resource_name;
	int8_t pattern_type;
	WIRE_ARRAY(struct describe_acls_entry) acls;
};
struct describe_acls_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	mr_str error_message;
	WIRE_ARRAY(struct describe_acls_resource) resources;
};

/* ---- CreateAcls (30) ---- */
struct create_acls_creation {
	int8_t resource_type;
	mr_str resource_name;
	int8_t resource_pattern_type;
	mr_str principal;
	mr_str host;
	int8_t operation;
	int8_t permission_type;
};
struct create_acls_request {
	WIRE_ARRAY(struct create_acls_creation) creations;
};
struct create_acls_result {
	int16_t error_code;
	mr_str error_message;
};
struct create_acls_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct create_acls_result) results;
};

/* ---- DeleteAcls (31) ---- */
struct delete_acls_request {
	WIRE_ARRAY(struct describe_acls_request) filters;
};
struct delete_acls_match {
	int16_t error_code;
	mr_str error_message;
	int8_t resource_type;
	mr_str resource_name;
	int8_t pattern_type;
	mr_str principal;
	mr_str host;
	int8_t operation;
	int8_t permission_type;
};
struct delete_acls_result {
	int16_t error_code;
	mr_str error_message;
	WIRE_ARRAY(struct delete_acls_match) matching_acls;
};
struct delete_acls_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct delete_acls_result) filter_results;
};

/* ---- DescribeClientQuotas (48) ---- */
struct describe_client_quotas_component {
	mr_str entity_type;
	int8_t match_type;
	mr_str match;
};
struct describe_client_quotas_request {
	WIRE_ARRAY(struct describe_client_quotas_component) components;
	bool strict;
};
struct client_quotas_entity {
	mr_str entity_type;
	mr_str entity_name;
};
struct client_quotas_value {
	mr_str key;
	double value;
};
struct describe_client_quotas_entry {
	WIRE_ARRAY(struct client_quotas_entity) entity;
	WIRE_ARRAY(struct client_quotas_value) values;
};
struct describe_client_quotas_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	mr_str error_message;
	WIRE_ARRAY(struct describe_client_quotas_entry) entries;
};

/* ---- AlterClientQuotas (49) ---- */
struct alter_client_quotas_op {
	mr_str key;
	double value;
	bool remove;
};
struct alter_client_quotas_entry {
	WIRE_ARRAY(struct client_quotas_entity) entity;
	WIRE_ARRAY(struct alter_client_quotas_op) ops;
};
struct alter_client_quotas_request {
	WIRE_ARRAY(struct alter_client_quotas_entry) entries;
	bool validate_only;
};
struct alter_client_quotas_result {
	int16_t error_code;
	mr_str error_message;
	WIRE_ARRAY(struct client_quotas_entity) entity;
};
struct alter_client_quotas_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct alter_client_quotas_result) entries;
};

/* ---- DescribeUserScramCredentials (50) ---- */
struct describe_scram_user {
	mr_str name;
};
struct describe_user_scram_credentials_request {
	WIRE_ARRAY(struct describe_scram_user) users;
};
struct describe_scram_info {
	int8_t mechanism;
	int32_t iterations;
};
struct describe_scram_result {
	mr_str user;
	int16_t error_code;
	mr_str error_message;
	WIRE_ARRAY(struct describe_scram_info) credential_infos;
};
struct describe_user_scram_credentials_response {
	int32_t throttle_time_ms;
	int16_t error_code;
	mr_str error_message;
	WIRE_ARRAY(struct describe_scram_result) results;
};

/* ---- AlterUserScramCredentials (51) ---- */
struct alter_scram_deletion {
	mr_str name;
	int8_t mechanism;
};
struct alter_scram_upsertion {
	mr_str name;
	int8_t mechanism;
	int32_t iterations;
	mr_str salt;
	mr_str salted_password;
};
struct alter_user_scram_credentials_request {
	WIRE_ARRAY(struct alter_scram_deletion) deletions;
	WIRE_ARRAY(struct alter_scram_upsertion) upsertions;
};
struct alter_scram_result {
	mr_str user;
	int16_t error_code;
	mr_str error_message;
};
struct alter_user_scram_credentials_response {
	int32_t throttle_time_ms;
	WIRE_ARRAY(struct alter_scram_result) results;
};
