/* The conflict table against an oracle that is written rule by rule, over random commits. */
#include "test.h"

#include "base/mem.h"
#include "delta/conflict.h"
#include "env/rng.h"

#define NAMES 4

static const mr_str names[NAMES] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}};

/* A set of names as bits, and as an array. */
struct set {
	unsigned bits;
	mr_str items[NAMES];
	size_t count;
};

static struct set random_set(struct mr_rng *rng)
{
	struct set set = {.bits = rng_below(rng, 3) ? 0 : (unsigned)rng_below(rng, 1 << NAMES)};
	for (unsigned i = 0; i < NAMES; i++)
		if (set.bits & 1u << i)
			set.items[set.count++] = names[i];
	return set;
}

struct trial {
	struct set adds, removes, data, domains, apps; /* the winner's; data: adds that change data */
	struct set my_reads, my_removes, my_domains, my_apps, my_match; /* my_match: adds that may match */
	struct conflict_file add_files[NAMES], remove_files[NAMES];
};

static bool may_match(void *arg, const mr_str *partition_values)
{
	const struct set *set = arg;
	return set->bits & 1u << (partition_values[0].ptr[0] - 'a');
}

/* Every rule on its own, as sets; the first that holds, in the table's order. */
static enum delta_conflict oracle(const struct trial *t, const struct conflict_mine *mine,
				  const struct conflict_winner *winner)
{
	unsigned looked_for = mine->reads_table || !mine->may_match ? ~0u : t->my_match.bits;
	unsigned added = t->adds.bits & t->data.bits & looked_for;
	bool serializable = mine->isolation == DELTA_SERIALIZABLE;
	bool adds_matter =
	    mine->looks &&
	    (mine->changes_metadata ||
	     (mine->changes_data &&
	      (serializable || (mine->isolation == DELTA_WRITE_SERIALIZABLE && !winner->is_blind_append))));
	if (winner->has_protocol && mine->changes_protocol)
		return CONFLICT_PROTOCOL;
	if (winner->has_metadata)
		return CONFLICT_METADATA;
	if (t->domains.bits & t->my_domains.bits)
		return CONFLICT_DOMAIN;
	if (t->apps.bits & t->my_apps.bits)
		return CONFLICT_TRANSACTION;
	if (adds_matter && added)
		return CONFLICT_APPEND;
	if (mine->reads_table ? t->removes.bits != 0 : (t->removes.bits & t->my_reads.bits) != 0)
		return CONFLICT_DELETE_READ;
	return t->removes.bits & t->my_removes.bits ? CONFLICT_DELETE_DELETE : CONFLICT_NONE;
}

TEST(delta_conflicts_are_those_of_the_table)
{
	struct mr_rng rng;
	size_t seen[CONFLICT_DELETE_DELETE + 1] = {0};
	rng_seed(&rng, 7);
	for (int i = 0; i < 200000; i++) {
		struct trial t = {random_set(&rng),
				  random_set(&rng),
				  {.bits = (unsigned)rng_below(&rng, 16)},
				  random_set(&rng),
				  random_set(&rng),
				  random_set(&rng),
				  random_set(&rng),
				  random_set(&rng),
				  random_set(&rng),
				  {.bits = (unsigned)rng_below(&rng, 16)}};
		for (size_t k = 0; k < t.adds.count; k++)
			t.add_files[k] =
			    (struct conflict_file){t.adds.items[k], &t.adds.items[k],
						   t.data.bits & 1u << (t.adds.items[k].ptr[0] - 'a')};
		for (size_t k = 0; k < t.removes.count; k++)
			t.remove_files[k] = (struct conflict_file){.path = t.removes.items[k]};
		struct conflict_winner winner = {.has_protocol = rng_below(&rng, 8) == 0,
						 .has_metadata = rng_below(&rng, 8) == 0,
						 .is_blind_append = rng_below(&rng, 2),
						 .adds = t.add_files,
						 .add_count = t.adds.count,
						 .removes = t.remove_files,
						 .remove_count = t.removes.count,
						 .domains = t.domains.items,
						 .domain_count = t.domains.count,
						 .apps = t.apps.items,
						 .app_count = t.apps.count};
		struct conflict_mine mine = {.changes_protocol = rng_below(&rng, 4) == 0,
					     .changes_metadata = rng_below(&rng, 4) == 0,
					     .changes_data = rng_below(&rng, 4) != 0,
					     .reads_table = rng_below(&rng, 4) == 0,
					     .isolation = (enum delta_isolation)rng_below(&rng, 3),
					     .looks = rng_below(&rng, 4) != 0,
					     .may_match = rng_below(&rng, 2) ? may_match : NULL,
					     .may_match_arg = &t.my_match,
					     .reads = t.my_reads.items,
					     .read_count = t.my_reads.count,
					     .removes = t.my_removes.items,
					     .remove_count = t.my_removes.count,
					     .domains = t.my_domains.items,
					     .domain_count = t.my_domains.count,
					     .apps = t.my_apps.items,
					     .app_count = t.my_apps.count};
		enum delta_conflict found = delta_conflict_find(&mine, &winner, NULL);
		CHECK_INT(found, oracle(&t, &mine, &winner));
		seen[found]++;
	}
	for (size_t i = 0; i < MR_COUNT(seen); i++)
		CHECK(seen[i] > 100);
}

TEST(delta_a_blind_append_meets_nothing_but_metadata)
{
	struct conflict_file file = {.path = MR_STR("a"), .partition_values = names, .data_change = true};
	struct conflict_winner winner = {.adds = &file, .add_count = 1, .removes = &file, .remove_count = 1};
	struct conflict_mine append = {.changes_data = true, .isolation = DELTA_SERIALIZABLE};
	CHECK_INT(delta_conflict_find(&append, &winner, NULL), CONFLICT_NONE);
	winner.has_metadata = true;
	CHECK_INT(delta_conflict_find(&append, &winner, NULL), CONFLICT_METADATA);
}

TEST(delta_row_tracking_is_rebased)
{
	mr_str domain = MR_STR("delta.rowTracking"), which;
	struct conflict_winner winner = {.domains = &domain, .domain_count = 1};
	struct conflict_mine mine = {.domains = &domain, .domain_count = 1};
	CHECK_INT(delta_conflict_find(&mine, &winner, &which), CONFLICT_NONE);
	domain = MR_STR("mine");
	CHECK_INT(delta_conflict_find(&mine, &winner, &which), CONFLICT_DOMAIN);
	CHECK_STR(which, "mine");
}
