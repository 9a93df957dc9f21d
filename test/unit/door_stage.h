/* The gateway's own listener as the door of net_stage.h, which clients find by themselves. */
#ifndef SEGUE_TEST_DOOR_STAGE_H
#define SEGUE_TEST_DOOR_STAGE_H

#include "gateway/net/listen.h"
#include "test/unit/net_stage.h"

static struct listener *door; /* NULL = closed already */

static inline void find_port(uv_handle_t *handle, void *context)
{
    struct sockaddr_in address;
    int len = sizeof(address);

    (void)context;
    if (handle->type == UV_TCP &&
        uv_tcp_getsockname((uv_tcp_t *)handle, (struct sockaddr *)&address, &len) == 0) {
        stage.port = ntohs(address.sin_port);
    }
}

static inline void open_door(void)
{
    const struct config_address address = {.host = "127.0.0.1"};
    const char *why = NULL;

    door = listen_open(stage.net, &address, false, "listening", &why);
    assert_non_null(door);
    uv_walk(&stage.loop, find_port, NULL);
}

#endif
