#include "compress/choose.h"

#include "http/accept.h"

/* Thousandths; -1: not said. */
struct qualities {
    int of[COMPRESS_ALGORITHMS];
    int identity, any;
};

static int *quality_named(struct qualities *qualities, struct slice coding)
{
    for (int id = 0; id < COMPRESS_ALGORITHMS; id++) {
        const struct compress_algorithm *algorithm = compress_algorithms[id];
        if (slice_equal_nocase(coding, algorithm->name) ||
            (algorithm->alias.len > 0 && slice_equal_nocase(coding, algorithm->alias))) {
            return &qualities->of[id];
        }
    }
    if (slice_equal_nocase(coding, SLICE("identity"))) {
        return &qualities->identity;
    }
    return slice_equal(coding, SLICE("*")) ? &qualities->any : NULL;
}

/* What is said twice holds as it is said first; a refusal holds whenever it is said. */
static void note(struct qualities *qualities, struct slice element)
{
    ssize_t end = slice_find(element, ';');
    struct slice coding = slice_trim(end < 0 ? element : slice_part(element, 0, (size_t)end));
    struct slice parameters = end < 0 ? SLICE_NONE : slice_from(element, (size_t)end + 1);
    int *quality = quality_named(qualities, coding);
    if (quality == NULL) {
        return;
    }
    int said = (int)accept_weight(parameters);
    *quality = *quality < 0 || said == 0 ? said : *quality;
}

static void read_fields(const struct headers *headers, struct qualities *qualities)
{
    unsigned int count = 0;
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->items[i];
        if (header->id != HEADER_OTHER || !slice_equal_nocase(header->name, SLICE("accept-encoding"))) {
            continue;
        }
        struct slice list = header->value, element;
        while (count++ < COMPRESS_CODINGS_MAX && http_list_next(&list, &element)) {
            note(qualities, element);
        }
    }
}

int compress_choose(const struct headers *headers, uint64_t allowed)
{
    struct qualities qualities = { .identity = -1, .any = -1 };
    for (int id = 0; id < COMPRESS_ALGORITHMS; id++) {
        qualities.of[id] = -1;
    }
    read_fields(headers, &qualities);
    int best = -1, best_quality = 0;
    for (int id = 0; id < COMPRESS_ALGORITHMS; id++) {
        int quality = qualities.of[id];
        if (quality < 0 && compress_algorithms[id]->is_common) {
            quality = qualities.any;
        }
        if ((allowed >> id & 1) != 0 && quality > best_quality) {
            best = id;
            best_quality = quality;
        }
    }
    return best_quality >= qualities.identity ? best : -1;
}
