/* sql/value.c - one value out of a vector: as a DuckDB value, which DuckDB then prints in
 * its own way, or as JSON.
 *
 * Physical layout (DuckDB's C API): lists and maps are {offset, length} into a child vector, a
 * map's child is a struct of key and value; a union is a struct whose first child is the tag;
 * VARCHAR, BLOB, BIT and BIGNUM are 16-byte strings, short ones inlined. BIGNUM bytes: three of
 * header (sign in the top bit, then the size), big-endian digits; all inverted when negative.
 */
#include "sql/internal.h"

#include <stdlib.h>

static const void *cell(duckdb_vector vector, idx_t row, size_t width)
{
	return (const char *)duckdb_vector_get_data(vector) + row * width;
}

#define CELL(c_type) (*(const c_type *)cell(vector, row, sizeof(c_type)))

bool sql_valid_at(duckdb_vector vector, idx_t row)
{
	uint64_t *validity = duckdb_vector_get_validity(vector);
	return !validity || (validity[row / 64] >> (row % 64) & 1);
}

mr_str sql_string_at(duckdb_vector vector, idx_t row)
{
	const duckdb_string_t *s = cell(vector, row, sizeof *s);
	size_t len = s->value.inlined.length;
	return mr_str_n(
	    len <= sizeof s->value.inlined.inlined ? s->value.inlined.inlined : s->value.pointer.ptr, len);
}

static duckdb_value bignum_value(mr_str bytes)
{
	if (bytes.len < 4)
		return duckdb_create_null_value();
	bool negative = !((uint8_t)bytes.ptr[0] & 0x80);
	size_t size = bytes.len - 3;
	uint8_t *digits = mr_alloc(size);
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = (uint8_t)bytes.ptr[3 + i];
		digits[i] = negative ? (uint8_t)~byte : byte;
	}
	duckdb_value value = duckdb_create_bignum((duckdb_bignum){digits, size, negative});
	free(digits);
	return value;
}

static duckdb_hugeint decimal_at(const struct sql_type *type, duckdb_vector vector, idx_t row)
{
	int64_t small;
	switch (type->storage) {
	case DUCKDB_TYPE_SMALLINT:
		small = CELL(int16_t);
		break;
	case DUCKDB_TYPE_INTEGER:
		small = CELL(int32_t);
		break;
	case DUCKDB_TYPE_BIGINT:
		small = CELL(int64_t);
		break;
	default:
		return CELL(duckdb_hugeint);
	}
	return (duckdb_hugeint){(uint64_t)small, small < 0 ? -1 : 0};
}

static uint64_t enum_at(const struct sql_type *type, duckdb_vector vector, idx_t row)
{
	switch (type->storage) {
	case DUCKDB_TYPE_UTINYINT:
		return CELL(uint8_t);
	case DUCKDB_TYPE_USMALLINT:
		return CELL(uint16_t);
	default:
		return CELL(uint32_t);
	}
}

/* Where the elements of a list, map or array row lie in its child vector. */
static duckdb_list_entry elements_at(const struct sql_type *type, duckdb_vector vector, idx_t row,
				     duckdb_vector *child)
{
	if (type->id == DUCKDB_TYPE_ARRAY) {
		*child = duckdb_array_vector_get_child(vector);
		return (duckdb_list_entry){row * type->array_size, type->array_size};
	}
	*child = duckdb_list_vector_get_child(vector);
	return CELL(duckdb_list_entry);
}

static duckdb_value *values_of(const struct sql_type *type, duckdb_vector child, duckdb_list_entry range)
{
	duckdb_value *values = mr_calloc(range.length ? range.length : 1, sizeof *values);
	for (idx_t i = 0; i < range.length; i++)
		values[i] = sql_value_at(type, child, range.offset + i);
	return values;
}

static void destroy_values(duckdb_value *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		duckdb_destroy_value(&values[i]);
	free(values);
}

static duckdb_value struct_value(const struct sql_type *type, duckdb_vector vector, idx_t row)
{
	duckdb_value *values = mr_calloc(type->child_count + 1, sizeof *values);
	for (size_t i = 0; i < type->child_count; i++)
		values[i] = sql_value_at(&type->children[i], duckdb_struct_vector_get_child(vector, i), row);
	duckdb_value out = duckdb_create_struct_value(type->logical, values);
	destroy_values(values, type->child_count);
	return out;
}

static duckdb_value union_value(const struct sql_type *type, duckdb_vector vector, idx_t row)
{
	uint8_t tag = *(const uint8_t *)cell(duckdb_struct_vector_get_child(vector, 0), row, 1);
	duckdb_value member =
	    sql_value_at(&type->children[tag], duckdb_struct_vector_get_child(vector, tag + 1u), row);
	duckdb_value out = duckdb_create_union_value(type->logical, tag, member);
	duckdb_destroy_value(&member);
	return out;
}

static duckdb_value nested_value(const struct sql_type *type, duckdb_vector vector, idx_t row)
{
	if (type->id == DUCKDB_TYPE_STRUCT)
		return struct_value(type, vector, row);
	if (type->id == DUCKDB_TYPE_UNION)
		return union_value(type, vector, row);
	duckdb_vector child;
	duckdb_list_entry range = elements_at(type, vector, row, &child);
	duckdb_value out;
	if (type->id == DUCKDB_TYPE_MAP) {
		duckdb_value *keys =
		    values_of(&type->children[0], duckdb_struct_vector_get_child(child, 0), range);
		duckdb_value *values =
		    values_of(&type->children[1], duckdb_struct_vector_get_child(child, 1), range);
		out = duckdb_create_map_value(type->logical, keys, values, range.length);
		destroy_values(keys, range.length);
		destroy_values(values, range.length);
		return out;
	}
	duckdb_value *values = values_of(&type->children[0], child, range);
	duckdb_logical_type element = type->children[0].logical;
	out = type->id == DUCKDB_TYPE_ARRAY ? duckdb_create_array_value(element, values, range.length)
					    : duckdb_create_list_value(element, values, range.length);
	destroy_values(values, range.length);
	return out;
}

static duckdb_value text_value(const struct sql_type *type, mr_str s)
{
	switch (type->id) {
	case DUCKDB_TYPE_VARCHAR:
		return duckdb_create_varchar_length(s.ptr, s.len);
	case DUCKDB_TYPE_BIT:
		return duckdb_create_bit((duckdb_bit){(uint8_t *)s.ptr, s.len});
	case DUCKDB_TYPE_BIGNUM:
		return bignum_value(s);
	default:
		return duckdb_create_blob((const uint8_t *)s.ptr, s.len);
	}
}

static duckdb_value uuid_value(duckdb_hugeint stored)
{
	/* Stored with the top bit flipped, so that UUIDs sort as signed integers. */
	return duckdb_create_uuid((duckdb_uhugeint){stored.lower, (uint64_t)stored.upper ^ (1ull << 63)});
}

duckdb_value sql_value_at(const struct sql_type *type, duckdb_vector vector, idx_t row)
{
	if (!sql_valid_at(vector, row))
		return duckdb_create_null_value();
	switch (type->id) {
	case DUCKDB_TYPE_BOOLEAN:
		return duckdb_create_bool(CELL(bool));
	case DUCKDB_TYPE_TINYINT:
		return duckdb_create_int8(CELL(int8_t));
	case DUCKDB_TYPE_SMALLINT:
		return duckdb_create_int16(CELL(int16_t));
	case DUCKDB_TYPE_INTEGER:
		return duckdb_create_int32(CELL(int32_t));
	case DUCKDB_TYPE_BIGINT:
		return duckdb_create_int64(CELL(int64_t));
	case DUCKDB_TYPE_UTINYINT:
		return duckdb_create_uint8(CELL(uint8_t));
	case DUCKDB_TYPE_USMALLINT:
		return duckdb_create_uint16(CELL(uint16_t));
	case DUCKDB_TYPE_UINTEGER:
		return duckdb_create_uint32(CELL(uint32_t));
	case DUCKDB_TYPE_UBIGINT:
		return duckdb_create_uint64(CELL(uint64_t));
	case DUCKDB_TYPE_HUGEINT:
		return duckdb_create_hugeint(CELL(duckdb_hugeint));
	case DUCKDB_TYPE_UHUGEINT:
		return duckdb_create_uhugeint(CELL(duckdb_uhugeint));
	case DUCKDB_TYPE_FLOAT:
		return duckdb_create_float(CELL(float));
	case DUCKDB_TYPE_DOUBLE:
		return duckdb_create_double(CELL(double));
	case DUCKDB_TYPE_DECIMAL:
		return duckdb_create_decimal(
		    (duckdb_decimal){type->width, type->scale, decimal_at(type, vector, row)});
	case DUCKDB_TYPE_DATE:
		return duckdb_create_date(CELL(duckdb_date));
	case DUCKDB_TYPE_TIME:
		return duckdb_create_time(CELL(duckdb_time));
	case DUCKDB_TYPE_TIME_NS:
		return duckdb_create_time_ns(CELL(duckdb_time_ns));
	case DUCKDB_TYPE_TIME_TZ:
		return duckdb_create_time_tz_value(CELL(duckdb_time_tz));
	case DUCKDB_TYPE_TIMESTAMP:
		return duckdb_create_timestamp(CELL(duckdb_timestamp));
	case DUCKDB_TYPE_TIMESTAMP_S:
		return duckdb_create_timestamp_s(CELL(duckdb_timestamp_s));
	case DUCKDB_TYPE_TIMESTAMP_MS:
		return duckdb_create_timestamp_ms(CELL(duckdb_timestamp_ms));
	case DUCKDB_TYPE_TIMESTAMP_NS:
		return duckdb_create_timestamp_ns(CELL(duckdb_timestamp_ns));
	case DUCKDB_TYPE_TIMESTAMP_TZ:
		return duckdb_create_timestamp_tz(CELL(duckdb_timestamp));
	case DUCKDB_TYPE_INTERVAL:
		return duckdb_create_interval(CELL(duckdb_interval));
	case DUCKDB_TYPE_UUID:
		return uuid_value(CELL(duckdb_hugeint));
	case DUCKDB_TYPE_ENUM:
		return duckdb_create_enum_value(type->logical, enum_at(type, vector, row));
	case DUCKDB_TYPE_VARCHAR:
	case DUCKDB_TYPE_BLOB:
	case DUCKDB_TYPE_BIT:
	case DUCKDB_TYPE_BIGNUM:
		return text_value(type, sql_string_at(vector, row));
	default:
		return type->child_count ? nested_value(type, vector, row) : duckdb_create_null_value();
	}
}
