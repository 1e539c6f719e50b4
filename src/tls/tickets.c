#include "tls/internal.h"

#include "base/random.h"
#include "base/secret.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#define TICKET_NAME_SIZE 16
#define TICKET_IV_SIZE   16
#define TICKET_KEY_SIZE  32

struct ticket_key {
    unsigned char name[TICKET_NAME_SIZE];
    unsigned char cipher_key[TICKET_KEY_SIZE];
    unsigned char mac_key[TICKET_KEY_SIZE];
};

_Static_assert(sizeof(struct ticket_key) == TLS_TICKET_KEY_SIZE, "as tls.h says");

struct tls_tickets {
    pthread_mutex_t lock; /* held for a copy; taken once per handshake */
    struct ticket_key current, previous;
    EVP_CIPHER *cipher; /* fetched once: a fetch per ticket costs more than the encryption */
};

struct error tls_tickets_new(struct tls_tickets **ret_tickets)
{
    struct tls_tickets *tickets = calloc(1, sizeof *tickets);
    if (tickets == NULL) {
        return FAIL(ERROR_MEMORY, "out of memory");
    }
    tickets->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (tickets->cipher == NULL) {
        free(tickets);
        return FAIL(ERROR_CRYPTO, "OpenSSL lacks AES-256-CBC");
    }
    pthread_mutex_init(&tickets->lock, NULL);
    random_bytes(&tickets->current, sizeof tickets->current);
    random_bytes(&tickets->previous, sizeof tickets->previous); /* matches nothing yet */
    *ret_tickets = tickets;
    return OK;
}

void tls_tickets_free(struct tls_tickets *tickets)
{
    if (tickets == NULL) {
        return;
    }
    EVP_CIPHER_free(tickets->cipher);
    pthread_mutex_destroy(&tickets->lock);
    secret_wipe(tickets, sizeof *tickets);
    free(tickets);
}

void tls_tickets_rotate(struct tls_tickets *tickets)
{
    struct ticket_key fresh;
    random_bytes(&fresh, sizeof fresh);
    pthread_mutex_lock(&tickets->lock);
    tickets->previous = tickets->current;
    tickets->current = fresh;
    pthread_mutex_unlock(&tickets->lock);
    secret_wipe(&fresh, sizeof fresh);
}

void tls_tickets_export(struct tls_tickets *tickets, unsigned char out[TLS_TICKET_KEY_SIZE])
{
    pthread_mutex_lock(&tickets->lock);
    memcpy(out, &tickets->current, TLS_TICKET_KEY_SIZE);
    pthread_mutex_unlock(&tickets->lock);
}

void tls_tickets_inherit(struct tls_tickets *tickets, const unsigned char key[TLS_TICKET_KEY_SIZE])
{
    pthread_mutex_lock(&tickets->lock);
    memcpy(&tickets->previous, key, TLS_TICKET_KEY_SIZE);
    pthread_mutex_unlock(&tickets->lock);
}

enum ticket_age {
    TICKET_UNKNOWN,
    TICKET_CURRENT,
    TICKET_PREVIOUS,
};

/* Copies the key of that name; the name is public. */
static enum ticket_age find_key(struct tls_tickets *tickets, const unsigned char *name,
                                struct ticket_key *out)
{
    enum ticket_age age = TICKET_UNKNOWN;
    pthread_mutex_lock(&tickets->lock);
    if (memcmp(name, tickets->current.name, TICKET_NAME_SIZE) == 0) {
        *out = tickets->current;
        age = TICKET_CURRENT;
    } else if (memcmp(name, tickets->previous.name, TICKET_NAME_SIZE) == 0) {
        *out = tickets->previous;
        age = TICKET_PREVIOUS;
    }
    pthread_mutex_unlock(&tickets->lock);
    return age;
}

static bool set_mac_key(EVP_MAC_CTX *mac, struct ticket_key *key)
{
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac_key, sizeof key->mac_key),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

/* 1: key set; 2: key set, and the ticket should be renewed; 0: no such key, so a full handshake; -1: failure. */
int tls_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                   int encrypt)
{
    const struct tls_state *state = tls_state_of(ssl);
    struct tls_tickets *tickets = tls_server_tickets(state->server);
    struct ticket_key key;
    enum ticket_age age = TICKET_CURRENT;
    if (tickets == NULL) {
        return 0;
    }
    if (encrypt) {
        pthread_mutex_lock(&tickets->lock);
        key = tickets->current;
        pthread_mutex_unlock(&tickets->lock);
        memcpy(name, key.name, TICKET_NAME_SIZE);
        random_bytes(iv, TICKET_IV_SIZE);
    } else {
        age = find_key(tickets, name, &key);
        if (age == TICKET_UNKNOWN) {
            return 0;
        }
    }
    bool set = set_mac_key(mac, &key) &&
               EVP_CipherInit_ex(cipher, tickets->cipher, NULL, key.cipher_key, iv, encrypt ? 1 : 0) == 1;
    secret_wipe(&key, sizeof key);
    if (!set) {
        return -1;
    }
    return age == TICKET_PREVIOUS ? 2 : 1;
}
