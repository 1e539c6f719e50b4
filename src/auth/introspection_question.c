#include "auth/introspection_question.h"

#include "base/secret.h"

#include <stdlib.h>

struct introspection_question *introspection_question_new(struct slice endpoint_name, struct slice token)
{
    struct introspection_question *question = malloc(sizeof *question + endpoint_name.len + token.len);
    if (question == NULL) {
        return NULL;
    }
    char *at = (char *)(question + 1);
    memcpy(at, endpoint_name.ptr, endpoint_name.len);
    memcpy(at + endpoint_name.len, token.ptr, token.len);
    *question = (struct introspection_question){
        .endpoint_name = slice_of(at, endpoint_name.len),
        .token = slice_of(at + endpoint_name.len, token.len),
    };
    return question;
}

void introspection_question_free(struct introspection_question *question)
{
    if (question == NULL) {
        return;
    }
    secret_wipe((char *)(uintptr_t)question->token.ptr, question->token.len);
    free((char *)(uintptr_t)question->body.ptr);
    free(question);
}

void introspection_question_answer(struct introspection_question *question, struct slice body,
                                   int64_t asked_at)
{
    char *copy = malloc(body.len + 1);
    if (copy == NULL) {
        question->reason = DENY_INTERNAL;
        return;
    }
    memcpy(copy, body.ptr, body.len);
    question->reason = DENY_NONE;
    question->asked_at = asked_at;
    question->body = slice_of(copy, body.len);
}

void introspection_questions_init(struct introspection_questions *questions)
{
    *questions = (struct introspection_questions){ .last = &questions->first };
}

void introspection_questions_add(struct introspection_questions *questions,
                                 struct introspection_question *question)
{
    question->next = NULL;
    *questions->last = question;
    questions->last = &question->next;
    questions->count++;
}

struct introspection_question *introspection_questions_take(struct introspection_questions *questions)
{
    struct introspection_question *question = questions->first;
    if (question != NULL) {
        questions->first = question->next;
        questions->last = questions->first != NULL ? questions->last : &questions->first;
        questions->count--;
    }
    return question;
}
