/* digits_test: how good are the weights in a file? Prints the accuracy on the test images, in
 * percent. */
#include "checkpoint.h"
#include "options.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct options options;
    struct digits digits;
    struct tensors weights;

    if (options_parse(&options, argc, argv) != 0 || weights_load(options.weights, &weights) != 0 ||
        digits_load(&digits, options.data) != 0)
        return EXIT_FAILURE;
    printf("%.1f\n", model_accuracy(&weights, &digits.test));
    digits_free(&digits);
    return EXIT_SUCCESS;
}
