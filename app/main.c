/*
 * main.c - the program's entry
 */
#include <stdio.h>

int main(void)
{
    printf("banter %s\n", BANTER_VERSION);
    return 0;
}
