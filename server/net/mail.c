#include "net/mail.h"

/* The first that is posted wakes the loop. */
static void post(struct connection *c)
{
    struct net *net = c->net;
    if (!list_empty(&c->mailed))
        return;
    if (list_empty(&net->mailed))
        uv_async_send(&net->bell);
    list_append(&net->mailed, &c->mailed);
}

bool mail_frame(struct connection *c, const Gradfold__V1__Response *response, struct pull *pull,
                uint64_t body_bytes, int fd, bool *too_large)
{
    if (sender_pack(&c->mail, response, pull, body_bytes, fd, too_large) == 0)
        return false;
    post(c);
    return true;
}

void mail_news(struct connection *c)
{
    post(c);
}

void mail_broken(struct connection *c)
{
    c->mail_broken = true;
    post(c);
}

void mail_connection(struct connection *c)
{
    list_append(&c->net->arrivals, &c->link);
    uv_async_send(&c->net->bell);
}

static void deliver(struct connection *c)
{
    must(!c->lost);
    list_remove(&c->mailed);
    sender_put(&c->sender, &c->mail);
    if (c->mail_broken)
        c->broken = true;
    connection_look(c);
    connection_set_dirty(c);
}

void net_collect(struct net *net)
{
    list_each (link, &net->mailed)
        deliver(list_entry(link, struct connection, mailed));
}
