/* unit: what every cmocka test needs before <cmocka.h>. */
#ifndef TOCSIN_TESTS_UNIT_H
#define TOCSIN_TESTS_UNIT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#endif
