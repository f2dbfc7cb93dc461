/* sql/value_json.c - a value as JSON. Numbers keep every digit; what JSON has no type for is
 * the text that DuckDB prints; BLOB is base64, as in Spark's to_json. */
#include "sql/internal.h"

#include <math.h>

static void put_text(const struct sql_type *type, duckdb_vector vector, idx_t row, struct json_writer *w,
		     bool raw)
{
	duckdb_value value = sql_value_at(type, vector, row);
	char *text = duckdb_get_varchar(value);
	if (raw)
		json_put_raw(w, mr_str_from(text));
	else
		json_put_cstr(w, text ? text : "");
	duckdb_free(text);
	duckdb_destroy_value(&value);
}

static void put_base64(mr_str bytes, struct json_writer *w)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct mr_buf out = {0};
	for (size_t i = 0; i < bytes.len; i += 3) {
		uint32_t word = 0;
		size_t have = mr_min_size(bytes.len - i, 3);
		for (size_t j = 0; j < 3; j++)
			word = word << 8 | (j < have ? (uint8_t)bytes.ptr[i + j] : 0u);
		for (size_t j = 0; j < 4; j++)
			mr_buf_char(&out, j <= have ? digits[word >> (18 - 6 * j) & 63] : '=');
	}
	json_put_str(w, mr_buf_view(&out));
	mr_buf_release(&out);
}

static void put_list(const struct sql_type *type, duckdb_vector child, uint64_t from, uint64_t count,
		     struct json_writer *w)
{
	json_begin_array(w);
	for (uint64_t i = 0; i < count; i++)
		sql_value_json(&type->children[0], child, from + i, w);
	json_end_array(w);
}

static void put_map(const struct sql_type *type, duckdb_vector child, duckdb_list_entry range,
		    struct json_writer *w)
{
	duckdb_vector keys = duckdb_struct_vector_get_child(child, 0);
	duckdb_vector values = duckdb_struct_vector_get_child(child, 1);
	json_begin_object(w);
	for (uint64_t i = range.offset; i < range.offset + range.length; i++) {
		duckdb_value key = sql_value_at(&type->children[0], keys, i);
		char *text = duckdb_get_varchar(key);
		json_key(w, text ? text : "");
		duckdb_free(text);
		duckdb_destroy_value(&key);
		sql_value_json(&type->children[1], values, i, w);
	}
	json_end_object(w);
}

static void put_nested(const struct sql_type *type, duckdb_vector vector, idx_t row, struct json_writer *w)
{
	const duckdb_list_entry *entries = duckdb_vector_get_data(vector);
	switch (type->id) {
	case DUCKDB_TYPE_LIST:
		put_list(type, duckdb_list_vector_get_child(vector), entries[row].offset, entries[row].length,
			 w);
		break;
	case DUCKDB_TYPE_ARRAY:
		put_list(type, duckdb_array_vector_get_child(vector), row * type->array_size,
			 type->array_size, w);
		break;
	case DUCKDB_TYPE_MAP:
		put_map(type, duckdb_list_vector_get_child(vector), entries[row], w);
		break;
	case DUCKDB_TYPE_UNION: {
		const uint8_t *tags = duckdb_vector_get_data(duckdb_struct_vector_get_child(vector, 0));
		sql_value_json(&type->children[tags[row]],
			       duckdb_struct_vector_get_child(vector, tags[row] + 1u), row, w);
		break;
	}
	default:
		json_begin_object(w);
		for (size_t i = 0; i < type->child_count; i++) {
			json_key_str(w, type->child_names[i]);
			sql_value_json(&type->children[i], duckdb_struct_vector_get_child(vector, i), row, w);
		}
		json_end_object(w);
	}
}

void sql_value_json(const struct sql_type *type, duckdb_vector vector, idx_t row, struct json_writer *w)
{
	if (!sql_valid_at(vector, row)) {
		json_put_null(w);
		return;
	}
	const void *data = duckdb_vector_get_data(vector);
	switch (type->id) {
	case DUCKDB_TYPE_BOOLEAN:
		json_put_bool(w, ((const bool *)data)[row]);
		break;
	case DUCKDB_TYPE_BIGINT:
		json_put_int(w, ((const int64_t *)data)[row]);
		break;
	case DUCKDB_TYPE_DOUBLE:
		json_put_double(w, ((const double *)data)[row]);
		break;
	case DUCKDB_TYPE_FLOAT:
		if (isfinite(((const float *)data)[row]))
			put_text(type, vector, row, w, true);
		else
			json_put_null(w);
		break;
	case DUCKDB_TYPE_TINYINT:
	case DUCKDB_TYPE_SMALLINT:
	case DUCKDB_TYPE_INTEGER:
	case DUCKDB_TYPE_UTINYINT:
	case DUCKDB_TYPE_USMALLINT:
	case DUCKDB_TYPE_UINTEGER:
	case DUCKDB_TYPE_UBIGINT:
	case DUCKDB_TYPE_HUGEINT:
	case DUCKDB_TYPE_UHUGEINT:
	case DUCKDB_TYPE_BIGNUM:
	case DUCKDB_TYPE_DECIMAL:
		put_text(type, vector, row, w, true);
		break;
	case DUCKDB_TYPE_VARCHAR:
		if (type->is_json) /* DuckDB checked it when it made the value */
			json_put_raw(w, sql_string_at(vector, row));
		else
			json_put_str(w, sql_string_at(vector, row));
		break;
	case DUCKDB_TYPE_BLOB:
		put_base64(sql_string_at(vector, row), w);
		break;
	default:
		if (type->child_count)
			put_nested(type, vector, row, w);
		else
			put_text(type, vector, row, w, false);
	}
}
