/* host_app.c - the applications on both ends of a TCP connection.
 *
 * The client writes the request, waits for the answer (all bytes, or fewer that end with PSH: a refusal) and
 * closes. With keepOpen it first exchanges small messages, one a second unless told otherwise. The server
 * answers when the request is complete: by count where the scenario knows the flow, at PSH else; how it
 * refuses follows from the verdict of the reason. It closes after the client. */
#include "dataplane/host_int.h"

/* -- server ---------------------------------------------------------------------------------------------- */

/* The request is complete: serve it, or refuse in the way that the reason's verdict says. */
static void server_first(struct conn *c)
{
    struct host *h = c->host;
    int64_t now = host_now(h);
    enum reason why = h->env->admit(h->env->ctx, h->c.port, c->first);
    packet_put(h->env->pool, c->first);
    c->first = NULL;
    c->answered = true;
    c->goal += c->say.later;
    if (why == REASON_NONE) {
        tcp_write(&c->tcp, now, c->response);
        return;
    }
    c->goal = UINT64_MAX; /* it speaks no more after this */
    if (reason_verdict(why) == VERDICT_RESET) {
        tcp_abort(&c->tcp, now);
        conn_over(c);
    } else if (reason_verdict(why) != VERDICT_DROPPED) {
        c->say.refused = why;
        c->say.first = c->response < HOST_REFUSAL ? c->response : HOST_REFUSAL;
        tcp_write(&c->tcp, now, c->say.first);
    }
}

static bool server_ready(const struct conn *c)
{
    if (c->tcp.state == TCPS_CLOSED || c->goal == UINT64_MAX)
        return false;
    return c->known ? c->tcp.received >= c->goal : c->tcp.message_end;
}

/* One side speaks the PROXY protocol and the other does not. */
static void server_mismatch(struct conn *c)
{
    const struct host_env *env = c->host->env;
    if (env->reset)
        env->reset(env->ctx, c->host->c.port, c->first, REASON_PROXY_PROTOCOL_MISMATCH);
    tcp_abort(&c->tcp, host_now(c->host));
    conn_over(c);
}

static void server_data(struct conn *c)
{
    if (c->mismatch) {
        server_mismatch(c);
        return;
    }
    if (!c->known && c->tcp.received <= c->header)
        c->tcp.message_end = false; /* of the header */
    while (server_ready(c)) {
        c->tcp.message_end = false;
        if (!c->answered) {
            server_first(c);
            continue;
        }
        c->goal += c->say.later;
        tcp_write(&c->tcp, host_now(c->host), c->say.later);
    }
}

static void server_news(struct conn *c, enum tcp_news what)
{
    switch (what) {
    case TCP_OPENED:
        if (c->known && !c->goal && !c->host->c.proxy)
            server_data(c);
        break;
    case TCP_DATA:
        server_data(c);
        break;
    case TCP_PEER_CLOSED:
        tcp_close(&c->tcp, host_now(c->host));
        break;
    case TCP_DONE:
    case TCP_REFUSED:
    case TCP_RESET:
    case TCP_TIMED_OUT:
        conn_over(c);
        break;
    }
}

/* -- client ---------------------------------------------------------------------------------------------- */

static void client_close(struct run *r)
{
    struct conn *c = r->conn;
    r->phase = RUN_CLOSE;
    hook_set(r->host, &r->hook, HOST_NEVER);
    tcp_close(&c->tcp, host_now(r->host));
}

/* An answer is complete; full: no refusal. */
static void client_answered(struct run *r, bool full)
{
    if (!r->spec.keep_open || !full) {
        client_close(r);
        return;
    }
    if (r->phase != RUN_KEEP) {
        r->phase = RUN_KEEP;
        r->next_message = host_now(r->host) + host_run_every(r);
    }
    r->awaiting = false;
    hook_set(r->host, &r->hook, host_run_keep_due(r));
}

static void client_opened(struct run *r)
{
    struct conn *c = r->conn;
    r->opened = host_now(r->host);
    r->phase = RUN_REQUEST;
    r->expect = r->spec.http ? UINT64_MAX : r->spec.response_bytes; /* of a health page: whatever comes */
    hook_set(r->host, &r->hook, r->opened + HOST_IDLE);
    tcp_write(&c->tcp, r->opened, r->spec.request_bytes);
    if (r->expect == 0)
        client_answered(r, true);
}

static void client_data(struct run *r)
{
    struct conn *c = r->conn;
    bool waits = r->phase == RUN_REQUEST || (r->phase == RUN_KEEP && r->awaiting);
    r->got = c->tcp.received;
    if (waits && (r->got >= r->expect || c->tcp.message_end))
        client_answered(r, r->got >= r->expect);
}

/* The server closed first: fine after an answer, of whatever size. */
static void client_peer_closed(struct run *r)
{
    struct conn *c = r->conn;
    if (r->phase == RUN_CLOSE)
        return;
    if (r->phase == RUN_REQUEST && (c->tcp.received || !r->expect)) {
        client_close(r);
        return;
    }
    tcp_close(&c->tcp, host_now(r->host));
    host_run_end(r, FLOW_RESET);
}

void host_app_deadline(struct run *r)
{
    struct conn *c = r->conn;
    int64_t now = host_now(r->host), idle = c->tcp.progress_at + HOST_IDLE;
    if (r->phase == RUN_KEEP && !r->awaiting) {
        if (now >= r->opened + r->spec.keep_open) {
            client_close(r);
            return;
        }
        r->awaiting = true;
        r->next_message = now + host_run_every(r);
        r->expect = r->got + HOST_KEEP;
        c->tcp.progress_at = now;
        hook_set(r->host, &r->hook, now + HOST_IDLE);
        tcp_write(&c->tcp, now, HOST_KEEP);
    } else if (now < idle) {
        hook_set(r->host, &r->hook, idle);
    } else { /* the request went through, the answer never comes */
        conn_over(c);
        host_run_end(r, FLOW_TIMEOUT);
    }
}

static enum flow_outcome client_outcome(const struct run *r, enum tcp_news what)
{
    if (r->spec.http && r->status != 200)
        return FLOW_REFUSED;
    switch (what) {
    case TCP_REFUSED:
        return FLOW_REFUSED;
    case TCP_RESET:
        return FLOW_RESET;
    case TCP_TIMED_OUT:
        /* the answer is there and only the goodbye got lost */
        return r->phase == RUN_CLOSE && !r->spec.keep_open ? FLOW_OK : FLOW_TIMEOUT;
    case TCP_OPENED:
    case TCP_DATA:
    case TCP_PEER_CLOSED:
    case TCP_DONE:
        break;
    }
    return FLOW_OK;
}

static void client_news(struct conn *c, enum tcp_news what)
{
    struct run *r = c->run;
    switch (what) {
    case TCP_OPENED:
        client_opened(r);
        break;
    case TCP_DATA:
        client_data(r);
        break;
    case TCP_PEER_CLOSED:
        client_peer_closed(r);
        break;
    case TCP_DONE:
    case TCP_REFUSED:
    case TCP_RESET:
    case TCP_TIMED_OUT:
        conn_over(c);
        host_run_end(r, client_outcome(r, what));
        break;
    }
}

void host_app_news(struct conn *c, enum tcp_news what)
{
    if (c->run)
        client_news(c, what);
    else
        server_news(c, what); /* also of a client whose flow is over: closes after the peer */
}
