// Prints what mingw-w64's headers say: the size of each struct, the offset of each field, and each number by its name.
// LISTED is a file of the test's with a line for each: SIZE(struct), OFFSET(struct, field) or NUMBER(name).
#ifdef NEWER
#include "newer.h"
#else
#include "older.h"
#endif
#include <stddef.h>
#include <stdio.h>

#define SIZE(type) printf("%s %lld\n", #type, (long long)sizeof(type));
#define OFFSET(type, field) printf("%s.%s %lld\n", #type, #field, (long long)offsetof(type, field));
#define NUMBER(name) printf("%s %lld\n", #name, (long long)(name));

int main(void) {
#include LISTED
    return 0;
}
