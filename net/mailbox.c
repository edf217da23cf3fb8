/* mailbox.c: a stack that many push on and one takes whole, which it then turns over.
 *
 * Sleeping: the receiver says so and looks once more before it waits; a sender pushes and then
 * looks whether it slept. Both are sequentially consistent, so at least one sees the other and
 * no mail is slept over. Only one sender of a burst finds `asleep` set, so only one wakes. */
#include "net/mailbox.h"

#include <imlog/planted.h>
#include <stddef.h>

bool mailbox_send(struct mailbox *mailbox, struct mail *mail)
{
    struct mail *newest = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    do {
        mail->next = newest;
    } while (!atomic_compare_exchange_weak(&mailbox->newest, &newest, mail));
    return atomic_load(&mailbox->asleep) && atomic_exchange(&mailbox->asleep, false);
}

struct mail *mailbox_take(struct mailbox *mailbox)
{
    if (atomic_load_explicit(&mailbox->newest, memory_order_relaxed) == NULL)
        return NULL;
    struct mail *newest = atomic_exchange(&mailbox->newest, NULL);
    if (IMLOG_PLANTED(mail_newest_first))
        return newest;
    struct mail *oldest = NULL;
    while (newest != NULL) {
        struct mail *older = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    return oldest;
}

bool mailbox_sleep(struct mailbox *mailbox)
{
    atomic_store(&mailbox->asleep, true);
    if (atomic_load(&mailbox->newest) == NULL)
        return true;
    mailbox_awake(mailbox);
    return false;
}

void mailbox_awake(struct mailbox *mailbox)
{
    atomic_store(&mailbox->asleep, false);
}
