#include "loading.h"
static void t(void **s){ (void)s; struct loading l; load_text(&l, BASE "routes:\n  read: { match: { host: api.example.com, path: /orders/** }, " WHOLE " }\n"); assert_told(l.config, ""); loading_done(&l);}
int main(void){const struct CMUnitTest x[]={cmocka_unit_test(t)};return cmocka_run_group_tests(x,NULL,NULL);}
