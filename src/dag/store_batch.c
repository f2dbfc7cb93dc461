#include "dag/store.h"

struct store_batch *store_batch_new(void)
{
	return mr_calloc(1, sizeof(struct store_batch));
}

void store_batch_free(struct store_batch *batch)
{
	if (!batch)
		return;
	for (size_t i = 0; i < batch->submits.len; i++)
		dag_try_unref(batch->submits.items[i]);
	mr_vec_release(&batch->dags);
	mr_vec_release(&batch->backfills);
	mr_vec_release(&batch->runs);
	mr_vec_release(&batch->tasks);
	mr_vec_release(&batch->removed);
	mr_vec_release(&batch->tries);
	mr_vec_release(&batch->xcoms);
	mr_vec_release(&batch->asset_events);
	mr_vec_release(&batch->asset_waits);
	mr_vec_release(&batch->events);
	mr_vec_release(&batch->pools);
	mr_vec_release(&batch->notes);
	mr_vec_release(&batch->submits);
	mr_vec_release(&batch->cancels);
	mr_vec_release(&batch->callbacks);
	arena_release(&batch->arena);
	free(batch);
}

bool store_batch_empty(const struct store_batch *batch)
{
	return !batch->dags.len && !batch->runs.len && !batch->tasks.len && !batch->tries.len &&
	       !batch->removed.len && !batch->xcoms.len && !batch->asset_events.len &&
	       !batch->asset_waits.len && !batch->events.len && !batch->pools.len && !batch->notes.len &&
	       !batch->backfills.len && !batch->submits.len && !batch->cancels.len && !batch->callbacks.len;
}
