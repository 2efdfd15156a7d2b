#include <stdio.h>
#include <stdlib.h>

static const char table[9000] = {1, 2, 3};

int main(int count, char **words)
{
    int n = count > 1 ? atoi(words[1]) : 0;
    printf("%s %d\n", table[n % 3] ? "ok" : "no", n);
    return 0;
}
