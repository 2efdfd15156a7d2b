#include "table.h"
int twice(int x) { return x > 1000 ? all(x) : 2 * x; }
