/* client_address.c: "HOST:PORT" taken apart. A host is a name, an IPv4 address, or an IPv6
 * address in brackets; a port is 1 to 65535. What the host stands for is client_connect.c's. */
#include "net/client_address.h"

#include "net/why.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { PORT_MAX = 65535 };

static int address_refuse(const char *text, const char *what, struct imlog_why *why)
{
    return why_fill(
        why, IMLOG_EINVALID,
        "server \"%.300s\": %s; expected HOST:PORT, such as 127.0.0.1:7700 or [::1]:7700", text,
        what);
}

/* 1 to 65535 in decimal and nothing else. */
static bool port_is_valid(const char *port)
{
    uint32_t value = 0;
    for (const char *digit = port; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9')
            return false;
        value = value * 10 + (uint32_t)(*digit - '0');
        if (value > PORT_MAX)
            return false;
    }
    return value != 0;
}

int client_address_parse(const char *text, struct client_address *address, struct imlog_why *why)
{
    const char *host = text;
    const char *host_end;
    const char *colon;

    if (text[0] == '[') {
        host = text + 1;
        host_end = strchr(host, ']');
        if (host_end == NULL)
            return address_refuse(text, "\"[\" without \"]\"", why);
        colon = host_end + 1;
        if (*colon != ':')
            return address_refuse(text, "no \":PORT\" after \"]\"", why);
    } else {
        colon = strrchr(text, ':');
        if (colon == NULL)
            return address_refuse(text, "the port is missing", why);
        host_end = colon;
        if (memchr(text, ':', (size_t)(colon - text)) != NULL)
            return address_refuse(text, "an IPv6 address needs brackets", why);
    }

    const size_t host_bytes = (size_t)(host_end - host);
    if (host_bytes == 0)
        return address_refuse(text, "the host is missing", why);
    if (host_bytes > CLIENT_HOST_BYTES_MAX)
        return address_refuse(text, "the host is too long", why);

    const char *port = colon + 1;
    while (*port == '0' && port[1] != '\0')
        port++;
    if (!port_is_valid(port))
        return address_refuse(text, "the port is not a number from 1 to 65535", why);

    memcpy(address->host, host, host_bytes);
    address->host[host_bytes] = '\0';
    memcpy(address->port, port, strlen(port) + 1);
    return 0;
}
