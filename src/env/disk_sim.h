/* env/disk_sim.h - a disk in memory that loses power, fills up and fails, from a seed.
 *
 * It keeps two versions of everything: what a running system sees, and what is on the medium.
 * env/disk.h says which call carries what over. A crash decides, from the seed, for every
 * 512-byte sector that was not synced whether it is kept, dropped or torn, for every file size
 * and for every name whether it is the old or the new one. The medium also takes single sectors
 * by itself now and then, as a kernel's write-back does, so versions between two syncs survive too.
 *
 * A failed sync leaves the sectors it did not write looking clean (as Linux does): a later,
 * successful sync does not cover them.
 *
 * Threading: safe from any thread. Paths: '/' separated; absolute and relative are the same.
 */
#pragma once

#include "env/clock.h"
#include "env/disk.h"

struct mr_disk *sim_disk_new(uint64_t seed);
void sim_disk_free(struct mr_disk *disk); /* every file must have been closed */

/* For modification times; without a clock they are 0. */
void sim_disk_set_clock(struct mr_disk *disk, struct mr_clock *clock);

/* Power is lost and returns. Files that are open read and write nothing that lasts any more. */
void sim_disk_crash(struct mr_disk *disk);

/* From now on `bytes` more can be added to files, then MR_ERR_NO_SPACE; -1: no limit. A file that is
 * unlinked gives its bytes back. */
void sim_disk_set_space(struct mr_disk *disk, int64_t bytes);
/* The nth file_sync from now fails with MR_ERR_IO (1: the next); 0: none. */
void sim_disk_fail_sync(struct mr_disk *disk, int nth);
/* Damage the medium under a file: flip one bit of what is there. */
MR_NODISCARD int sim_disk_flip(struct mr_disk *disk, const char *path, int64_t at, int bit,
			       struct mr_error *err);

uint64_t sim_disk_syncs(struct mr_disk *disk); /* file_sync calls so far */
