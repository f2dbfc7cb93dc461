#include "conf/values.h"

#include "env/loop.h"

int conf_expect_text(const struct option_place *place, const char *what, struct mr_error *err)
{
	const struct yaml_node *node = place->node;
	if (node->kind != YAML_SCALAR || yaml_is_null(node))
		return option_fail(place, err, "%s: expected %s, got %s", place->path.ptr, what,
				   yaml_kind_name(node));
	if (node->text.len == 0 || memchr(node->text.ptr, 0, node->text.len))
		return option_fail(place, err, "%s: expected %s", place->path.ptr, what);
	return 0;
}

static int check_port(const struct option_place *place, struct mr_error *err)
{
	mr_str text = place->node->text;
	const char *colon = memrchr(text.ptr, ':', text.len);
	mr_str port = colon ? mr_str_tail(text, (size_t)(colon - text.ptr) + 1) : MR_STR_NULL;
	long number = 0;
	bool good = colon && colon > text.ptr && port.len > 0 && port.len <= 5;
	for (size_t i = 0; i < port.len; i++) {
		good = good && port.ptr[i] >= '0' && port.ptr[i] <= '9';
		number = number * 10 + (port.ptr[i] - '0');
	}
	if (good && number <= 65535)
		return 0;
	return option_fail(place, err, "%s: expected an address such as 127.0.0.1:9092, got '%.*s'",
			   place->path.ptr, MR_FMT(text));
}

int conf_read_address(const struct option_place *place, mr_str *to, struct mr_error *err)
{
	int rc = conf_expect_text(place, "an address such as 127.0.0.1:9092", err);
	if (rc < 0 || (rc = check_port(place, err)) < 0)
		return rc;
	*to = place->node->text;
	return 0;
}

int conf_read_loopback(const struct option_place *place, mr_str *to, struct mr_error *err)
{
	mr_str address;
	int rc = conf_read_address(place, &address, err);
	if (rc < 0)
		return rc;
	if (!net_is_loopback(place->node->text.ptr)) {
		rc = option_fail(place, err, "%s: '%.*s' is not a loopback address", place->path.ptr,
				 MR_FMT(place->node->text));
		mr_hint(err, "without authentication millrace listens on this machine only: 127.0.0.1:PORT");
		return rc;
	}
	*to = address;
	return 0;
}

static bool is_off(const struct option_place *place)
{
	return mr_str_is(place->node->text, "off");
}

int conf_read_address_or_off(const struct option_place *place, const struct option *option, void *to,
			     struct mr_error *err)
{
	(void)option;
	if (!is_off(place))
		return conf_read_address(place, to, err);
	*(mr_str *)to = MR_STR("");
	return 0;
}

int conf_read_loopback_or_off(const struct option_place *place, const struct option *option, void *to,
			      struct mr_error *err)
{
	(void)option;
	if (!is_off(place))
		return conf_read_loopback(place, to, err);
	*(mr_str *)to = MR_STR("");
	return 0;
}

int conf_read_path(const struct option_place *place, const struct option *option, void *to,
		   struct mr_error *err)
{
	int rc = conf_expect_text(place, "a path", err);
	if (rc < 0)
		return rc;
	mr_str text = place->node->text;
	while (mr_str_starts(text, MR_STR("./")))
		text = mr_str_tail(text, 2);
	struct arena *arena = place->reader->arena;
	mr_str path = text.ptr[0] == '/'
			  ? arena_copy(arena, text)
			  : arena_printf(arena, "%s/%.*s", place->reader->folder, MR_FMT(text));
	memcpy(to, &path.ptr, sizeof path.ptr);
	return 0;
}
