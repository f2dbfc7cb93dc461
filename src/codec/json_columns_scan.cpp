/* codec/json_columns_scan.cpp - simdjson's first stage behind a C face. */
extern "C" {
#include "codec/json_columns_scan.h"
}

#include <charconv>
#include <cmath>
#include <memory>
#include <simdjson.h>
#include <string>

struct json_scan {
	std::unique_ptr<simdjson::internal::dom_parser_implementation> stage;
};

static constexpr size_t DEPTH_UNUSED = 16; /* the second stage's, which is not run */

extern "C" {

struct json_scan *json_scan_new(void)
{
	auto scan = new json_scan;
	auto code = simdjson::get_active_implementation()->create_dom_parser_implementation(
	    4096, DEPTH_UNUSED, scan->stage);
	MR_ASSERT(code == simdjson::SUCCESS);
	return scan;
}

void json_scan_free(struct json_scan *scan)
{
	delete scan;
}

int json_scan_tokens(struct json_scan *scan, mr_str text, const uint32_t **at_out, size_t *count_out,
		     struct mr_error *err)
{
	if (text.len > JSON_SCAN_BYTES_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "JSON document of %zu bytes is larger than %zu", text.len,
			       JSON_SCAN_BYTES_MAX);
	auto &stage = *scan->stage;
	if (text.len > stage.capacity() && stage.set_capacity(text.len * 2) != simdjson::SUCCESS)
		return mr_fail(err, MR_ERR_LIMIT, "no memory for a JSON document of %zu bytes", text.len);
	auto code = stage.stage1(reinterpret_cast<const uint8_t *>(text.ptr ? text.ptr : ""), text.len,
				 simdjson::stage1_mode::regular);
	if (code != simdjson::SUCCESS)
		return mr_fail(err, MR_ERR_INVALID, "not valid JSON: %s", simdjson::error_message(code));
	*at_out = stage.structural_indexes.get();
	*count_out = stage.n_structural_indexes;
	return 0;
}

bool json_scan_double(mr_str number, double *out)
{
	double value;
	auto result = std::from_chars(number.ptr, number.ptr + number.len, value);
	if (result.ec == std::errc::result_out_of_range) {
		/* Too small is zero or nearly so; from_chars does not say which side it fell off. */
		value = strtod(std::string(number.ptr, number.len).c_str(), nullptr);
		if (std::isinf(value))
			return false;
	}
	*out = value;
	return true;
}
}
