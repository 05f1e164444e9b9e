/* underlay_path.h - which packets between ports travel encapsulated, and how. */
#ifndef VNETSIM_DATAPLANE_UNDERLAY_PATH_H
#define VNETSIM_DATAPLANE_UNDERLAY_PATH_H

#include "dataplane/image.h"
#include "dataplane/underlay.h"

/* A packet (as it is on the link, after translation) is put on a link of that class from one port to another. A private
 * endpoint is no hop: its traffic shows once, where the endpoint has let it through.
 * => whether hosts of the provider carry it encapsulated; then *t says how. What comes from or goes to the Internet, an
 * on-premises network or the platform resolver is not, nor is what goes by public addresses. */
bool underlay_path(const struct image *img, uint32_t from, uint32_t to, uint8_t link, const struct packet_info *info,
                   const struct packet_meta *meta, struct underlay_tunnel *t);

#endif
