/*
 * chat.c - the chat's entry
 */
#include "app/chat.h"

#include <stdio.h>

int chat_main(struct config_store *store, const struct chat_start *start)
{
    (void)store;
    (void)start;
    fputs("banter: the chat is not in this build yet\n", stderr);
    return 1;
}
