/* main.c - the program's entry. */
#include <stdio.h>

int main(void)
{
    puts("vnetsim " VNETSIM_VERSION " (" VNETSIM_BUILD ")");
    return 0;
}
