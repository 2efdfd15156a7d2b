/* How many primes lie below 10,000. */
#include <stdio.h>

enum { N = 10000 };

static int count(void)
{
    int found = 0;
    for (int n = 2; n < N; n++) {
        int d = 2;
        while (d * d <= n && n % d != 0)
            d++;
        found += d * d > n;
    }
    return found;
}

int main(void)
{
    printf("%d\n", count());
    return 0;
}
