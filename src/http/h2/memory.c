#include "http/h2/memory.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define GRAIN 64

/* Before each piece that is handed out; keeps it aligned to 16 bytes. */
struct h2_memory_piece {
    union {
        struct h2_memory_piece *next; /* while it is kept */
        size_t size;                  /* with this header, in whole grains */
    };
    size_t padding;
};

static_assert(sizeof(struct h2_memory_piece) == 16, "pieces are aligned as malloc's");

void h2_memory_init(struct h2_memory *memory)
{
    *memory = (struct h2_memory){ 0 };
}

void h2_memory_done(struct h2_memory *memory)
{
    for (size_t class = 0; class < H2_MEMORY_CLASSES; class ++) {
        while (memory->kept[class] != NULL) {
            struct h2_memory_piece *piece = memory->kept[class];
            memory->kept[class] = piece->next;
            free(piece);
        }
        memory->counts[class] = 0;
    }
}

static size_t class_of(size_t size)
{
    return size / GRAIN - 1;
}

/* Memory that the heap lends again takes its pages whether they are written or not. Of a large piece nghttp2 mostly uses the
 * beginning (a frame's 16 KiB for one of 17 bytes): its whole pages are given back until they are touched. */
static void drop_pages(struct h2_memory_piece *piece, size_t whole)
{
    static const size_t page =
        4096; /* where pages are larger this is refused, and nothing is lost but the memory */
    uintptr_t from = ((uintptr_t)(piece + 1) + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)piece + whole) / page * page;
    if (from < to) {
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
}

static void *take(size_t size, void *user)
{
    struct h2_account *account = user;
    if (size > account->maximum) {
        account->exceeded = true;
        return NULL;
    }
    size_t whole = (size + sizeof(struct h2_memory_piece) + GRAIN - 1) / GRAIN * GRAIN;
    if (whole > account->maximum - account->used) {
        account->exceeded = true;
        return NULL;
    }
    struct h2_memory *memory = account->memory;
    size_t class = class_of(whole);
    struct h2_memory_piece *piece = class < H2_MEMORY_CLASSES ? memory->kept[class] : NULL;
    if (piece != NULL) {
        memory->kept[class] = piece->next;
        memory->counts[class]--;
    } else {
        piece = malloc(whole);
        if (piece == NULL) {
            return NULL;
        }
        drop_pages(piece, whole);
    }
    piece->size = whole;
    account->used += whole;
    return piece + 1;
}

static void give(void *memory, void *user)
{
    struct h2_account *account = user;
    if (memory == NULL) {
        return;
    }
    struct h2_memory_piece *piece = (struct h2_memory_piece *)memory - 1;
    struct h2_memory *pool = account->memory;
    size_t class = class_of(piece->size);
    account->used -= piece->size;
    if (class >= H2_MEMORY_CLASSES || pool->counts[class] >= H2_MEMORY_KEPT) {
        free(piece);
        return;
    }
    piece->next = pool->kept[class];
    pool->kept[class] = piece;
    pool->counts[class]++;
}

static void *take_zeroed(size_t count, size_t size, void *user)
{
    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    void *memory = take(count * size, user);
    if (memory != NULL) {
        memset(memory, 0, count * size);
    }
    return memory;
}

static void *take_again(void *memory, size_t size, void *user)
{
    if (memory == NULL) {
        return take(size, user);
    }
    size_t room = ((struct h2_memory_piece *)memory - 1)->size - sizeof(struct h2_memory_piece);
    if (size <= room) {
        return memory;
    }
    void *larger = take(size, user);
    if (larger != NULL) {
        memcpy(larger, memory, room);
        give(memory, user);
    }
    return larger;
}

nghttp2_mem h2_account_mem(struct h2_account *account)
{
    return (nghttp2_mem){ account, take, give, take_zeroed, take_again };
}
