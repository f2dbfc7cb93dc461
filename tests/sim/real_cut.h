/* tests/sim/real_cut.h - a folder of the real disk whose power fails, or whose process dies, before a chosen
 * call.
 *
 * For what DuckDB writes too, which knows no other disk than the real one. Calls go through to it and are
 * noted; at a power cut the folder is then made what the disk may have kept: a name that was made, replaced
 * or removed since its folder was synced is as before or as after, each by itself, and bytes of files that
 * were not synced are there, cut at a sector, or gone. Files that DuckDB wrote are such until somebody syncs
 * them. When the process only dies, all that it had done stays.
 *
 * From the cut on every call answers MR_ERR_IO, until real_cut_restore. One thread.
 */
#pragma once

#include "env/disk.h"
#include "env/rng.h"

struct real_cut;

/* graves: a folder of the same file system, beside root, for what might come back. Both are there. */
struct real_cut *real_cut_new(const char *root, const char *graves, struct mr_rng *rng);
void real_cut_free(struct real_cut *cut);
struct mr_disk *real_cut_disk(struct real_cut *cut);

/* All that is there now has been synced. The end comes before the nth call that changes something (1: the
 * next); 0: never. */
void real_cut_after(struct real_cut *cut, uint64_t calls, bool power);
uint64_t real_cut_calls(const struct real_cut *cut); /* since then */
bool real_cut_happened(const struct real_cut *cut);
/* End now, if that has not happened; then the disk can be used again. */
void real_cut_restore(struct real_cut *cut);
