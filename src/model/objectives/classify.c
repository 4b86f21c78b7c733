// Classify: labels of a text, one or several (sentiment, topics): [CLS] text [SEP], or [CLS] text [SEP] text [SEP].
#include "model/objectives/label_head.h"

const objective objective_classify = {
    .name = "classify", .check_config = label_head_check_config, LABEL_HEAD_OBJECTIVE};
