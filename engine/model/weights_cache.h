/*
 * weights_cache.h - packed weights kept on disk, so that a second start maps them
 *
 * A file of the cache is a head and then the packed region as it stands in memory.  The head says
 * which model file (gguf_identity()), which layout of the kernels and which matrices it was packed
 * from, and has a hash of each piece of the region.  It is never interpreted: what it must be, but
 * for the hashes, follows from the model that is opened, and a file that differs by a byte or in
 * its size is not used.  Every piece is hashed while it is read in, before any of it is computed
 * with.  So a file that is cut, damaged, foreign or of another version is packed anew, and nothing
 * is lost.  What remains: somebody who cuts the file while it is mapped brings SIGBUS, as with the
 * model file; banter replaces files, and never changes one.
 *
 * Writing happens on a thread of its own, after the model is open and slowly; see
 * weights_cache_write.c.  Any failure means no cache and nothing more.
 *
 * Thread: the opening thread, but for weights_cache_state().
 */
#ifndef ENGINE_MODEL_WEIGHTS_CACHE_H
#define ENGINE_MODEL_WEIGHTS_CACHE_H

#include "engine/model.h"
#include "engine/model/weights.h"

struct weights_cache;

/*
 * The place of a model's packed weights in a folder.  *out is NULL where they are not kept: no
 * weights are packed, the mode says no, the model is not from a file, or no memory.
 * file and weights (laid out) are borrowed until weights_cache_free().
 */
void weights_cache_new(struct weights_cache **out, const char *folder,
                       enum weights_cache_mode mode, const struct gguf *file,
                       const struct weights *weights);
/* Stops a writer at once; what it wrote so far is removed. */
void weights_cache_free(struct weights_cache **cache);

/* Is there a file with the right head? */
bool weights_cache_is_there(const struct weights_cache *cache);
/*
 * Map the file, read it in with all threads of the pool, and let weights use it.
 * Errors: NOT_FOUND: there is none that can be used; CANCELLED.
 */
enum status weights_cache_map(struct weights_cache *cache, struct weights *weights,
                              struct pool *pool, const atomic_bool *cancel,
                              weights_progress progress, void *context, struct error *error);
/* After weights_pack(): begin to write the file, where the mode and the disk allow it. */
void weights_cache_write(struct weights_cache *cache);

/* From any thread. */
enum weights_cache_state weights_cache_state(const struct weights_cache *cache);

#endif
