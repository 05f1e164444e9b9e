/* image.c - see image.h. */
#include "dataplane/image.h"

struct image *image_new(uint32_t epoch)
{
    struct arena *a = arena_new("image");
    struct image *img = arena_alloc(a, sizeof *img);
    img->arena = a;
    img->epoch = epoch;
    img->flow_limit = FLOW_LIMIT;
    img->addresses = exact_new(64);
    if (img->addresses)
        return img;
    arena_free(a);
    return NULL;
}

void image_free(struct image *img)
{
    if (!img)
        return;
    for (size_t i = 0; i < img->n_tables; i++) {
        lpm_free(img->table[i].lpm);
        lpm_ref_free(img->table[i].ref);
    }
    for (size_t i = 0; i < img->n_acls; i++) {
        acl_free(img->acl[i].acl);
        acl_ref_free(img->acl[i].ref);
    }
    exact_free(img->addresses);
    arena_free(img->arena);
}

const struct image_nexthop *image_lookup(const struct image *img, uint32_t t, ip4 dst)
{
    if (t == NONE32)
        return NULL;
    const struct image_table *table = &img->table[t];
    uint32_t nh = img->reference ? lpm_ref_lookup(table->ref, dst) : lpm_lookup(table->lpm, dst);
    return nh == LPM_MISS ? NULL : &table->nexthop[nh];
}

const struct image_nexthop *image_route(const struct image *img, uint32_t port, ip4 dst)
{
    return image_lookup(img, img->port[port].table, dst);
}

struct acl_hit image_acl_check(const struct image *img, uint32_t acl, const struct acl_key *key)
{
    const struct image_acl *a = &img->acl[acl];
    return img->reference ? acl_ref_classify(a->ref, key) : acl_classify(a->acl, key);
}

bool image_in_realm(const struct image *img, uint32_t realm, ip4 addr)
{
    const struct image_realm *r = &img->realm[realm];
    for (size_t i = 0; i < r->n; i++)
        if (prefix4_has(r->prefix[i], addr))
            return true;
    return false;
}
