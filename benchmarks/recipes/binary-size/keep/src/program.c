#include <stdio.h>
#include <stdlib.h>

int main(int count, char **words)
{
    printf("ok %d\n", count > 1 ? atoi(words[1]) : 0);
    return 0;
}
