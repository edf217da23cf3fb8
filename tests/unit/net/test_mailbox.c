/* Mail between threads arrives once, in its sender's order, and is not slept over. */
#include "net/mailbox.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

enum { SENDERS = 3, LETTERS = 20000 };

struct letter {
    struct mail mail; /* first */
    uint32_t sender;
    uint32_t number;
};

struct sender {
    pthread_t thread;
    struct mailbox *mailbox;
    int wake_file;
    uint32_t index;
    struct letter *letters;
};

static void *send_all(void *arg)
{
    struct sender *sender = arg;
    for (uint32_t i = 0; i < LETTERS; i++) {
        sender->letters[i].sender = sender->index;
        sender->letters[i].number = i;
        uint64_t one = 1;
        if (mailbox_send(sender->mailbox, &sender->letters[i].mail) &&
            write(sender->wake_file, &one, sizeof one) != sizeof one)
            abort();
    }
    return NULL;
}

static void wait_for_mail(struct mailbox *mailbox, int wake_file)
{
    struct pollfd poll_file = {.fd = wake_file, .events = POLLIN};
    uint64_t count;
    if (mailbox_sleep(mailbox)) {
        assert_int_equal(poll(&poll_file, 1, 10000), 1); /* a wake-up lost would end here */
        assert_int_equal(read(wake_file, &count, sizeof count), sizeof count);
    }
    mailbox_awake(mailbox);
}

static void mail_arrives_once_and_in_order(void **state)
{
    (void)state;
    struct mailbox mailbox = {.newest = NULL};
    int wake_file = eventfd(0, EFD_CLOEXEC);
    struct sender senders[SENDERS];
    uint32_t expected[SENDERS] = {0};
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.mailbox = &mailbox,
                                     .wake_file = wake_file,
                                     .index = i,
                                     .letters = calloc(LETTERS, sizeof(struct letter))};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
    }
    for (uint32_t got = 0; got < SENDERS * LETTERS;) {
        struct mail *mail = mailbox_take(&mailbox);
        if (mail == NULL)
            wait_for_mail(&mailbox, wake_file);
        for (; mail != NULL; mail = mail->next, got++) {
            const struct letter *letter = (const struct letter *)(const void *)mail;
            assert_int_equal(letter->number, expected[letter->sender]++);
        }
    }
    for (uint32_t i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(senders[i].thread, NULL), 0);
        free(senders[i].letters);
    }
    assert_null(mailbox_take(&mailbox));
    assert_int_equal(close(wake_file), 0);
}

static void receiver_does_not_sleep_over_mail(void **state)
{
    (void)state;
    struct mailbox mailbox = {.newest = NULL};
    struct mail mail;
    assert_false(mailbox_send(&mailbox, &mail)); /* awake: no need to wake */
    assert_false(mailbox_sleep(&mailbox));
    assert_ptr_equal(mailbox_take(&mailbox), &mail);
    assert_true(mailbox_sleep(&mailbox));
    struct mail second;
    assert_true(mailbox_send(&mailbox, &mail));    /* the first wakes */
    assert_false(mailbox_send(&mailbox, &second)); /* and nobody else */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_arrives_once_and_in_order),
        cmocka_unit_test(receiver_does_not_sleep_over_mail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
