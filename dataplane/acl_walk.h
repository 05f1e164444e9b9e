/* acl_walk.h - the steps of a lookup (acl.c), included there once for each kind of machine, with
 *
 *   WITH            target attributes
 *   NAME(x)         x, marked for the kind
 *   WINDOW          boxes compared at once
 *   NAME(below)     how many of a line's numbers are below v
 *   NAME(compare)   WINDOW boxes with a key
 *   NAME(lanes), NAME(ready)   a key's lanes; those of a block
 *   NAME(top)       a block's keys in one line */

/* => the piece that v is in. */
WITH ALWAYS uint32_t NAME(piece)(const struct acl *a, const struct acl_index *x, uint32_t v)
{
    uint32_t at = 0;
    unsigned l = 0;
    for (; l + 1 < x->levels; l++)
        at = at * ACL_FANOUT + NAME(below)(a->line + (size_t)(x->level[l] + at) * ACL_LINE, v);
    return at * ACL_LINE + NAME(below)(a->line + (size_t)(x->level[l] + at) * ACL_LINE, v);
}

WITH ALWAYS uint32_t NAME(next)(const struct acl *a, uint32_t ref, const struct acl_lanes *k)
{
    const struct acl_index *x = &a->index[ref & ~ACL_INDEX];
    return a->ref[x->ref + NAME(piece)(a, x, part(k, x->dim))];
}

/* => whether the key's parts are in the sets of the rule of a box that fits otherwise. */
WITH static bool NAME(in_sets)(const struct acl *a, uint32_t note, const struct acl_lanes *k)
{
    const uint32_t *set = a->set[note >> ACL_NOTE_BITS];
    for (unsigned d = 0; d < ACL_LISTS; d++) {
        const struct acl_index *x = &a->index[set[d]];
        if (set[d] && !((NAME(piece)(a, x, part(k, d)) ^ x->flip) & 1))
            return false;
    }
    return true;
}

/* => note of the first rule in the list from b on, or `best` if that is lower. */
WITH static uint32_t NAME(list)(const struct acl *a, const struct acl_box *b, const struct acl_lanes *k,
                                uint32_t best)
{
    for (;;) {
        struct fit f = NAME(compare)(b, k);
        if (!f.fits) {
            if (f.last)
                return best;
            b += WINDOW;
            continue;
        }
        b += first_of(f.fits);
        uint32_t note = acl_note(b);
        if (!(note & ACL_TO_CHECK) || NAME(in_sets)(a, note, k))
            return lower(best, note);
        if (note & ACL_LAST)
            return best;
        b++;
    }
}

/* One key. */
WITH static uint32_t NAME(one)(const struct acl *a, const struct acl_key *key)
{
    struct acl_lanes k;
    uint32_t best = a->otherwise;
    NAME(lanes)(&k, key);
    for (unsigned t = 0; t < a->n_trees; t++) {
        uint32_t ref = a->root[t];
        while (ref & ACL_INDEX)
            ref = NAME(next)(a, ref, &k);
        best = NAME(list)(a, a->box + ref, &k, best);
    }
    return best;
}

/* All keys of a block through the index at a tree's root. */
WITH ALWAYS void NAME(enter)(const struct acl *a, struct block *x, uint32_t root, unsigned n)
{
    const struct acl_index *r = &a->index[root & ~ACL_INDEX];
    const unsigned dim = r->dim, levels = r->levels;
    const uint32_t *line = a->line + (size_t)r->level[0] * ACL_LINE, *ref = a->ref + r->ref;
    for (unsigned k = 0; k < n; k++)
        x->part[k] = part(&x->key[k], dim);
    NAME(top)(x, line, n);
    for (unsigned l = 1; l < levels; l++) {
        unsigned fanout = l + 1 < levels ? ACL_FANOUT : ACL_LINE;
        line = a->line + (size_t)r->level[l] * ACL_LINE;
        for (unsigned k = 0; k < n; k++)
            x->at[k] = x->at[k] * fanout + NAME(below)(line + (size_t)x->at[k] * ACL_LINE, x->part[k]);
    }
    unsigned pending = 0;
    for (unsigned k = 0; k < n; k++) {
        x->at[k] = ref[x->at[k]];
        x->pending[pending] = k;
        pending += x->at[k] >> 31;
    }
    x->n_pending = pending;
}

/* The keys that are at a further index. */
WITH ALWAYS void NAME(descend)(const struct acl *a, struct block *x)
{
    while (x->n_pending) {
        unsigned n = x->n_pending, more = 0;
        for (unsigned i = 0; i < n; i++) {
            uint32_t k = x->pending[i];
            x->at[k] = NAME(next)(a, x->at[k], &x->key[k]);
            x->pending[more] = k;
            more += x->at[k] >> 31;
        }
        x->n_pending = more;
    }
}

/* Boxes that fit but for their rules' sets. */
WITH static void NAME(check)(const struct acl *a, struct block *x)
{
    for (unsigned i = 0; i < x->n_check; i++) {
        uint32_t k = x->check[i], note = acl_note(&a->box[x->at[k]]);
        if (note > x->best[k])
            continue;
        if (NAME(in_sets)(a, note, &x->key[k])) {
            x->best[k] = note;
        } else if (!(note & ACL_LAST)) {
            x->at[k]++;
            x->pending[x->n_pending++] = k;
        }
    }
}

/* Compare key k with WINDOW boxes of its list, and note what is left to do, without a branch on what fits. */
WITH ALWAYS void NAME(look)(const struct acl *a, struct block *x, uint32_t k, bool sets, unsigned *n_pending,
                            unsigned *n_check)
{
    uint32_t at = x->at[k];
    struct fit f = NAME(compare)(a->box + at, &x->key[k]);
    uint32_t first = at + first_of(f.fits), note = acl_note(a->box + first);
    bool check = sets && f.fits && note & ACL_TO_CHECK;
    note = f.fits && !check ? note : ACL_NONE;
    x->best[k] = lower(x->best[k], note);
    if (sets) {
        x->check[*n_check] = k;
        *n_check += check;
    }
    x->at[k] = check ? first : at + WINDOW;
    x->pending[*n_pending] = k;
    *n_pending += !(f.fits | f.last);
}

/* After some rounds few keys are left, each with a long list: better one after the other. */
WITH ALWAYS void NAME(scan)(const struct acl *a, struct block *x, unsigned n, bool sets)
{
    unsigned pending = 0, check = 0;
    for (unsigned k = 0; k < n; k++)
        NAME(look)(a, x, k, sets, &pending, &check);
    for (unsigned round = 1;; round++) {
        x->n_pending = pending;
        x->n_check = check;
        if (check)
            NAME(check)(a, x);
        n = x->n_pending;
        if (round == ROUNDS || !n)
            break;
        pending = check = 0;
        for (unsigned i = 0; i < n; i++)
            NAME(look)(a, x, x->pending[i], sets, &pending, &check);
    }
    for (unsigned i = 0; i < n; i++) {
        uint32_t k = x->pending[i];
        x->best[k] = NAME(list)(a, a->box + x->at[k], &x->key[k], x->best[k]);
    }
}

WITH static void NAME(bulk)(const struct acl *a, const struct acl_key *keys, struct acl_hit *hits, size_t n)
{
    struct block x;
    for (unsigned m; n; n -= m, keys += m, hits += m) {
        m = n < ACL_BLOCK ? (unsigned)n : ACL_BLOCK;
        NAME(ready)(&x, keys, m);
        for (unsigned k = 0; k < m; k++)
            x.best[k] = a->otherwise;
        for (unsigned t = 0; t < a->n_trees; t++) {
            if (a->root[t] & ACL_INDEX) {
                NAME(enter)(a, &x, a->root[t], m);
                NAME(descend)(a, &x);
            } else {
                for (unsigned k = 0; k < m; k++)
                    x.at[k] = a->root[t];
            }
            if (a->set)
                NAME(scan)(a, &x, m, true);
            else
                NAME(scan)(a, &x, m, false);
        }
        for (unsigned k = 0; k < m; k++)
            hits[k] = a->verdict[x.best[k] >> ACL_NOTE_BITS];
    }
}
