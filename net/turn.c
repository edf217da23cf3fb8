/* turn.c: see turn.h. */
#include "net/turn.h"

#include <stddef.h>

static void turn_take_mail(struct dispatch *dispatch, struct mailbox *mailbox)
{
    struct mail *mail = mailbox_take(mailbox);
    for (struct mail *next; mail != NULL; mail = next) {
        next = mail->next;
        dispatch_mail(dispatch, mail);
    }
}

void turn_run(struct dispatch *dispatch, struct mailbox *mailbox, const struct carrier *carrier)
{
    turn_take_mail(dispatch, mailbox); /* parts from and to other threads */
    carrier->read(carrier->arg);       /* bytes -> frames -> requests, bounded a connection */
    dispatch_read(dispatch);           /* frames that had to wait */
    dispatch_turn(dispatch);      /* shards: one batch, one durable write; acks queue replies */
    carrier->write(carrier->arg); /* so no reply precedes its durability; frees the dead */
    figure_add(&dispatch->figures.turns, 1);
}
