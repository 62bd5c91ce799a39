/* The pool's cache of projected keys and values: filled by reads, bounded by the pool's caps, dropped when examples
 * need the room. Whether a projection is cached never changes a result: it is what the read would have computed. */
#include <stdlib.h>

#include "pool.h"

/* Whether `bytes` more fit; the caller holds the lock. */
static bool fits(const e2str_pool *pool, uint64_t bytes) {
    if (pool->projected > pool->cache_bytes || bytes > pool->cache_bytes - pool->projected) return false;
    if (!pool->max_bytes) return true;
    uint64_t used = pool->bytes + pool->projected;
    return used <= pool->max_bytes && bytes <= pool->max_bytes - used;
}

e2_projection *e2_pool_projection_new(const e2str_pool *pool, size_t values) {
    size_t bytes;
    if (!e2_mul(values, sizeof(float), &bytes) || !e2_add(bytes, sizeof(e2_projection), &bytes)) return NULL;
    pthread_rwlock_rdlock(e2_pool_lock(pool));
    bool room = fits(pool, bytes);
    pthread_rwlock_unlock(e2_pool_lock(pool));
    e2_projection *projection = room ? malloc(bytes) : NULL;
    if (!projection) return NULL;
    *projection = (e2_projection){.bytes = bytes, .values = (float *)(projection + 1)};
    atomic_init(&projection->references, 1);
    return projection;
}

void e2_projection_release(e2_projection *projection) {
    if (projection && atomic_fetch_sub_explicit(&projection->references, 1, memory_order_acq_rel) == 1)
        free(projection);
}

void e2_pool_keep(const e2str_pool *pool, e2_example *example, e2_projection *projection) {
    e2str_pool *cache = (e2str_pool *)pool; /* the cache is no part of a pool's value */
    pthread_rwlock_wrlock(&cache->lock);
    size_t at = e2_pool_find_locked(pool, example->id);
    if (at < pool->count && pool->examples[at] == example && !example->projection && fits(pool, projection->bytes)) {
        example->projection = projection;
        cache->projected += projection->bytes;
        projection = NULL;
    }
    pthread_rwlock_unlock(&cache->lock);
    e2_projection_release(projection);
}

void e2_pool_drop_locked(e2str_pool *pool, e2_example *example) {
    e2_projection *projection = example->projection;
    if (!projection) return;
    example->projection = NULL;
    pool->projected -= projection->bytes;
    e2_projection_release(projection);
}
