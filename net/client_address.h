/* client_address.h: "HOST:PORT" as people write it, taken apart. Pure. */
#ifndef NET_CLIENT_ADDRESS_H
#define NET_CLIENT_ADDRESS_H

#include <imlog/error.h>

enum { CLIENT_HOST_BYTES_MAX = 255 };

struct client_address {
    char host[CLIENT_HOST_BYTES_MAX + 1]; /* without the brackets of an IPv6 address */
    char port[6];
};

/* Returns 0 or IMLOG_EINVALID; `why` then says what to write instead. */
int client_address_parse(const char *text, struct client_address *address, struct imlog_why *why);

#endif
