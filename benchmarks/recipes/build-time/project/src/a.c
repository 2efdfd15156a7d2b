#include <stdio.h>
#include "table.h"
int twice(int);
int main(int c, char **v) { (void)v; if (c > 9) return all(c); printf("%d\n", twice(table[20])); return 0; }
