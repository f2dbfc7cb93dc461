/* kafka/wire.h - Kafka's protocol encoding, driven by tables.
 *
 * A message is a C struct plus a read-only struct wire_struct that says, field by field, which
 * versions carry it, when it may be null, its tag and where it sits in the C struct. One
 * encoder and one decoder serve every message at every version. (Format: Kafka protocol
 * guide, "Protocol Primitive Types"; KIP-482 for flexible versions and tagged fields.)
 *
 *   table type   C type                            on the wire (compact form when flexible)
 *   BOOL         bool                              1 byte
 *   INT8..INT64  int8_t .. int64_t                 big-endian
 *   FLOAT64      double                            its 8 bytes, big-endian
 *   UUID         uint8_t[16]                       16 bytes
 *   STRING       mr_str, ptr NULL is null          int16 length (uvarint length + 1)
 *   RECORDS      mr_str, ptr NULL is null          int32 length (uvarint length + 1), opaque
 *   PIECES       struct wire_pieces, -1 is null    as RECORDS
 *   STRUCT       the struct itself                 its fields
 *   OPTION       a pointer to a struct, or NULL    int8 1 and its fields, or -1
 *   array of X   WIRE_ARRAY(X), count -1 is null   int32 count (uvarint count + 1)
 *
 * Limits: a length or count is believed only when the bytes left can hold it at the smallest
 * size of its items; what one message decodes to is at most WIRE_DECODED_MAX bytes; nesting
 * is that of the tables. Unknown tags are skipped; bytes after the last field are an error, and so is a
 * NUL byte in a string (but in metadata), which Kafka lets pass: no client sends one.
 *
 * Decoded strings and records are views into the input. Encoded records are not copied: they
 * become splices, which the sender writes between the bytes; PIECES may lie in files, which the
 * sender need not even read (sendfile). Not locked.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"
#include "base/vec.h"

#define WIRE_DECODED_MAX ((size_t)64 << 20)
#define WIRE_LATEST 127 /* a field that no version has dropped */
#define WIRE_NEVER 127  /* nullable from: never */

#define WIRE_ARRAY(type) \
	struct { \
		type *items; \
		int32_t count; \
	}

enum wire_type {
	WIRE_BOOL,
	WIRE_INT8,
	WIRE_INT16,
	WIRE_INT32,
	WIRE_INT64,
	WIRE_FLOAT64,
	WIRE_UUID,
	WIRE_STRING,
	WIRE_RECORDS,
	WIRE_PIECES, /* records that lie in several places, not all of them memory */
	WIRE_STRUCT,
	WIRE_OPTION, /* a struct that may be null */
};

struct wire_field {
	const char *name;
	uint8_t type;
	bool array;
	int8_t min, max;  /* versions that carry it */
	int8_t null_from; /* first version in which it may be null */
	int8_t tag;       /* -1: in its place; else a tagged field */
	uint16_t offset;
	int64_t absent; /* integers: the value when the version or the sender leaves it out */
	const struct wire_struct *child;
};

struct wire_struct {
	const char *name;
	const struct wire_field *fields;
	uint16_t count;
	uint16_t size; /* sizeof the C struct */
};

/* Bytes to send as they lie: in memory, or in a file. */
struct wire_piece {
	const char *bytes; /* NULL: `length` bytes at `position` of `fd` */
	int fd;
	int64_t position;
	size_t length;
};

struct wire_pieces {
	struct wire_piece *items;
	int32_t count; /* -1: null */
	size_t bytes;  /* the sum of their lengths */
};

struct wire_splice {
	size_t at; /* before this byte of `bytes` */
	struct wire_piece piece;
};

struct wire_out {
	struct mr_buf bytes;
	MR_VEC(struct wire_splice) splices;
	size_t spliced_bytes;
};

void wire_out_release(struct wire_out *out);
void wire_out_clear(struct wire_out *out);

/* Fills *out, a struct of schema->size bytes; absent fields get their default. Arrays come
 * from the arena. MR_ERR_CORRUPT names the field. */
MR_NODISCARD int wire_decode(const struct wire_struct *schema, int version, bool flexible, mr_str bytes,
			     struct arena *arena, void *out, struct mr_error *err);
/* Appends. Views in `in`, and the files of its pieces, must live until the splices are written. */
void wire_encode(const struct wire_struct *schema, int version, bool flexible, const void *in,
		 struct wire_out *out);

/* Give every field the value it has when absent. */
void wire_defaults(const struct wire_struct *schema, void *out);

/* ---- the frame's headers ---- */

struct wire_header {
	int16_t api_key;
	int16_t version;
	int32_t correlation_id;
	mr_str client_id; /* ptr NULL when none */
};

/* The first 8 bytes, which every request header version has: key, version, correlation id. */
MR_NODISCARD int wire_read_header_start(mr_str frame, struct wire_header *out, struct mr_error *err);
/* The whole header; *body_out is the rest of the frame. Version 2 when flexible, else 1. */
MR_NODISCARD int wire_read_header(mr_str frame, bool flexible, struct wire_header *out, mr_str *body_out,
				  struct mr_error *err);
