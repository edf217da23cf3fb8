/* mailbox.h: how threads hand each other work: many senders, one receiver, no locks.
 *
 * Mail of one sender arrives in the order it was sent; what the sender wrote before sending is
 * seen by the receiver. The mail belongs to the receiver from then on. */
#ifndef NET_MAILBOX_H
#define NET_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>

enum mail_kind {
    MAIL_PART,   /* a struct part, to the thread of its shard */
    MAIL_RETURN, /* the same, back home */
};

struct mail { /* embedded in what is sent */
    struct mail *next;
    enum mail_kind kind;
};

struct mailbox { /* all zero is an empty one */
    _Atomic(struct mail *) newest;
    atomic_bool asleep;
};

/* True: the receiver sleeps, and the sender must wake it. */
bool mailbox_send(struct mailbox *mailbox, struct mail *mail);

/* The receiver: take all there is, oldest first, linked by next; NULL if there is none. */
struct mail *mailbox_take(struct mailbox *mailbox);

/* The receiver, before it waits: false if mail came meanwhile and it must not. */
bool mailbox_sleep(struct mailbox *mailbox);
void mailbox_awake(struct mailbox *mailbox);

#endif
