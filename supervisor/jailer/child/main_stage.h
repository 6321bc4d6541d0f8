/* What goes over a program's gate when the second stage of its filter is to begin at main:
 *   jailer -> program    one packet: struct main_stage_filter and its instructions
 *   program -> jailer    one packet: struct main_stage_report
 *   jailer -> program    one byte, once it has seen in /proc that the filter is there; any other
 *                        end of the gate is the end of the program
 * In C, for the object that is preloaded (preload/main_stage.c). */
#ifndef JAILSVC_MAIN_STAGE_H
#define JAILSVC_MAIN_STAGE_H

#include <linux/filter.h>
#include <stdint.h>

/* Where the program finds its gate; removed before main. */
#define MAIN_STAGE_VARIABLE "JAILSVC_GATE"

struct main_stage_filter {
    uint32_t placeholder; /* in comparisons: the program's own pid goes in its place; 0: nowhere */
    uint32_t count;       /* of the instructions that follow */
};

/* GateReport of child_op.hpp */
struct main_stage_report {
    uint32_t kind;
    uint32_t op;
    int32_t code;
    uint32_t about;
};
#define MAIN_STAGE_FAILED 1u
#define MAIN_STAGE_REACHED 5u
#define MAIN_STAGE_STEP 0xfffffffcu /* kStepMain */

#endif
