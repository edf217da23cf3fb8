/* server.c: which node a tool talks to. */
#include "tools/lib/server.h"

#include "net/client_address.h"

#include <stdlib.h>

int server_choose(const char *given, const char **server, struct imlog_why *why)
{
    struct client_address address;
    const char *from_environment = getenv("IMLOG_SERVER");
    if (given != NULL)
        *server = given;
    else if (from_environment != NULL && from_environment[0] != '\0')
        *server = from_environment;
    else
        *server = "127.0.0.1:7700";
    return client_address_parse(*server, &address, why);
}
