/* kafka/schema_rules.h - the words that the tables in schema*.c are written in: which version
 * carries which field of Kafka's messages.
 *
 * F   a field in its place:  F(type, member, first, last)
 * FD  with a default:        FD(type, member, first, last, value when absent)
 * FN  that may be null:      FN(type, member, first, last, null from)
 * S   a struct in its place: S(child, member, first, last)
 * A   an array of a type:    A(type, member, first, last);  AS of structs: AS(child, member, first, last)
 * O   a struct that may be null: O(child, member, first, last)
 * T.. the same as tagged fields, which a table lists in the order of their tags
 *
 * THIS is defined to the struct's name around each table.
 */
#pragma once

#include "kafka/wire.h"

#include <stddef.h>

#define ALL WIRE_LATEST
#define ROW(type_, array_, member_, min_, max_, null_, tag_, absent_, child_) \
	{ \
		.name = #member_, .type = (type_), .array = (array_), .min = (min_), .max = (max_), \
		.null_from = (null_), .tag = (tag_), .offset = offsetof(struct THIS, member_), \
		.absent = (absent_), .child = (child_) \
	}
#define F(type, member, min, max) ROW(WIRE_##type, false, member, min, max, WIRE_NEVER, -1, 0, NULL)
#define FD(type, member, min, max, absent) \
	ROW(WIRE_##type, false, member, min, max, WIRE_NEVER, -1, absent, NULL)
#define FN(type, member, min, max, null) ROW(WIRE_##type, false, member, min, max, null, -1, 0, NULL)
#define A(type, member, min, max) ROW(WIRE_##type, true, member, min, max, WIRE_NEVER, -1, 0, NULL)
#define AN(type, member, min, max, null) ROW(WIRE_##type, true, member, min, max, null, -1, 0, NULL)
#define AS(child, member, min, max) \
	ROW(WIRE_STRUCT, true, member, min, max, WIRE_NEVER, -1, 0, &child##_schema)
#define S(child, member, min, max) \
	ROW(WIRE_STRUCT, false, member, min, max, WIRE_NEVER, -1, 0, &child##_schema)
#define ASN(child, member, min, max, null) \
	ROW(WIRE_STRUCT, true, member, min, max, null, -1, 0, &child##_schema)
#define O(child, member, min, max) ROW(WIRE_OPTION, false, member, min, max, min, -1, 0, &child##_schema)
#define TF(tag, type, member, min, absent) \
	ROW(WIRE_##type, false, member, min, ALL, WIRE_NEVER, tag, absent, NULL)
#define TFN(tag, type, member, min) ROW(WIRE_##type, false, member, min, ALL, min, tag, 0, NULL)
#define TS(tag, child, member, min) \
	ROW(WIRE_STRUCT, false, member, min, ALL, WIRE_NEVER, tag, 0, &child##_schema)
#define TAS(tag, child, member, min) \
	ROW(WIRE_STRUCT, true, member, min, ALL, WIRE_NEVER, tag, 0, &child##_schema)

#define SCHEMA(c_struct, fields) \
	{ \
#c_struct, fields, MR_COUNT(fields), sizeof(struct c_struct) \
	}
#define CHILD(c_struct) \
	static const struct wire_struct c_struct##_schema = SCHEMA(c_struct, c_struct##_fields)
#define MESSAGE(c_struct) const struct wire_struct c_struct##_schema = SCHEMA(c_struct, c_struct##_fields)
