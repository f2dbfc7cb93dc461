/* Configurations of groups: what is allowed, what is kept. */
#include "broker/group_config.h"
#include "env/disk_linux.h"
#include "test.h"

static int set(struct group_configs *configs, const char *name, const char *value)
{
	struct config_change change = {mr_str_from(name), value ? CONFIG_SET : CONFIG_DELETE,
				       mr_str_from(value)};
	return group_config_alter(configs, MR_STR("a group=x"), &change, 1, false, false, NULL);
}

TEST(group_config_is_checked_and_kept)
{
	struct group_configs *configs;
	struct mr_error err;
	char text[64];
	char *path = test_path("%s/group.config", test_folder());
	CHECK_OK(group_configs_open(env_linux(), path, &configs, &err), err);
	CHECK_INT(set(configs, "share.auto.offset.reset", "by_duration:PT1H"), 0);
	CHECK_INT(set(configs, "share.auto.offset.reset", "soon"), MR_ERR_INVALID);
	CHECK_INT(set(configs, "share.record.lock.duration.ms", "1000"), MR_ERR_INVALID);
	CHECK_INT(set(configs, "share.record.lock.duration.ms", "15000"), 0);
	CHECK_INT(set(configs, "share.isolation.level", "none"), MR_ERR_INVALID);
	CHECK_INT(set(configs, "nope", "1"), MR_ERR_INVALID);
	group_configs_free(configs);
	CHECK_OK(group_configs_open(env_linux(), path, &configs, &err), err);
	mr_str group = MR_STR("a group=x");
	CHECK_INT(group_config_int(configs, group, "share.record.lock.duration.ms", 30000), 15000);
	CHECK_INT(group_config_int(configs, MR_STR("other"), "share.record.lock.duration.ms", 30000), 30000);
	group_config_text(configs, group, "share.auto.offset.reset", "latest", text, sizeof text);
	CHECK_STR(mr_str_from(text), "by_duration:PT1H");
	CHECK_INT(set(configs, "share.record.lock.duration.ms", NULL), 0);
	CHECK_INT(group_config_int(configs, group, "share.record.lock.duration.ms", 30000), 30000);
	group_configs_free(configs);
}

TEST(group_config_reads_durations)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} cases[] = {
	    {"by_duration:PT1H", 3600000}, {"by_duration:P1DT2M", 86520000},
	    {"by_duration:PT0.5S", 500},   {"by_duration:P", -1},
	    {"by_duration:PT", -1},        {"by_duration:PT1D", -1},
	    {"by_duration:PT1S1H", -1},    {"PT1H", -1},
	    {"by_duration:PT-1H", -1},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		int64_t ms = -1;
		bool good = group_config_duration(mr_str_from(cases[i].text), &ms);
		CHECK_INT(good ? ms : -1, cases[i].ms);
	}
}
