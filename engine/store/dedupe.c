/* dedupe.c: see dedupe.h. */
#define _GNU_SOURCE
#include "engine/store/dedupe.h"

#include "engine/base/checksum.h"

#include <imlog/planted.h>
#include <sys/mman.h>

struct dedupe_probe {
    const struct dedupe *dedupe;
    uint64_t session_id;
    uint64_t sender_id;
    uint64_t client_msg_id;
};

static inline uint64_t key_hash(uint64_t session_id, uint64_t sender_id, uint64_t client_msg_id)
{
    if (IMLOG_PLANTED(retry_ignores_sender))
        sender_id = 0;
    return mix64(mix64(mix64(session_id) + sender_id) + client_msg_id);
}

static inline bool entry_matches(const void *arg, uint32_t value)
{
    const struct dedupe_probe *probe = arg;
    const struct dedupe_entry *entry = &probe->dedupe->entries[value];
    return entry->session_id == probe->session_id &&
           (entry->sender_id == probe->sender_id || IMLOG_PLANTED(retry_ignores_sender)) &&
           entry->client_msg_id == probe->client_msg_id;
}

static inline uint64_t entry_hash(const void *arg, uint32_t value)
{
    const struct dedupe_entry *entry = &((const struct dedupe *)arg)->entries[value];
    return key_hash(entry->session_id, entry->sender_id, entry->client_msg_id);
}

int dedupe_init(struct dedupe *dedupe, uint32_t capacity)
{
    IMLOG_ASSERT(capacity > 0);
    *dedupe = (struct dedupe){.index = {.tagged = 1}, .capacity = capacity};
    void *entries =
        mmap(NULL, (size_t)capacity * sizeof(struct dedupe_entry), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (entries == MAP_FAILED)
        return -ENOMEM;
    dedupe->entries = entries;
    return 0;
}

void dedupe_deinit(struct dedupe *dedupe)
{
    hash_index_deinit(&dedupe->index);
    if (dedupe->entries != NULL)
        (void)munmap(dedupe->entries, (size_t)dedupe->capacity * sizeof(struct dedupe_entry));
    dedupe->entries = NULL;
}

const struct dedupe_entry *dedupe_find(const struct dedupe *dedupe, uint64_t session_id,
                                       uint64_t sender_id, uint64_t client_msg_id)
{
    struct dedupe_probe probe = {.dedupe = dedupe,
                                 .session_id = session_id,
                                 .sender_id = sender_id,
                                 .client_msg_id = client_msg_id};
    uint32_t at = hash_index_find(&dedupe->index, key_hash(session_id, sender_id, client_msg_id),
                                  entry_matches, &probe);
    return at == HASH_INDEX_NONE ? NULL : &dedupe->entries[at];
}

int dedupe_reserve(struct dedupe *dedupe, uint64_t session_id, uint64_t sender_id,
                   uint64_t client_msg_id)
{
    return hash_index_reserve(&dedupe->index, key_hash(session_id, sender_id, client_msg_id),
                              entry_hash, dedupe);
}

void dedupe_add(struct dedupe *dedupe, const struct dedupe_entry *entry)
{
    uint32_t at = (uint32_t)(dedupe->next % dedupe->capacity);
    uint32_t kept = dedupe->capacity - (IMLOG_PLANTED(retry_window_one_short) ? 1 : 0);
    if (dedupe->next - dedupe->first >= kept && dedupe->next > dedupe->first) {
        hash_index_remove(&dedupe->index, entry_hash(dedupe, at), at, entry_hash, dedupe);
        dedupe->first++;
    }
    dedupe->entries[at] = *entry;
    hash_index_insert(&dedupe->index, entry_hash(dedupe, at), at);
    dedupe->next++;
}

uint64_t dedupe_ram_bytes(const struct dedupe *dedupe)
{
    uint64_t touched = dedupe->next < dedupe->capacity ? dedupe->next : dedupe->capacity;
    return touched * sizeof(struct dedupe_entry) + hash_index_bytes(&dedupe->index);
}
